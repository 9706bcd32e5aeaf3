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
// that loop; Server.StallAfter says who does. Everything else may come from any
// goroutine: the methods of a Conn never wait for the network.
//
// On Linux a loop waits with epoll and uses descriptors directly. Elsewhere, and
// for connections that are not sockets of the kernel such as TLS, goroutines do
// the reading and writing, and everything above them is the same code.
//
// Requests that do not ask for a WebSocket go to an http.Handler on the same
// port, and a connection of another HTTP server can be taken over with
// Server.Upgrade or Server.Adopt.
package engine
