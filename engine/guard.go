package engine

import (
	"fmt"
	"runtime/debug"
)

// recovers is deferred around everything that may call the application for c. A
// panic closes that connection with 1011 and nothing else.
func (l *loop) recovers(c *Conn) {
	r := recover()
	if r == nil {
		return
	}
	l.panicked(c, r)
	c.mu.Lock()
	c.flags &^= corked
	if c.state == stateOpen {
		_ = c.proto.QueueClose(StatusInternalError, "internal error", l.now) // unless one is owed or sent already
	}
	stuck := c.flags&blocked != 0
	c.mu.Unlock()
	switch c.state {
	case stateHead: // in Admit or SelectSubprotocol
		l.refuse(c, "", internalError)
	case stateOpen:
		l.finish(c, abnormal(&panicError{r}), true)
		if !stuck {
			l.flush(c)
		}
	default:
		l.release(c)
	}
	l.current.Store(nil)
}

// callClose calls OnClose, which must not keep the end from being completed.
func (l *loop) callClose(h Handler, c *Conn, e *CloseError) {
	defer func() {
		if r := recover(); r != nil {
			l.panicked(c, r)
		}
	}()
	h.OnClose(c, e)
}

// panicked reports a panic of the application.
func (l *loop) panicked(c *Conn, r any) {
	l.tally.Panics++
	c.mu.Lock()
	h := c.handler()
	c.mu.Unlock()
	l.server.log().Error("engine: a callback panicked; its connection is closed with 1011, or its request answered with 500",
		"handler", fmt.Sprintf("%T", h), "remote", fmt.Sprint(c.RemoteAddr()), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}

// panicError is in the chain of the CloseError of a connection whose handler
// panicked.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("the handler panicked: %v", e.value) }
