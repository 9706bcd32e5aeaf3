package session

import (
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Subscription is a channel, or a pattern, that is followed. The exported fields are set
// before Subscribe, and not changed afterwards.
type Subscription struct {
	Channel     string       // or a pattern
	Since       hub.Position // begin behind it; zero: only new publications
	Last        int          // to begin with so many
	Vector      string       // Since of a pattern
	WithMembers bool
	ByUser      bool
	ExcludeSelf bool
	Rate        int

	pattern access.Pattern // zero for a channel

	asked    uint64 // the command, while it has no reply
	isActive bool   // on this connection
	isHeld   bool   // its receiver does not keep up, see Hold
	isBehind bool   // its receiver was told so
	retryAt  time.Time

	position hub.Position            // how far it has come, of a channel
	vector   string                  // the same of a pattern
	seen     map[string]hub.Position // the newest of each channel, of a pattern
}

// seenMax is how many channels a pattern remembers the newest position of, as a vector.
const seenMax = 1000

// Position is how far a subscription to a channel has come, zero if that is not known.
func (s *Subscription) Position() hub.Position { return s.position }

// PatternVector is how far a subscription to a pattern has come, "" if that is not known.
func (s *Subscription) PatternVector() string { return s.vector }

// Subscribe begins to follow s.Channel. There is one Subscription for a channel.
func (m *Machine) Subscribe(s *Subscription) error {
	if m.state == Ended {
		return m.err
	}
	if wrong := hub.CheckChannel(s.Channel); wrong != nil {
		p, err := access.ParsePattern(s.Channel)
		switch {
		case !strings.Contains(s.Channel, "*"): // it was meant as a name
			return wrong
		case err != nil:
			return err
		}
		s.pattern, s.seen = p, make(map[string]hub.Position)
	}
	s.position, s.vector = s.Since, s.Vector
	m.subs = append(m.subs, s)
	if m.state == Opening || m.state == Open {
		m.subscribe(s)
	}
	return nil
}

// Unsubscribe ends s.
func (m *Machine) Unsubscribe(s *Subscription) {
	for i, other := range m.subs {
		if other == s {
			m.subs = append(m.subs[:i:i], m.subs[i+1:]...)
			m.silence(s)
			return
		}
	}
}

// Hold stops deliveries for s, which goes on from where it is when Release is called: the
// publications that it misses meanwhile are read from the history.
func (m *Machine) Hold(s *Subscription) {
	if !s.isHeld {
		s.isHeld = true
		m.silence(s)
	}
}

// Release ends Hold.
func (m *Machine) Release(s *Subscription) {
	if s.isHeld {
		s.isHeld = false
		if m.state == Opening || m.state == Open {
			m.subscribe(s)
		}
	}
}

func (m *Machine) silence(s *Subscription) {
	if s.asked != 0 || s.isActive {
		m.send(&clientproto.Command{Verb: clientproto.Unsubscribe, Channel: s.Channel})
	}
	s.asked, s.isActive, s.retryAt = 0, false, time.Time{}
}

// subscribe sends the command for s, from where it is.
func (m *Machine) subscribe(s *Subscription) {
	s.isActive = false
	if s.isHeld {
		return
	}
	c := clientproto.Command{Verb: clientproto.Subscribe, Channel: s.Channel, WithMembers: s.WithMembers, ByUser: s.ByUser, ExcludeSelf: s.ExcludeSelf, Rate: s.Rate}
	switch {
	case s.vector != "":
		c.Vector = s.vector
	case !s.position.IsZero():
		c.Since = s.position
	default:
		c.Last = s.Last
	}
	s.asked = m.send(&c)
}

// isPattern reports whether s is of many channels.
func (s *Subscription) isPattern() bool { return s.seen != nil }

// began is the reply to the command of s.
func (m *Machine) began(s *Subscription, ok *subscribeReply) {
	s.asked, s.isActive = 0, true
	if s.isPattern() {
		s.vector = ok.Vector
	} else if s.position.IsZero() {
		s.position = ok.Position
	}
	m.effects.Events = append(m.effects.Events, Delivery{To: s, Began: &Began{Position: ok.Position, Count: ok.Count}})
	switch {
	case m.away != nil: // which the server does not say again
		m.tellBehind(s, m.away)
	case s.isBehind: // docs/protocol.md §5.10: nothing is, until it is said again
		m.tellBehind(s, &Behind{})
	}
}

// refused is the reply that s cannot begin, now or at all.
func (m *Machine) refused(now time.Time, s *Subscription, p *Problem) {
	s.asked = 0
	if p.passes() {
		s.retryAt = m.after(now, p)
		return
	}
	m.endSubscription(s, p)
}

func (m *Machine) endSubscription(s *Subscription, err error) {
	s.isActive = false
	m.Unsubscribe(s)
	m.effects.Events = append(m.effects.Events, Delivery{To: s, Err: err})
}

// find returns the subscription to exactly this channel or pattern, nil for none.
func (m *Machine) find(channel string) *Subscription {
	for _, s := range m.subs {
		if s.Channel == channel {
			return s
		}
	}
	return nil
}

// resuming returns the patterns that are subscribed to again and have come as far in a channel
// as an active subscription has. What comes for that one is for them, too: the server gives a
// publication to a session once (docs/protocol.md §5.5), and the reply to a pattern's
// command may come behind it, with a vector that has it already.
func (m *Machine) resuming(channel string) (patterns []*Subscription) {
	for _, s := range m.subs {
		if s.asked == 0 || s.vector == "" || !s.isPattern() {
			continue
		}
		at, known := s.seen[channel]
		if known && slices.ContainsFunc(m.subs, func(o *Subscription) bool { return o.isActive && o.at(channel) == at }) {
			patterns = append(patterns, s)
		}
	}
	return patterns
}

// at is how far s has come in a channel, zero if that is not known.
func (s *Subscription) at(channel string) hub.Position {
	if !s.isPattern() && s.Channel == channel {
		return s.position
	}
	return s.seen[channel]
}

// publication gives a message to the subscriptions it comes for.
func (m *Machine) publication(msg *Message) {
	resuming := m.resuming(msg.Channel)
	for _, s := range m.subs {
		if !s.isActive && !slices.Contains(resuming, s) || !s.takes(msg.Channel, msg.Position) {
			continue
		}
		m.effects.Events = append(m.effects.Events, Delivery{To: s, Message: msg})
	}
}

// takes reports whether a publication is news for s, and notes its position.
func (s *Subscription) takes(channel string, at hub.Position) bool {
	if !s.isPattern() {
		if channel != s.Channel || !isBehind(s.position, at) {
			return false
		}
		s.position = at
		return true
	}
	if !s.pattern.Matches(channel, "") || !isBehind(s.seen[channel], at) {
		return false
	}
	s.note(channel, at)
	return true
}

func (s *Subscription) note(channel string, at hub.Position) {
	if _, known := s.seen[channel]; !known && len(s.seen) >= seenMax {
		for other := range s.seen { // any: the vector says the same of the channels that matter
			delete(s.seen, other)
			break
		}
	}
	s.seen[channel] = at
}

// isBehind reports whether at is news for a client that has come as far as have.
func isBehind(have, at hub.Position) bool {
	return have.Epoch != at.Epoch || at.Offset > have.Offset
}

// gap tells the subscriptions that it concerns.
func (m *Machine) gap(g *Gap) {
	if g.Channel == m.userChannel && m.userChannel != "" {
		if !g.To.IsZero() && isBehind(m.messages, g.To) {
			m.messages = g.To
		}
		m.effects.Events = append(m.effects.Events, Delivery{Gap: g})
	}
	resuming := m.resuming(g.Channel)
	for _, s := range m.subs {
		if !s.isActive && !slices.Contains(resuming, s) {
			continue
		}
		switch {
		case s.Channel == g.Channel:
			if !s.isPattern() && !g.To.IsZero() && isBehind(s.position, g.To) {
				s.position = g.To
			}
		case s.isPattern() && hub.CheckChannel(g.Channel) == nil && s.pattern.Matches(g.Channel, ""):
			if !g.To.IsZero() && isBehind(s.seen[g.Channel], g.To) {
				s.note(g.Channel, g.To)
			}
		default:
			continue
		}
		m.effects.Events = append(m.effects.Events, Delivery{To: s, Gap: g})
	}
}

// behind tells the subscriptions that it concerns.
func (m *Machine) behind(b *Behind) {
	if b.Channel == "" {
		if m.away = nil; b.Is {
			m.away = b
		}
	}
	if m.userChannel != "" && (b.Channel == "" || b.Channel == m.userChannel) {
		m.tellUserBehind(b)
	}
	for _, s := range m.subs {
		if s.isActive && (b.Channel == "" || b.Channel == s.Channel || s.isPattern() && hub.CheckChannel(b.Channel) == nil && s.pattern.Matches(b.Channel, "")) {
			m.tellBehind(s, b)
		}
	}
}

func (m *Machine) tellBehind(s *Subscription, b *Behind) {
	s.isBehind = b.Is
	m.effects.Events = append(m.effects.Events, Delivery{To: s, Behind: b})
}

func (m *Machine) tellUserBehind(b *Behind) {
	m.isUserBehind = b.Is
	m.effects.Events = append(m.effects.Events, Delivery{Behind: b})
}

func (m *Machine) members(c *Members) {
	if s := m.find(c.Channel); s != nil && s.isActive {
		m.effects.Events = append(m.effects.Events, Delivery{To: s, Members: c})
	}
}
