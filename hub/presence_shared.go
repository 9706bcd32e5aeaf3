package hub

import (
	"sync/atomic"
	"time"
)

// shareWindow is for how long joins and leaves are collected before the Neighbours are told.
const shareWindow = 250 * time.Millisecond

// shared is what a channel has to do with the members of other hubs. It is guarded by
// channel.mu.
type shared struct {
	untold  []ownChange // since the Neighbours were told last
	isDue   bool        // its news is due to be told
	number  uint64      // of the last change that they were told; 0 without members, or before the first
	remotes *remotes    // nil unless the Neighbours want them kept
}

// ownChange is a member here that came, is known otherwise, or left.
type ownChange struct {
	sub  *subscription
	left bool
}

// dueChannel is one of the channels of which the Neighbours are to be told, the newest
// first.
type dueChannel struct {
	channel *channel
	next    *dueChannel
}

// dues are the channels of which the Neighbours are to be told.
type dues struct {
	newest atomic.Pointer[dueChannel]
	wake   chan struct{} // has one in it when there may be some
}

// add takes no lock, so that one may be held.
func (d *dues) add(ch *channel) {
	due := &dueChannel{channel: ch}
	newest := d.newest.Load()
	for due.next = newest; !d.newest.CompareAndSwap(newest, due); due.next = newest {
		newest = d.newest.Load()
	}
	if newest == nil {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// take takes all out, the oldest first.
func (d *dues) take() (oldest *dueChannel) {
	for due := d.newest.Swap(nil); due != nil; {
		next := due.next
		due.next, oldest = oldest, due
		due = next
	}
	return oldest
}

// share notes that sub came, is known otherwise, or left, if there are other hubs to tell;
// ch.mu is held. It comes after the presence of the channel was told.
func (ch *channel) share(sub *subscription, isThere bool) {
	m := sub.session.hub.mirror.Load()
	if m == nil || ch.pattern != nil {
		return
	}
	s := ch.shared
	if s == nil {
		s = &shared{}
		ch.shared = s
	}
	s.untold = append(s.untold, ownChange{sub, !isThere})
	if !s.isDue {
		s.isDue = true
		m.dues.add(ch)
	}
	if r := s.remotes; r != nil && !isThere {
		r.exit(sub)
	}
}

// shareIdentity tells other hubs the present identity of a session.
func (s *Session) shareIdentity() {
	if s.hub.mirror.Load() == nil {
		return
	}
	s.lock()
	var subs []*subscription
	for sub := range s.subs.all() {
		subs = append(subs, sub)
	}
	s.mu.Unlock()
	for _, sub := range subs {
		ch := sub.channel
		ch.mu.Lock()
		if ch.has(sub) {
			ch.share(sub, true)
		}
		ch.mu.Unlock()
	}
}

// shareLoop tells the Neighbours of changes, until the hub closes.
func (m *Mirror) shareLoop() {
	defer close(m.done)
	timer := time.NewTimer(shareWindow)
	timer.Stop()
	for {
		select {
		case <-m.dues.wake:
			timer.Reset(shareWindow)
		case <-timer.C:
			m.tell()
		case <-m.closing:
			timer.Stop()
			return
		}
	}
}

// tell tells the Neighbours of every channel that is due.
func (m *Mirror) tell() {
	for due := m.dues.take(); due != nil; due = due.next {
		if c, ok := m.takeChange(due.channel); ok {
			m.neighbours.Changed(c)
		}
	}
}

// takeChange makes what the Neighbours are to be told of a channel. With a policy that
// hides members, the Neighbours are told nothing.
func (m *Mirror) takeChange(ch *channel) (c MembersChange, ok bool) {
	isSecret := m.hub.policy(ch.name).NoPresence
	ch.mu.Lock()
	s := ch.shared
	untold := s.untold
	s.untold, s.isDue = nil, false
	if isSecret || len(untold) == 0 {
		ch.mu.Unlock()
		return c, false
	}
	c = MembersChange{Channel: ch.name, Previous: s.number, Number: m.number.Add(1), Count: len(ch.subs)}
	s.number = c.Number
	if c.Count == 0 {
		s.number = 0
	}
	ch.mu.Unlock()
	last := make(map[string]int, len(untold)) // what a session did last counts
	for i := range untold {
		last[untold[i].sub.session.id] = i
	}
	for i := range untold {
		sub := untold[i].sub
		if last[sub.session.id] != i {
			continue
		}
		if untold[i].left {
			// Also if it came in the same window: a list of the members may have been made between.
			again, isMoving := sub.session.subscriptionTo(ch)
			switch {
			case again != nil:
				sub = again
			case isMoving:
				c.Moving = append(c.Moving, sub.session.id)
				continue
			default:
				c.Left = append(c.Left, sub.session.id)
				continue
			}
		}
		c.Joined = append(c.Joined, sub.member())
	}
	return c, true
}

// subscriptionTo is the session's subscription that is in ch, nil if none is, and whether the
// session was told to come back through another hub. A subscription that has ended may leave the
// channel after the next one has come.
func (s *Session) subscriptionTo(ch *channel) (sub *subscription, isMoving bool) {
	s.lock()
	sub, isMoving = s.subs.get(ch.name), s.ended == endShutdown
	s.mu.Unlock()
	if sub == nil || sub.channel != ch {
		return nil, isMoving
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.has(sub) {
		return nil, isMoving
	}
	return sub, isMoving
}

// has reports whether sub is a subscriber; mu is held.
func (ch *channel) has(sub *subscription) bool {
	return int(sub.index) < len(ch.subs) && ch.subs[sub.index] == sub
}
