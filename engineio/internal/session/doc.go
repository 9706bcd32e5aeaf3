// Package session is an Engine.IO session as a state machine without I/O.
//
// Events come in: a poll, a packet, a connection that was lost, the time. The acts to be
// done come out as Effects, in order. The caller decides when each method is called, and
// has the requests and the connections that the effects are about, of which there is one
// each: the poll that waits, the WebSocket of the session, and the probe, a WebSocket that
// may become it.
//
//	            Poll, Packet              Packet, ProbeClosed
//	polling ────────────────── probing ─────────────────────── websocket
//	   ▲                          │            "5"
//	   └──────────────────────────┘
//	     no "5" in time, or closed
package session
