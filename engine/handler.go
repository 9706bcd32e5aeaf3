package engine

// Handler is what happens on a server's connections. The calls for one
// connection come one after another, in the order of this list; those for
// different connections may come at the same time. None of them may block:
// the connections that share the loop wait meanwhile. See Blocking for handlers
// that have to.
//
// A callback that panics, or ends its goroutine with runtime.Goexit, closes its
// connection with 1011; the server goes on.
type Handler interface {
	// OnOpen is called once, when the opening handshake has been answered.
	OnOpen(c *Conn)

	// OnMessage is called with each message, whole. p is the loop's and is valid
	// until OnMessage returns; it may be overwritten. No message is handed on
	// after Close or CloseNow was called.
	OnMessage(c *Conn, typ MessageType, p []byte)

	// OnDrain is called when a queue that the network could not take at once, that had no
	// room for a message, or that Conn.Buffered was asked about, is empty again.
	OnDrain(c *Conn)

	// OnClose is called once, after everything else, if OnOpen was. err is that
	// of Conn.Err; it is never nil.
	OnClose(c *Conn, err *CloseError)
}

// Waker is a Handler that can be called for something else than the network: for
// what other goroutines have for the connection. See Conn.Wake.
type Waker interface {
	Handler

	// OnWake is called soon after Conn.Wake, once for all calls of it until then,
	// after OnOpen and before OnClose. What it writes leaves in one system call.
	OnWake(c *Conn)
}

// NopHandler does nothing. Embed it to write only the callbacks that matter.
type NopHandler struct{}

// OnOpen does nothing.
func (NopHandler) OnOpen(*Conn) {}

// OnMessage does nothing.
func (NopHandler) OnMessage(*Conn, MessageType, []byte) {}

// OnDrain does nothing.
func (NopHandler) OnDrain(*Conn) {}

// OnClose does nothing.
func (NopHandler) OnClose(*Conn, *CloseError) {}
