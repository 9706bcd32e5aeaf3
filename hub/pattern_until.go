package hub

import "time"

// The time until which a client of patterns has everything, as far as it is known.

// HasCaughtUp reports whether the session was given everything that was published in its
// channels and those of its patterns until now. Until it has, a Vector must not say that its
// client has come to the time of its newest publication: something older may follow. It is
// for the edge: after Take, and before it says anything else.
func (s *Session) HasCaughtUp() bool {
	s.lock()
	defer s.mu.Unlock()
	t := s.patterned()
	if len(s.queue) > 0 || t != nil && len(t.recoveries) > 0 {
		return false
	}
	if t == nil || !t.isBehind {
		return true
	}
	for sub := range s.subs.all() {
		if sub.catching {
			return false
		}
	}
	for _, sub := range t.ring {
		if sub.catching {
			return false
		}
	}
	t.isBehind = false
	return true
}

// isBeyondHistory reports whether something may have been published since v in channels that
// it does not name, of which no history knows now.
func (h *Hub) isBeyondHistory(v *Vector, now time.Time) bool {
	if b, ok := h.broker.(TransientBroker); ok && !v.until().After(b.Began()) {
		return true
	}
	return now.Sub(v.until()) > h.options.Retention.Age
}

// recovers reports whether what patterns have missed is being looked for; s.mu is held.
func (s *Session) recovers() bool {
	t := s.patterned()
	return t != nil && len(t.recoveries) > 0
}
