//go:build !js

package ws

import (
	"context"
	"net"

	"github.com/godwit-io/godwit/ws/wire"
)

// Close closes the connection in good order: it sends a close frame and waits
// for the peer's, for CloseTimeout at most. What Enqueue left to be sent goes
// out before it, for which there is as much time again. Messages that arrive meanwhile are
// dropped if no Read is under way. A code of 1005 (wire.CloseNoStatus) sends no
// code; a reason longer than 123 bytes is cut.
//
// It returns nil when both sides have said goodbye, also if the peer began or
// another call did, a *CloseError when the connection ended in another way, and
// ErrCloseCode, with nothing done, for a code that may not be sent.
func (c *Conn) Close(code StatusCode, reason string) error {
	if code != wire.CloseNoStatus && !code.OnWire() {
		return ErrCloseCode
	}
	c.emptyQueue()
	c.mu.Lock()
	_ = c.proto.QueueClose(code, reason, c.now()) // unless one is owed or sent already
	c.mu.Unlock()
	c.arm()
	c.flush()

	// Somebody must read the answer: the current reader, or else this call.
	if c.acquireReading(context.Background()) == nil {
		c.drop()
		c.releaseReading()
	}
	if e := c.Err().(*CloseError); e.Err != nil {
		return e
	}
	return nil
}

// drop reads until the connection has ended. The caller holds reading. The
// protocol's deadline ends it at the latest.
func (c *Conn) drop() {
	var scratch []byte
	for {
		_, message, err := c.next(context.Background(), scratch[:0])
		if err != nil {
			return
		}
		scratch = message
	}
}

// CloseNow ends the connection without a close frame. Every call under way and
// every later one returns a *CloseError that wraps net.ErrClosed. It returns
// nil, and does nothing to a connection that has ended already.
func (c *Conn) CloseNow() error {
	c.end(abnormal(net.ErrClosed), false)
	return nil
}
