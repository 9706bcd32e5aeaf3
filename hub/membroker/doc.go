// Package membroker is the hub.Broker of a single process, which keeps histories in memory.
//
// The state of a channel exists only while somebody listens to it or it has
// history that has not expired:
//
//	map of channels, in 64 shards          floors: 4096 numbers, for good
//	┌─────────────────────────────┐        ┌────┬────┬────┬─
//	│ "chat"  top 812             │ forget │ 96 │812 │  0 │ …
//	│         history 713…812     │ ─────→ └────┴────┴────┴─
//	│         pending ─→ Receiver │ create    ↑ by hash of the name: the newest
//	└─────────────────────────────┘ ←─────    offset of any channel forgotten here
//
// A channel that comes back continues above its floor, so a position given out
// before still means what it meant, and nothing is remembered for each name.
//
// A publication is delivered in its publisher's goroutine: there is no queue
// and no other goroutine between the two unless several publish to one channel
// at the same moment. Then one of them delivers for all, in order.
//
// Everything is lost with the process. The next one begins another epoch, and
// subscribers that resume are told so.
package membroker
