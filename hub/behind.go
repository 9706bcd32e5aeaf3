package hub

import "sync"

// Behind says that publications do not reach the subscription of Push.Channel,
// or any of the session if Channel is empty, or that they do again. Nothing is lost: the
// Broker is asked again, and the missed publications are delivered, or a Gap says which
// cannot be.
//
// A session is told of its first subscription that is behind by its channel, and of more
// than one as of all, so two pushes tell of the worst outage, and one of its end. The
// end of all ends that of one, too. Unsubscribe and Suspend end it without a push.
// Nobody may modify it.
type Behind struct {
	// Err is the reason. Nil says that it is over, and comes after the missed publications.
	Err error
}

// SetAway has every session with a subscription told that the Broker cannot be used, and
// why, or with nil that it can, once it has caught up. Those that subscribe meanwhile are
// told when they have begun. It is for the code that watches the Broker's health, and may
// be called as often as that is known: only changes are told. Sessions are told at a
// pace, so it returns at once. See Behind.
func (h *Hub) SetAway(err error) {
	var next *error
	if err != nil {
		err = brokerError(err)
		next = &err
	}
	if before := h.away.Swap(next); (before == nil) != (next == nil) {
		h.herald.tell(h)
	}
}

// Away is what SetAway was called with last.
func (h *Hub) Away() error {
	if err := h.away.Load(); err != nil {
		return *err
	}
	return nil
}

// heraldPerSecond is how many sessions are told in a second that the Broker is away, or
// is back.
const heraldPerSecond = 50_000

// herald has sessions look whether they have to tell their clients how the Broker is.
type herald struct {
	wg sync.WaitGroup

	mu       sync.Mutex // guards what follows
	isAtWork bool
	isNews   bool // it has changed since the last round began
	isClosed bool
}

// tell has all sessions look. A round that is under way is followed by another.
func (a *herald) tell(h *Hub) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isNews = true
	if a.isAtWork || a.isClosed {
		return
	}
	a.isAtWork = true
	a.wg.Go(func() {
		for a.beginRound() {
			atPace(h.calls.ctx, h.Sessions(), heraldPerSecond, (*Session).lookAtBroker)
		}
	})
}

// beginRound reports whether there is something to tell, which the round that begins tells.
func (a *herald) beginRound() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isAtWork = a.isNews && !a.isClosed
	a.isNews = false
	return a.isAtWork
}

// close is called when the context of calls has ended, and with it the pace.
func (a *herald) close() {
	a.mu.Lock()
	a.isClosed = true
	a.mu.Unlock()
	a.wg.Wait()
}

// lookAtBroker wakes the edge if it is to be told how the Broker is.
func (s *Session) lookAtBroker() {
	s.lock()
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// troubles are the subscriptions of a session whose histories cannot be read.
type troubles struct {
	why  map[*subscription]error
	told *subscription // the one of which the edge was told; nil for none
}

// noteTrouble notes that the history of sub cannot be read; s.mu is held.
func (s *Session) noteTrouble(sub *subscription, err error) {
	c := s.needCommands()
	if c.troubles == nil {
		c.troubles = &troubles{why: make(map[*subscription]error)}
	}
	c.troubles.why[sub] = err
}

// endTrouble notes that sub is live, or a pattern is known again; s.mu is held.
func (s *Session) endTrouble(sub *subscription) {
	if t := s.troubles(); t != nil {
		delete(t.why, sub)
		s.setTold(t.told)
	}
}

// forgetTrouble is for a subscription that ends; s.mu is held.
func (s *Session) forgetTrouble(sub *subscription) {
	if t := s.troubles(); t != nil {
		if t.told == sub {
			t.told = nil
		}
		s.endTrouble(sub)
	}
}

// setTold notes of which one the edge was told, and forgets those that are over; s.mu is held.
func (s *Session) setTold(sub *subscription) {
	t := s.troubles()
	if t == nil {
		return
	}
	if t.told = sub; sub == nil && len(t.why) == 0 {
		s.commands.troubles = nil
	}
}

// troubles are nil if there are none; s.mu is held.
func (s *Session) troubles() *troubles {
	if s.commands == nil {
		return nil
	}
	return s.commands.troubles
}

// forgetBehind is for a client that is told anew when it is back; s.mu is held.
func (s *Session) forgetBehind() {
	s.isBegun, s.isBehind = false, false
	if s.commands != nil {
		s.commands.troubles = nil
	}
}

// owesBehind reports whether the edge is to be told of subscriptions that are behind; s.mu is held.
func (s *Session) owesBehind() bool {
	if !s.isBehind && s.hub.away.Load() == nil && s.troubles() == nil {
		return false // as nearly always
	}
	_, _, owes := s.nextBehind()
	return owes
}

// nextBehind is what the edge is to be told next of what is behind, of one subscription or
// of all if it is nil; s.mu is held.
//
//	nothing ──→ one ──→ all ──→ nothing
//	        ←──
func (s *Session) nextBehind() (of *subscription, why error, owes bool) {
	away := s.hub.Away()
	var t troubles
	if all := s.troubles(); all != nil {
		t = *all
	}
	isReading := len(s.behind) > 0 || s.read != nil
	if s.isBehind {
		return nil, nil, away == nil && len(t.why) == 0 && !isReading && !s.recovers()
	}
	if away != nil && s.isBegun && s.subs.len() > 0 {
		return nil, away, true
	}
	if t.told != nil && len(t.why) <= 1 {
		_, isStill := t.why[t.told]
		return t.told, nil, !isStill && !(isReading && t.told.channel.pattern != nil)
	}
	for sub, err := range t.why {
		if len(t.why) > 1 {
			sub = nil
		}
		return sub, err, true
	}
	return nil, nil, false
}

// takeBehind appends what the edge is to be told of what is behind; s.mu is held.
func (s *Session) takeBehind(dst []Push) []Push {
	if !s.owesBehind() {
		return dst
	}
	for {
		of, why, owes := s.nextBehind()
		if !owes {
			return dst
		}
		p := Push{Behind: &Behind{why}}
		if of != nil {
			p.Channel = of.channel.name
		} else {
			s.isBehind = why != nil
		}
		if why == nil {
			of = nil
		}
		s.setTold(of)
		dst = append(dst, p)
	}
}
