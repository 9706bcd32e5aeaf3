// Package session is an Engine.IO session as a state machine without I/O.
//
// What happens comes in: a poll, a packet, a connection that was lost, the time. What is
// to be done comes out as Effects, in order. The caller says who calls when, and has the
// requests and the connections that the effects are about, of which there is one each: the
// poll that waits, the WebSocket of the session, and the probe, a WebSocket that may become
// it.
//
//	            Poll, Packet              Packet, ProbeClosed
//	polling ────────────────── probing ─────────────────────── websocket
//	   ▲                          │            "5"
//	   └──────────────────────────┘
//	     no "5" in time, or closed
package session
