package hub

// Subscriptions to a channel, by its name, in a session whose patterns match the
// channel.

// replaceDerived has sub, which is about to begin, take the place of a derived
// subscription to its channel, if there is one. If sub asks for nothing older, it goes on
// where that is, and its outcome says where; else it begins anew. The derived one is
// returned, to leave its channel; s.mu is held.
func (s *Session) replaceDerived(sub *subscription) (let *subscription, isContinued bool) {
	t := s.patterned()
	if t == nil {
		return nil, false
	}
	if let = t.derived[sub.channel.name]; let == nil {
		return nil, false
	}
	if isContinued = sub.asked.since.IsZero() && sub.asked.last == 0; isContinued {
		s.takeOver(let, sub)
	}
	s.forgetDerived(let)
	return let, isContinued
}

// keepDerived makes a derived subscription that goes on where sub is, which is being
// unsubscribed, if the session has one of the patterns that match its channel; s.mu is
// held. It is to enter the channel.
func (s *Session) keepDerived(sub *subscription, matching []*channel, policy *Policy) *subscription {
	c, ok := s.cover(matching)
	if !ok || sub.asked != nil {
		return nil
	}
	kept := s.addDerived(sub.channel, c, policy)
	kept.traits &^= isFresh
	s.takeOver(sub, kept)
	return kept
}

// takeOver has one subscription go on where another one of the channel is; s.mu is
// held. The other one is to be forgotten.
func (s *Session) takeOver(from, to *subscription) {
	if (from.traits|to.traits)&hasBacklog != 0 {
		s.rewind(from) // what waits is read from history, on the terms of the other one
	}
	to.last, to.taken, to.seen, to.catching = from.last, from.taken, from.seen, from.catching
	to.traits &^= isDoubted
	to.traits |= from.traits & isOpen
	if to.queued, from.queued = from.queued, 0; to.queued > 0 {
		for i := range s.queue {
			if s.queue[i].sub == from {
				s.queue[i].sub = to
			}
		}
	}
	if b := to.backlog(); b != nil {
		b.isPlaced = !to.catching
	}
	if to.catching { // wherever it was in that, it reads on from its last page
		s.behind = append(s.behind, to)
	}
	if t := s.patterned(); t != nil {
		if start, ok := t.starts[from]; ok {
			t.starts[to] = start
			to.traits |= isStarting
		}
	}
}

// beginWithin says where a subscription begins that asks for nothing older, in a channel
// that a pattern of the session matches and that has no derived subscription now: where
// that was when it was let go; or else with what is on its way to the hub, which may be
// older than position, the newest one. What the subscription has noted since it was
// asked for is on its way, too. s.mu is held.
func (s *Session) beginWithin(sub *subscription, matching []*channel, position Position) (begins Position, isWithin bool) {
	if len(matching) == 0 || !sub.asked.since.IsZero() || sub.asked.last != 0 {
		return position, false
	}
	if _, ok := s.cover(matching); !ok {
		return position, false
	}
	sub.seen = Position{}
	if last, ok := s.patterned().let.take(sub.channel.name); ok && last.Epoch == position.Epoch {
		return last, true
	}
	sub.traits |= isOpen
	return position, true
}

// touch notes that p is offered to a subscription; the session's mu is held.
func (sub *subscription) touch(p *Publication) {
	if sub.traits&isOpen != 0 && sub.asked == nil {
		sub.openTo(p)
	}
	sub.traits = sub.traits&^isFresh | isUsed
}

// openTo has a subscription that isOpen given p, which is the first that comes.
func (sub *subscription) openTo(p *Publication) {
	sub.traits &^= isOpen
	if !sub.catching && p.Position.Epoch == sub.last.Epoch && p.Position.Offset <= sub.last.Offset {
		sub.last.Offset, sub.taken = p.Previous, p.Previous
	}
}
