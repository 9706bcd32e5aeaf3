package hub

import (
	"time"

	"github.com/godwit-io/godwit/access"
)

// Milestone is where a subscription is when an Observer is told of it.
//
// The publications that a subscription has handed out follow from its milestones: from
// where it begins up to where it is, all that lie in no gap were handed to the edge, but
// for those left out on purpose: publications of its own session, if ExcludesOwn, and
// those with the session as Attributes.Exclude.
type Milestone struct {
	Channel string

	// Since is when the subscription was asked for. No two subscriptions of a Hub have the
	// same time, so it tells those of one session to one channel apart. For a pattern it is
	// the time when the subscription began.
	Since time.Time

	// Position is where the subscription begins, of Observer.Subscribed, and else the
	// newest that was handed to the edge or left out on purpose.
	Position Position

	// Member is the identity shown in the presence of the channel, see
	// SubscribeOptions.Member; nil if that is not known. It must not be modified.
	Member *access.Identity

	Gap         *Gap // of Observer.Gapped; it must not be modified
	ExcludesOwn bool // see SubscribeOptions.ExcludeSelf
	IsClosed    bool // of Observer.Unsubscribed: the session has ended, and the subscription with it
}

// milestone is where sub is; s.mu is held.
func (s *Session) milestone(sub *subscription) Milestone {
	return Milestone{
		Channel: sub.channel.name, Since: time.Unix(0, sub.since).UTC(), Position: sub.takenPosition(),
		ExcludesOwn: sub.traits&excludesOwn != 0, IsClosed: s.closed, Member: sub.identity(),
	}
}

// takenPosition is the newest position that was handed out or passed over; s.mu is held.
func (sub *subscription) takenPosition() Position {
	return Position{sub.last.Epoch, sub.taken}
}

// uniqueNow is the time in nanoseconds of Unix time, later by as little as it takes for
// no two calls to return the same.
func (h *Hub) uniqueNow() int64 {
	for {
		now, last := time.Now().UnixNano(), h.latest.Load()
		if now <= last {
			now = last + 1
		}
		if h.latest.CompareAndSwap(last, now) {
			return now
		}
	}
}

// SubscriptionState is how a subscription is this moment.
type SubscriptionState struct {
	Milestone

	// Queued is how many publications wait for the edge to take them.
	Queued int

	// IsCatchingUp reports whether history is read before anything else is handed out,
	// and IsFailing whether it could not be read at the last try.
	IsCatchingUp bool
	IsFailing    bool

	// IsGapping reports whether Observer.Gapped is being told, this moment, of a gap
	// before Position. It never lasts longer than that call.
	IsGapping bool
}

// Subscription returns the state of the session's subscription to channel, whose
// Position is how far the edge has taken it. ok is false if the session has none that
// has begun.
func (s *Session) Subscription(channel string) (state SubscriptionState, ok bool) {
	s.lock()
	defer s.mu.Unlock()
	sub := s.subs.get(channel)
	if sub == nil || sub.asked != nil {
		return SubscriptionState{}, false
	}
	return SubscriptionState{
		Milestone: s.milestone(sub), Queued: int(sub.queued),
		IsCatchingUp: sub.catching, IsFailing: sub.catching && sub.rare.Load() != nil && sub.rare.Load().retry != nil, IsGapping: sub.traits&tellsGaps != 0,
	}, true
}

// toldGap is a gap that the Observer is to be told of.
type toldGap struct {
	sub *subscription
	gap *Gap
}

// hasGap reports whether there is a gap among pushes. It is all that a Take without one
// does, and is inlined there.
func hasGap(pushes []Push) bool {
	for i := range pushes {
		if pushes[i].Gap != nil {
			return true
		}
	}
	return false
}

// noteGaps appends the gaps among pushes that Take is about to return; s.mu is held.
func (s *Session) noteGaps(noted []toldGap, pushes []Push) []toldGap {
	for i := range pushes {
		if pushes[i].Gap == nil {
			continue
		}
		if sub := s.subs.get(pushes[i].Channel); sub != nil && sub.asked == nil {
			sub.traits |= tellsGaps
			noted = append(noted, toldGap{sub, pushes[i].Gap})
		}
	}
	return noted
}

// tellGaps tells the Observer of the gaps that were noted. A subscription that was ended
// meanwhile is told of after its gaps.
func (s *Session) tellGaps(noted []toldGap) {
	o := s.hub.options.Observer
	for _, n := range noted {
		s.lock()
		m := s.milestone(n.sub)
		s.mu.Unlock()
		m.Gap = n.gap
		o.Gapped(s, m)
	}
	for _, n := range noted {
		s.lock()
		ends := n.sub.traits&endsAfterGaps != 0
		n.sub.traits &^= tellsGaps | endsAfterGaps
		m := s.milestone(n.sub)
		s.mu.Unlock()
		if ends {
			o.Unsubscribed(s, m)
		}
	}
}

// tellUnsubscribed tells the Observer that sub has ended, which had begun, unless tellGaps
// is to do that.
func (s *Session) tellUnsubscribed(sub *subscription) {
	o := s.hub.options.Observer
	if o == nil || o.Unsubscribed == nil {
		return
	}
	s.lock()
	begun, later := sub.asked == nil, sub.traits&tellsGaps != 0
	if later {
		sub.traits |= endsAfterGaps
	}
	m := s.milestone(sub)
	s.mu.Unlock()
	if begun && !later {
		o.Unsubscribed(s, m)
	}
}
