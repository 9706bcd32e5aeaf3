// Package engine is a WebSocket server that moves the bytes of many connections with few goroutines.
//
// There is one loop for each core. A loop waits for all of its connections at
// once, reads whichever has something into a buffer that they share, lets the
// protocol core decode it, calls the Handler, and sends what that wrote in one
// system call. A connection that is idle has no goroutine, no buffer and no
// timer of its own: it is a few hundred bytes.
//
//	kernel ──► loop: poller ─► read ─► wsproto.Next ─► Handler.OnMessage
//	                   ▲                                   │ Conn.Write
//	                   │                                   ▼
//	         timers, tasks of other goroutines      outbox ─► one write
//
// A minimal server:
//
//	type echo struct{ engine.NopHandler }
//
//	func (echo) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) { _ = c.Write(typ, p) }
//
//	s := &engine.Server{Handler: echo{}}
//	err := s.ListenAndServe("127.0.0.1:8000")
//
// Callbacks run on the loop, so one that blocks holds up every connection of
// that loop; Server.StallAfter says who does. A handler that has to wait, for a
// database perhaps, is given to the server as Blocking(h), for all connections
// or for some, and is called on a bounded pool of goroutines instead. Everything
// else may come from any goroutine: the methods of a Conn never wait for the
// network.
//
// On Linux a loop waits with epoll and uses descriptors directly. Elsewhere, and
// for connections that are not sockets of the kernel, goroutines do the reading
// and writing, and everything above them is the same code.
//
// With Server.ServeTLS a loop does the I/O of TLS, too. It gives crypto/tls what
// it has read and sends what that has encrypted; goroutines are needed for the
// handshakes only. An idle connection keeps what crypto/tls keeps, which depends on
// the largest record that the peer has sent.
//
// Requests that do not ask for a WebSocket go to an http.Handler on the same
// port, and a connection of another HTTP server can be taken over with
// Server.Upgrade or Server.Adopt.
//
// # One message to many
//
// Prepare encodes a message once for all who are sent it. What is published often
// is best kept in one list: Conn.Wake tells a connection that there is more, and
// its OnWake writes what it has not written yet, all of it in one system call.
//
// A peer that does not keep up has a queue of its own, which is bounded: a write
// that finds no room returns ErrQueueFull, and OnDrain says when there is room.
package engine
