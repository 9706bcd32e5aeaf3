package hub

import "slices"

// offerChanges gives a session the Changes of a window.
func (s *Session) offerChanges(w *watch, o *owed) {
	s.lock()
	s.queueChanges(w, o)
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// queueChanges queues o behind everything else; s.mu is held. What waits is shared with
// the other sessions, so that a thousand slow ones hold no more than one. When too
// many members wait, one partial Changes takes the place of all: it stands at the end,
// because a roster that is queued between must not come after it.
func (s *Session) queueChanges(w *watch, o *owed) {
	if s.ended != endNot || w.sub.gone || w.sub.asked != nil || s.watchOf(w.sub) != w {
		return
	}
	c := o.Changes
	members := len(c.Joined) + len(c.Left)
	if w.waiting > 0 && (w.isPartial || c.IsPartial || w.members+members > ChangesMax) {
		o = &owed{Push: Push{Channel: o.Channel, Changes: &Changes{
			Channel: c.Channel, Version: c.Version, Previous: s.dropChanges(w.sub), Count: c.Count, IsPartial: true, ByUser: c.ByUser,
		}}}
		members = 0
	}
	s.ensureQueue()
	s.queue = append(s.queue, queued{sub: w.sub, other: o})
	w.waiting++
	w.members += members
	w.isPartial, w.version = o.Changes.IsPartial, o.Changes.Version
}

// take notes that c, which was queued, has been taken; session.mu is held.
func (w *watch) take(c *Changes) {
	w.waiting--
	w.members -= len(c.Joined) + len(c.Left)
}

// dropChanges takes what waits for sub of its members out of the queue, and returns
// the version before it; s.mu is held.
func (s *Session) dropChanges(sub *subscription) (previous uint64) {
	w := s.watchOf(sub)
	if w == nil || w.waiting == 0 {
		return 0
	}
	s.queue = slices.DeleteFunc(s.queue, func(q queued) bool {
		isOne := q.sub == sub && q.other != nil
		if isOne && previous == 0 {
			previous = q.other.Changes.Previous
		}
		return isOne
	})
	w.waiting, w.members = 0, 0
	return previous
}

// watchOf is nil for a subscription that does not watch; s.mu is held.
func (s *Session) watchOf(sub *subscription) *watch {
	if s.commands == nil {
		return nil
	}
	return s.commands.watches[sub]
}

// hasNewerChanges reports whether Changes after version were queued; s.mu is held.
func (s *Session) hasNewerChanges(channel string, version uint64) bool {
	sub := s.subs.get(channel)
	if sub == nil {
		return false
	}
	w := s.watchOf(sub)
	return w != nil && w.version > version
}
