package engine

// DefaultWorkers is the default of Server.Workers.
const DefaultWorkers = 256

// Blocking returns a Handler that does what h does, with calls that may block:
// they run on goroutines of the server, see Server.Workers, and not on the loop.
// It is for Server.Handler, Admission.Handler and Conn.SetHandler, so that some
// connections can have it and others not.
//
// Everything else stays as Handler says: the calls for one connection come one
// after another and in order, OnWake among them if h is a Waker, and a payload
// is valid until OnMessage returns. While a call runs, or waits for a worker,
// the connection's pings are answered, but nothing behind its next message is
// looked at: no more is kept of it than that call's message and what was read
// along with it, 64 KiB at most, and then the peer has to wait.
//
// It costs a copy of each message that arrived whole, and two switches between
// goroutines. What cannot block is better off without it.
func Blocking(h Handler) Handler {
	if _, ok := h.(blocking); ok || h == nil {
		return h
	}
	return blocking{h}
}

// blocking marks a Handler; it is never called itself.
type blocking struct{ Handler }

// plain is h without the mark.
func plain(h Handler) Handler {
	if b, ok := h.(blocking); ok {
		return b.Handler
	}
	return h
}
