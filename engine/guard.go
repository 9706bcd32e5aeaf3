package engine

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// recoverPanic is deferred around everything that may call the application for c. A
// panic closes that connection with 1011 and nothing else.
func (l *loop) recoverPanic(c *Conn) {
	r := recover()
	l.current.Store(nil)
	if r == nil {
		return
	}
	l.handleCrash(c, r)
}

// errGoexit is what a callback has done that ended its goroutine.
var errGoexit = errors.New("runtime.Goexit was called")

// reasonOf is what ended a callback that did not return: a panic, or else that.
func reasonOf(r any) any {
	if r == nil {
		return errGoexit
	}
	return r
}

// noteExit is called when a callback ends the loop's goroutine.
func (l *loop) noteExit() {
	if l.serving != nil {
		l.handleCrash(l.serving, errGoexit)
	}
}

// handleCrash deals with a callback for c that did not return.
func (l *loop) handleCrash(c *Conn, reason any) {
	l.tally.Panics++
	c.mu.Lock()
	h, r := c.chosen(), c.responder()
	c.mu.Unlock()
	if r != nil {
		c.responderPanicked(r, reason)
	} else {
		c.panicked(h, reason)
	}
	l.failConn(c, reason)
}

// failConn closes a connection whose handler has failed.
func (l *loop) failConn(c *Conn, reason any) {
	c.mu.Lock()
	c.flags &^= corked
	if c.state == stateOpen {
		_ = c.proto.QueueClose(StatusInternalError, "internal error", l.now) // unless one is owed or sent already
	}
	stuck := c.flags&blocked != 0
	c.mu.Unlock()
	switch c.state {
	case stateHead: // in Admit, SelectSubprotocol or Route
		l.refuse(c, "", internalError)
	case stateExchange:
		l.failExchange(c, reason)
	case stateOpen:
		l.finish(c, abnormal(&panicError{reason}), true)
		if !stuck {
			l.flush(c)
		}
	case stateLast: // in OnClose, which was to be followed by this
		if !stuck {
			l.flush(c)
		}
	}
	if s := c.streamOf(); s != nil && c.state != stateClosed {
		s.tell() // the reader may have been about to be told to go on
	}
}

// callClose calls OnClose, which must not keep the end from being completed.
func (l *loop) callClose(h Handler, c *Conn, e *CloseError) {
	defer func() {
		if r := recover(); r != nil {
			l.tally.Panics++
			c.panicked(h, r)
		}
	}()
	h.OnClose(c, e)
}

// panicked reports a panic of the application.
func (c *Conn) panicked(h Handler, reason any) {
	c.loop.server.log().Error("engine: a callback panicked; its connection is closed with 1011, or its request answered with 500",
		"handler", fmt.Sprintf("%T", plain(h)), "remote", fmt.Sprint(c.RemoteAddr()), "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
}

// handlerName is what c's handler is called in the log.
func (c *Conn) handlerName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.responder(); r != nil {
		return fmt.Sprintf("%T", r)
	}
	return fmt.Sprintf("%T", plain(c.chosen()))
}

// panicError is in the chain of the CloseError of a connection whose handler
// panicked.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("the handler panicked: %v", e.value) }
