// Package handshake is the opening handshake of WebSocket as pure functions (RFC 6455 §4).
//
// It reads no socket and no clock: what a request or a response says comes in,
// what to answer goes out. A server asks Check whether a request may become a
// WebSocket and writes what AppendResponse builds; a client writes what
// AppendRequest builds and asks CheckResponse about the answer.
//
//	client                                          server
//	AppendRequest ──── GET, Upgrade, Key ─────────→ Check ─→ *Fault: answer it, close
//	CheckResponse ←─── 101, Accept, Protocol ────── AppendResponse
//
// Everything a peer sends is read strictly and in linear time, and every count
// has a limit with a name (limits.go). Text of the peer appears in errors only
// quoted, truncated and in ASCII, so an error may be logged or sent as it is.
//
// Functions and methods are safe for concurrent use as long as nobody modifies
// their arguments.
package handshake
