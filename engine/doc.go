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
// Callbacks run on the loop, so a callback that blocks holds up every connection of
// that loop; Server.StallAfter says which one does. A handler that has to wait, for a
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
// # Requests on the loop
//
// A goroutine for each request is much for an event stream that is mostly silent,
// and for a short POST. Server.Route gives requests to a Responder instead, which
// answers on the loop and never waits:
//
//	type hello struct{ engine.NopResponder }
//
//	func (hello) OnBody(x engine.Exchange, body []byte) { _ = x.Respond(200, nil, append([]byte("hello "), body...)) }
//
//	s.Route = func(r *engine.Request) engine.Route {
//		if r.Path() != "/hello" {
//			return engine.Route{} // for Server.HTTP
//		}
//		return engine.Route{Responder: hello{}}
//	}
//
// An Exchange is a request and its response. It can be answered at once or later,
// from any goroutine, whole with Respond or as a stream with Begin, Write and End.
// Something that goes to many streams is framed once, by AppendChunk, and written
// with WriteChunks. What other goroutines have for a stream is best told by Wake:
// OnWake takes all of it and writes it in one system call.
//
// The loop serves only what it understands completely. A request with anything
// that two readers might read differently, or with chunked content, is for
// Server.HTTP, with the rest of its connection.
//
// An opening handshake can be an Exchange, too, and wait for a decision that takes
// time: see Admission.Pending.
//
// # One message to many
//
// Prepare encodes a message once for all its receivers. Frequent publications
// are best kept in one list: Conn.Wake tells a connection that there is more, and
// its OnWake writes what it has not written yet, all of it in one system call.
//
// A peer that does not keep up has a queue of its own, which is bounded: a write
// that finds no room returns ErrQueueFull, and OnDrain says when there is room.
package engine
