package transport

import (
	"time"

	"github.com/godwit-io/godwit/transport/dialect"
)

// clock wakes a conversation on a WebSocket at the deadline of its dialect. Other
// carriers have timers of their own.
type clock struct {
	timer *time.Timer   // nil without
	alarm time.Duration // on the clock of sinceStart
}

// timed is the dialect of a Protocol on a WebSocket, with its clock. Channels, which have
// no deadline there, pay for none.
type timed struct {
	dialect.OverSocket
	clock
}

// clock returns the clock of a conversation, nil if its dialect has no deadlines.
func (c *conversation) clock() *clock {
	if l := c.link(); l != nil {
		return &l.clock
	}
	if d, ok := c.dialect.(*timed); ok {
		return &d.clock
	}
	return nil
}

// setTimer has the conversation woken at the deadline of its dialect.
func (c *conversation) setTimer() {
	k := c.clock()
	if k == nil {
		return
	}
	deadline := c.dialect.Deadline()
	switch {
	case deadline.IsZero():
		k.stop()
	case k.timer == nil:
		k.alarm = sinceStart(deadline)
		k.timer = time.AfterFunc(time.Until(deadline), c.wake)
	case k.alarm != sinceStart(deadline):
		k.alarm = sinceStart(deadline)
		k.timer.Reset(time.Until(deadline))
	}
}

// expireTimed acts on a passed deadline when the timer may have woken the conversation.
func (c *conversation) expireTimed(m *scratch) {
	if k := c.clock(); k == nil || k.timer == nil || m.effects.Closing != nil {
		return
	}
	now := time.Now()
	if deadline := c.dialect.Deadline(); !deadline.IsZero() && !now.Before(deadline) {
		c.dialect.Expire(now, &m.effects)
		c.perform(m)
	}
}

func (k *clock) stop() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}
