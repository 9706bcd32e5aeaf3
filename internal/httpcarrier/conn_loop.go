package httpcarrier

import (
	"net/http"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// OnLoop is a as an event loop carries it out.
func (a Admission) OnLoop() engine.Admission {
	switch {
	case a.Pending != nil:
		return engine.Admission{Pending: &loopPending{ask: a.Pending}, PendingTimeout: a.PendingTimeout}
	case a.Abandoned != nil && !a.isInOrder():
		a.abandoned()
		return undecided.onLoop()
	}
	return a.decision().onLoop()
}

// isInOrder reports whether the engine will accept a. It asks at once what the engine would
// find: of a handshake that has not waited, the engine does not tell what becomes of it.
func (a *Admission) isInOrder() bool {
	if l := a.Limits; l != nil {
		most := l.QueueMessagesMax
		if _, err := a.socketOptions().WithDefaults(); err != nil || driver.Resolve("QueueMessagesMax", &most, engine.DefaultQueueMessagesMax) != nil {
			return false
		}
	}
	if len(a.Fields) == 0 {
		return true
	}
	_, err := handshake.AppendResponse(make([]byte, 0, 512), &handshake.Accepted{Key: anyKey}, "", handshake.Header(a.Fields))
	return err == nil
}

// anyKey is the key of the example in RFC 6455 §1.3.
const anyKey = "dGhlIHNhbXBsZSBub25jZQ=="

// socketOptions are the limits of a that both drivers have.
func (a *Admission) socketOptions() driver.Options {
	l := a.Limits
	return driver.Options{
		MessageBytesMax: l.MessageBytesMax, FragmentsMax: l.FragmentsMax, Compression: l.Compression,
		PingInterval: l.PingInterval, PingTimeout: l.PingTimeout, IdleTimeout: l.IdleTimeout,
		WriteTimeout: l.WriteTimeout, CloseTimeout: l.CloseTimeout, QueueBytesMax: l.QueueBytesMax,
	}
}

func (a Admission) onLoop() engine.Admission {
	admission := engine.Admission{Status: a.Status, Body: a.Body, Header: a.Fields, Limits: a.Limits, Subprotocols: a.Subprotocols}
	if a.Status == 0 {
		admission.Handler = &loopConn{handler: a.Handler}
		return admission
	}
	if typ := a.Fields.Get("Content-Type"); typ != "" {
		admission.ContentType = typ
		admission.Header = a.Fields.Clone()
		admission.Header.Del("Content-Type")
	}
	if a.Body == nil {
		admission.Reason = http.StatusText(a.Status)
	}
	return admission
}

// loopConn is a Conn on a loop, and the engine.Handler that makes it one.
type loopConn struct {
	*engine.Conn // set by OnOpen
	handler      Handler

	mu    sync.Mutex  // guards what follows
	timer *time.Timer // nil until WakeAt is called
	ended bool
}

// WakeAt implements Conn. A timer that fires in this moment wakes all the same.
func (c *loopConn) WakeAt(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.timer = wakeAt(c.timer, t, c.Wake)
	}
}

// OnOpen implements engine.Handler.
func (c *loopConn) OnOpen(conn *engine.Conn) {
	c.Conn = conn
	c.handler.OnOpen(c)
}

// OnMessage implements engine.Handler.
func (c *loopConn) OnMessage(_ *engine.Conn, typ driver.MessageType, p []byte) {
	c.handler.OnMessage(c, typ, p)
}

// OnWake implements engine.Waker.
func (c *loopConn) OnWake(*engine.Conn) { c.handler.OnWake(c) }

// OnDrain implements engine.Handler.
func (c *loopConn) OnDrain(*engine.Conn) { c.handler.OnDrain(c) }

// OnClose implements engine.Handler.
func (c *loopConn) OnClose(_ *engine.Conn, err *driver.CloseError) {
	c.mu.Lock()
	c.ended = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	c.handler.OnClose(c, err)
}
