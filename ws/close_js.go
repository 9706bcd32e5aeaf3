package ws

import (
	"net"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Close closes the connection in good order: it sends a close frame, after
// whatever the browser has not sent yet, and waits for the peer's, for
// CloseTimeout at most, twice that if something was left to be sent. Messages
// that arrive meanwhile are dropped if no Read is under way. A code of 1005
// (wire.CloseNoStatus) sends no code; a reason longer than 123 bytes is cut.
//
// A page may send 1000 and 3000 to 4999 only. Any other code below 3000 is sent
// as the one 3000 higher: 1001 as 4001, 1011 as 4011. So are the codes for what
// the peer does wrong: a message over MessageBytesMax closes with 4009. The
// CloseError has the code that was sent.
//
// It returns nil when both sides have said goodbye, also if the peer began or
// another call did, a *CloseError when the connection ended in another way, and
// ErrCloseCode, with nothing done, for a code that may not be sent.
func (c *Conn) Close(code StatusCode, reason string) error {
	if code != wire.CloseNoStatus && !code.OnWire() {
		return ErrCloseCode
	}
	if c.beginClose(pageCode(code)) {
		_ = c.socket.close(pageCode(code), reason)
	}
	<-c.done
	c.drop()
	if e := c.Err().(*CloseError); e.Err != nil {
		return e
	}
	return nil
}

// beginClose notes that the connection is being closed, and reports whether it
// is for this side to begin.
func (c *Conn) beginClose(code StatusCode) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil || c.closing != nil || c.sent != 0 {
		return false
	}
	begins := c.socket.isOpen() // else the peer has
	timeout := c.options.CloseTimeout
	if begins {
		c.sent = code
		if c.socket.buffered() > 0 {
			timeout *= 2
		}
	}
	if timeout < driver.Forever {
		c.closing = time.AfterFunc(timeout, c.closeTimeout)
	}
	return begins
}

// pageCode is what a page sends for a code: browsers keep those below 3000 for
// themselves, other than 1000.
func pageCode(code StatusCode) StatusCode {
	if code == StatusNormal || code == wire.CloseNoStatus || code >= 3000 {
		return code
	}
	return code + 3000
}

func (c *Conn) closeTimeout() {
	e := abnormal(&wsproto.Fault{Code: wire.CloseAbnormal, Text: "no close frame came back in time"})
	c.mu.Lock()
	e.Sent = c.sent
	c.mu.Unlock()
	c.end(e, true)
}

// CloseNow ends the connection without waiting. Every call under way and every
// later one returns a *CloseError that wraps net.ErrClosed. It returns nil, and
// does nothing to a connection that has ended already.
//
// A page cannot cut a connection: the browser sends a close frame without a code
// in the background, after what it has not sent yet.
func (c *Conn) CloseNow() error {
	c.hangUp(net.ErrClosed, true)
	return nil
}

// hangUp ends the connection because of err, and leaves the rest to the browser.
func (c *Conn) hangUp(err error, drop bool) {
	e := abnormal(err)
	c.mu.Lock()
	closes := c.closed == nil && c.sent == 0
	if closes && c.socket.isOpen() {
		c.sent = wire.CloseNoStatus
	}
	e.Sent = c.sent
	c.mu.Unlock()
	c.end(e, drop)
	if closes {
		_ = c.socket.close(wire.CloseNoStatus, "")
	}
}
