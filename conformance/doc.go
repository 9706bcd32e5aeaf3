// Package conformance judges WebSocket implementations from outside.
//
// It has a few hundred cases of RFC 6455 and RFC 7692 for any server that echoes
// messages (RunServer) and for any client that does (RunClient). Each case plays
// one dialogue over a connection of its own, as bytes, and says in a sentence
// what it checks and where that is written.
//
//	RunServer                         RunClient
//	   suite ── dials ──► server         client ── dials ──► suite
//	         ◄── echo ──                         ── echo ──►
//
// The suite encodes with ws/wire and ws/handshake and shares nothing else with
// the library, so that a fault of the library cannot hide itself. Compression is
// the standard library's.
//
// A case is a row of a table: an ID, a sentence, a section and a script of steps
// (script.go) that send frames and say what must come back. What the peer sends
// is held to the protocol in every case, whatever the case is about (judge.go).
package conformance
