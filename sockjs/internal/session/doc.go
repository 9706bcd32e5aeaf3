// Package session is the state of a SockJS session that is a series of requests: its
// receiver, its queue, and the next frame.
//
// It does no I/O, reads no clock and takes no lock: time is an argument.
//
//	             Accept              Close, a broken receiver, a full queue
//	Undecided ───────────► Open ─────────────────────────────────────────► Closed
//	    │                    │                                               │
//	    └────────────────────┴─── no receiver for DisconnectDelay ───────────┴──► Over
package session
