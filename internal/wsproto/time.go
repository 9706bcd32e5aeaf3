package wsproto

import (
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Deadline returns when Expire next wants to be called, or ok false for never.
// It moves later whenever bytes arrive, so a driver need not re-arm its timer
// on every read: it may let the timer fire, call Expire, and ask again. Only the
// bytes that end AwaitingPong move it earlier, if PingTimeout is longer than
// PingInterval.
func (c *Conn) Deadline() (at Time, ok bool) {
	switch {
	case c.expired:
		return 0, false
	case c.isClosing():
		at = c.closing.add(c.config.CloseTimeout)
	case c.pinging:
		at = min(c.pinged.add(c.config.PingTimeout), c.idle())
	default:
		at = min(c.heard.add(c.config.PingInterval), c.idle())
	}
	return at, at < Time(driver.Forever)
}

// idle is when the peer will have said nothing for too long.
func (c *Conn) idle() Time { return c.spoken.add(c.config.IdleTimeout) }

// Expire does everything due at now. It queues a keepalive ping (see HasReplies),
// or it returns Fail: the peer has gone silent or idle, or it has had CloseTimeout to
// end the connection after a close frame and has not. It does nothing when it
// is called early.
func (c *Conn) Expire(now Time) Event {
	if at, ok := c.Deadline(); !ok || now < at {
		return Event{}
	}
	switch {
	case c.isClosing():
		c.failed, c.expired = true, true
		return Event{Kind: Fail, Code: faultCloseTimeout.Code, Err: faultCloseTimeout}
	case now >= c.idle():
		return c.fail(faultIdle, now)
	case c.pinging:
		return c.fail(faultPingTimeout, now)
	}
	c.pinging, c.pingOwed = true, true
	c.pinged = max(now, 1) // 0 means that no ping is under way
	return Event{}
}

// CloseReceived reports whether the peer's close frame has arrived.
func (c *Conn) CloseReceived() bool { return c.closeGot }

// CloseSent returns the code of this side's close frame, sent or owed, and
// whether there is one.
func (c *Conn) CloseSent() (code wire.CloseCode, ok bool) {
	return c.closeCode, c.closeSent || c.closeOwed
}

// Failed reports whether the connection has failed.
func (c *Conn) Failed() bool { return c.failed }

// FrameLeft returns how many payload bytes of the data frame under way have not
// arrived, 0 outside of one. A driver may read exactly that many straight into
// the message it is assembling.
func (c *Conn) FrameLeft() int64 {
	if !c.inFrame || c.frameOp.IsControl() || c.compressed {
		return 0
	}
	return c.left
}

// AwaitingPong reports whether the connection is open, a keepalive ping was
// sent, and nothing has been heard since.
func (c *Conn) AwaitingPong() bool { return c.pinging && !c.isClosing() }

// Role returns the side that this is.
func (c *Conn) Role() Role { return c.config.Role }
