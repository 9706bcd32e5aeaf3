// Package settle gives memory back to the system when a burst of new connections
// is over.
//
// An opening handshake through net/http leaves ten times as much garbage as the
// connection that it makes is going to hold, and the collector has no reason to
// come for it while nothing more is allocated: connections that only wait allocate
// nothing. So a server that was just connected to by ten thousand clients would
// keep a third of its memory for nothing for minutes.
package settle
