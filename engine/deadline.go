package engine

import (
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// deadline is a Close that is to come.
type deadline struct {
	at     wsproto.Time
	code   StatusCode
	reason string
}

// CloseAt does what Close does when t has come, unless the connection ends
// before: credentials that expire, a first message that has to arrive by then.
// It replaces what an earlier CloseAt asked for, and the zero t asks for nothing.
// A t in the past is now. It is kept to within 40 ms, and costs no timer.
//
// It returns ErrCloseCode for a code that may not be sent, and then changes
// nothing, or the *CloseError of a connection that has ended.
func (c *Conn) CloseAt(t time.Time, code StatusCode, reason string) error {
	if code != wire.CloseNoStatus && !code.OnWire() {
		return ErrCloseCode
	}
	c.mu.Lock()
	if err := c.ended(); err != nil {
		c.mu.Unlock()
		return err
	}
	if t.IsZero() {
		if r := c.rareState(); r != nil {
			r.deadline = nil
		}
		c.mu.Unlock()
		return nil
	}
	now := c.loop.clock()
	left := min(max(time.Until(t), 0), driver.Forever)
	c.needRare().deadline = &deadline{now + wsproto.Time(left), code, reason}
	c.flags |= armTimer
	c.unlockAndPost()
	return nil
}

// due returns the deadline that CloseAt set, if it has one; mu is held.
func (c *Conn) due() *deadline {
	r := c.rareState()
	if r == nil {
		return nil
	}
	return r.deadline
}

// meetDeadline begins the closing handshake if it is time to; mu is held.
func (c *Conn) meetDeadline(now wsproto.Time) bool {
	d := c.due()
	if d == nil || now < d.at {
		return false
	}
	c.extra.rare.deadline = nil
	return c.proto.QueueClose(d.code, d.reason, now) == nil
}
