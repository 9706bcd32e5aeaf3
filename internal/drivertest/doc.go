// Package drivertest states how a WebSocket behaves, whichever driver moves its bytes.
//
// A driver is a way from a transport to an application: a goroutine that reads,
// an event loop, either of them over TLS. Everything that a peer or an application
// can see of a connection is the same for all of them, and is written down here
// once, as rows that Run holds a Driver to:
//
//	the peer                      the driver              the application
//	raw bytes, cut anywhere ─────► under test ────► messages, and how it ended
//	frames, who ends first ◄─────            ◄──── writes, pings, closes, panics
//
// The peer is the suite's own and builds its frames from package wire. It
// compresses with the standard library, so that no two sides of a row share their
// mistakes.
//
// A driver that waits for nothing outside of the process runs in a bubble of
// testing/synctest, where time is virtual and every timeout is exact. Over real
// sockets the same rows take short times and are only held to be not early; rows
// in which being late would be a failure are for virtual time alone.
package drivertest
