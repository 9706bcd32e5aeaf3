package membroker

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// accepted is the outcome of accept.
type accepted struct {
	offset    uint64
	duplicate bool
	channel   *channel // nil for a duplicate
	deliver   bool     // the caller is to deliver the pending publications
}

// accept gives m its position; s.mu is held.
func (b *Broker) accept(s *shard, hash uint64, m *hub.Message, r hub.Retention, key *keyHash, evenFrozen bool) (a accepted, err error) {
	if err := b.checkOpen(); err != nil && !(evenFrozen && err == ErrFrozen) {
		return a, err
	}
	if key != nil {
		if offset, ok := b.keys.offset(*key); ok {
			return accepted{offset: offset, duplicate: true}, nil
		}
	}
	c, err := b.channel(s, hash, m.Channel)
	if err != nil {
		return a, err
	}
	now := time.Now() // read once: it is a good part of what publishing costs
	p := b.publication(c, c.top, m, now)
	a = accepted{offset: p.Position.Offset, channel: c}
	a.deliver = b.hold(s, c, p, r, key, moment(now.Sub(b.began)))
	return a, nil
}

// publication is m as the publication that comes after previous.
func (b *Broker) publication(c *channel, previous uint64, m *hub.Message, now time.Time) *hub.Publication {
	return &hub.Publication{
		Channel:   c.name,
		Position:  hub.Position{Epoch: b.epoch, Offset: previous + 1},
		Previous:  previous,
		Time:      now.UTC().Round(0), // without the monotonic reading
		Kind:      m.Kind,
		Data:      m.Data,
		Publisher: m.Publisher,

		Attributes: m.Attributes,
	}
}

// hold makes p the newest of c, s.mu being held, and reports whether the caller is to
// deliver the pending publications.
func (b *Broker) hold(s *shard, c *channel, p *hub.Publication, r hub.Retention, key *keyHash, now moment) (deliver bool) {
	s.note(c)
	c.top = p.Position.Offset
	if key != nil {
		b.keys.remember(*key, c.top, r.KeyAge)
	}
	b.count(c.history.add(p, r, now))
	s.reschedule(c)
	if c.listening || b.isMatched(c) {
		c.pending = append(c.pending, p)
		if !c.delivering {
			c.delivering, deliver = true, true
			b.delivery.Add(1)
		}
	}
	b.forgetIdle(s, c)
	return deliver
}
