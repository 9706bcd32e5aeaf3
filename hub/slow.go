package hub

import (
	"errors"

	"github.com/godwit-io/godwit/internal/jsonpointer"
)

// SlowPolicy decides the fate of publications for a session whose client takes them
// more slowly than they come.
//
// What a subscription asked to replay is read from history under every policy: a policy
// is about what comes from then on.
type SlowPolicy uint8

const (
	// ReadHistory is the default: the queue is given back, and what the client has not
	// seen is read from history at its pace. What history no longer has is a Gap.
	ReadHistory SlowPolicy = iota

	// Disconnect ends the session with ErrSlow; the client comes back and resumes.
	Disconnect

	// DropOldest drops the oldest that wait, with a Gap of the reason GapDropped.
	DropOldest

	// Conflate keeps the newest that waits of each key, with a Gap of the reason
	// GapConflated for the publications that it replaces. Publications without a key are
	// about one and the same thing. If there are more keys than may wait, the oldest that
	// wait are dropped, with a Gap of the reason GapDropped. A client that keeps up
	// is given all: it counts as slow when 64 wait, or a queue is full, or one has
	// waited while the channel went on for 100 ms, until nothing waits.
	Conflate
)

// String is the policy as configurations name it.
func (p SlowPolicy) String() string {
	return [...]string{"history", "disconnect", "drop-oldest", "conflate"}[p]
}

// ErrSlow ends a session whose client took publications too slowly, see Disconnect. The
// queue is dropped: the client resumes from the last position it has.
var ErrSlow = errors.New("hub: the client takes publications too slowly")

// CheckKeyPointer returns an *OptionError, wrapped, if pointer cannot be a
// Policy.KeyPointer.
func CheckKeyPointer(pointer string) error {
	if _, err := jsonpointer.Parse(pointer); err != nil {
		return &OptionError{"KeyPointer", quoted(pointer) + " is no JSON pointer: " + err.Error() + `; write for example "/symbol"`}
	}
	return nil
}

// terms are how publications are given to a subscription: by its channel's policy, and by
// its own options.
type terms struct {
	slow       SlowPolicy
	rate       int // publications a second; 0 is no maximum
	keyPointer string
}

// terms of a subscription to a channel with the policy p.
func (p *Policy) terms(wish int) terms {
	t := terms{slow: p.Slow, rate: wish}
	if p.Rate > 0 && (wish == 0 || p.Rate < wish) {
		t.rate = p.Rate
	}
	if t.rate >= NoLimit {
		t.rate = 0
	}
	if t.replaces() {
		t.keyPointer = p.KeyPointer
	}
	return t
}

// replaces reports whether a newer publication takes the place of a waiting one.
func (t *terms) replaces() bool { return t.slow == Conflate || t.rate > 0 }

// needsBacklog reports whether what waits is kept apart from the session's queue.
func (t *terms) needsBacklog() bool { return t.replaces() || t.slow == DropOldest }

// agree has sub be served on the terms t; s.mu is held, or no other goroutine has sub yet.
func (h *Hub) agree(sub *subscription, t terms, wish int) {
	sub.traits &^= hasBacklog | endsWhenSlow
	if !t.needsBacklog() {
		if sub.rare.Load() != nil {
			sub.rare.Load().backlog = nil
		}
		if t.slow == Disconnect {
			sub.traits |= endsWhenSlow
		}
		return
	}
	sub.traits |= hasBacklog
	sub.needRare().backlog = newBacklog(t, wish, h.keysOf(t.keyPointer))
}

// renew has the subscriptions that exist be served as the policies say now.
func (h *Hub) renew() {
	for _, ch := range h.channels.all() {
		if ch.pattern != nil {
			continue // it is given nothing itself; the channels that it matches have policies
		}
		p := h.policy(ch.name)
		for _, sub := range ch.snapshotAll() {
			sub.session.renew(sub, p)
		}
	}
}

// renew has sub be served as p says. If that is not as before, what waits is read from
// history.
func (s *Session) renew(sub *subscription, p *Policy) {
	s.lock()
	wish := 0
	var old terms
	if b := sub.backlog(); b != nil {
		wish, old = b.wish, b.terms
	} else if sub.traits&endsWhenSlow != 0 {
		old.slow = Disconnect
	}
	t := p.terms(wish)
	if t == old || sub.gone || s.ended != endNot {
		s.mu.Unlock()
		return
	}
	if sub.asked == nil {
		s.rewind(sub)
	}
	s.hub.agree(sub, t, wish)
	if b := sub.backlog(); b != nil {
		b.isPlaced = sub.asked == nil && !sub.catching
	}
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// rewind takes what waits for sub out of the session's queue, or its backlog, and has it
// read from history; s.mu is held.
func (s *Session) rewind(sub *subscription) {
	if b := sub.backlog(); b != nil {
		if newest := b.to; !newest.IsZero() {
			s.discard(sub)
			if !sub.catching {
				s.catchUp(sub, newest)
			} else {
				sub.seen = newest
			}
		}
		s.unqueue(sub)
		return
	}
	if sub.queued == 0 {
		return
	}
	newest := sub.last
	s.unqueue(sub)
	if !sub.catching {
		s.catchUp(sub, newest)
	}
	sub.last = Position{Epoch: newest.Epoch, Offset: sub.taken}
}

// endAsSlow ends the session with ErrSlow. The queue goes, so that its client is told
// now and not when it has taken it; s.mu is held.
func (s *Session) endAsSlow() {
	kept := s.queue[:0]
	for _, q := range s.queue {
		if q.other != nil {
			kept = append(kept, q)
		} else {
			q.sub.queued = 0
		}
	}
	clear(s.queue[len(kept):])
	s.queue, s.queueCount, s.queueBytes = kept, 0, 0
	for sub := range s.subs.all() {
		s.empty(sub)
	}
	s.ended = endGiven
	s.needCommands().reason = ErrSlow
	s.woken = false // also an edge that waits for its client has to look
}
