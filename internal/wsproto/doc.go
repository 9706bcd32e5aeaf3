// Package wsproto is RFC 6455 as a state machine: bytes in, events and bytes out.
//
// It performs no I/O, reads no clock, starts no goroutine and takes no lock, so
// that a goroutine per connection, an event loop, an HTTP/2 stream, a simulator
// and a fuzzer all run this one implementation. A driver owns the transport and
// the buffers and keeps to this contract:
//
//	bytes arrive ──► Next, until it returns None ──► events for the application
//	                       │
//	                       ├─ AppendReplies ──► pong, close echo, failing close
//	application ──► AppendMessage, AppendPing, QueueClose ──► bytes to send
//	Deadline ──► the driver's one timer ──► Expire
//
// Next never fails. A fault of the peer becomes a Fail event whose close frame
// is already queued for AppendReplies; what the peer sends afterwards is
// ignored. Misuse by the caller is an error of the method that was misused and
// changes nothing.
//
// One property holds everything together: the same bytes in any chunking give
// the same events, up to the number of parts that a message's data arrives in.
//
// A Conn is not safe for concurrent use.
package wsproto
