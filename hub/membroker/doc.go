// Package membroker is the hub.Broker of a single process, which keeps histories in memory.
//
// The state of a channel exists only while it is listened to or has history that has not
// expired:
//
//	map of channels, in 64 shards          forgotten: up to ChannelsMax numbers
//	┌─────────────────────────────┐        ┌────┬────┬────┬─
//	│ "chat"  top 812             │ forget │ 96 │812 │  3 │ … by hash of the name
//	│         history 713…812     │ ─────→ └────┴────┴────┴─
//	│         pending ─→ Receiver │ create   ↓ the oldest
//	└─────────────────────────────┘ ←───── floors: 4096 numbers, for good
//
// A channel that comes back continues where it was, so a position given out before
// still means what it meant. Of a channel that was pushed out of the table only this
// much is known: it came no further than its floor, and continues above it.
//
// A publication is delivered in its publisher's goroutine: there is no queue
// and no other goroutine between the two unless several publish to one channel
// at the same moment. Then one of them delivers for all, in order.
//
// Everything is lost with the process, unless another one has taken it over: see
// Snapshot. Without that the next one begins another epoch, and subscribers that
// resume are told so.
package membroker
