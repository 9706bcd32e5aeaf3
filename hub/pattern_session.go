package hub

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// patterned is what a session has that was ever subscribed to a pattern; guarded by
// the session's mu.
type patterned struct {
	derived map[string]*subscription // by channel
	ring    []*subscription          // those of derived, in no order
	hand    int                      // of the clock that goes round ring, see victim
	evicted time.Time                // when one was last let go for another; zero if none was
	let     letGo                    // where those were that were let go
	missed  *Gap                     // in the queue: what there was no derived subscription for

	recoveries []*recovery
	isBehind   bool                        // some subscription of the session may be catching up
	starts     map[*subscription]start     // of derived ones whose beginning is looked for
	dated      map[*subscription]time.Time // since when those owe something that did not begin at a position of the client
}

// patterned returns what the session has of patterns, or nil; s.mu is held.
func (s *Session) patterned() *patterned {
	if s.commands == nil {
		return nil
	}
	return s.commands.patterned
}

// needPatterned returns s.patterned, which is made if there is none; s.mu is held.
func (s *Session) needPatterned() *patterned {
	c := s.needCommands()
	if c.patterned == nil {
		c.patterned = &patterned{derived: make(map[string]*subscription), dated: make(map[*subscription]time.Time)}
	}
	return c.patterned
}

// given returns the subscription by which the session is given a channel, by its name
// or by patterns, or nil; s.mu is held.
func (s *Session) given(channel string) *subscription {
	if sub := s.subs.get(channel); sub != nil && sub.asked == nil {
		return sub
	}
	if t := s.patterned(); t != nil {
		return t.derived[channel]
	}
	return nil
}

// checkPattern returns why the session cannot subscribe to a pattern with o.
func (s *Session) checkPattern(pattern string, o *SubscribeOptions) error {
	if err := CheckPattern(pattern); err != nil {
		return err
	}
	if s.hub.patterns.broker == nil {
		return ErrNotSupported
	}
	if !o.Since.IsZero() {
		return fmt.Errorf("hub: %w", &OptionError{"Since", "a pattern has no position; give a Vector, which has one for each channel"})
	}
	if o.Last != 0 && o.Vector != nil {
		return fmt.Errorf("hub: %w", &OptionError{"Last", "a subscription that is continued with a Vector does not begin with the newest; give one of them"})
	}
	if _, canList := s.hub.broker.(ListingBroker); o.Last != 0 && !canList {
		return fmt.Errorf("hub: %w", &OptionError{"Last", "this broker cannot list the channels of a pattern; ask for the history of each"})
	}
	if err := resolve("Last", &o.Last, 0); err != nil {
		return err
	}
	if o.Presence {
		return fmt.Errorf("hub: %w", &OptionError{"Presence", "a pattern has no members; subscribe to each channel"})
	}
	if err := resolve("Rate", &o.Rate, 0); err != nil {
		return err
	}
	return o.Vector.check(s.hub.options.VectorChannelsMax)
}

// beginPattern is begin for a pattern.
func (s *Session) beginPattern(sub *subscription) {
	h := s.hub
	h.patterns.add(sub.channel)
	if o := h.options.Observer; o != nil && o.Joined != nil {
		s.lock()
		sub.traits |= hasJoined
		s.mu.Unlock()
		o.Joined(s, sub.channel.name)
	}
	s.lock()
	if sub.gone {
		s.mu.Unlock()
		h.patterns.remove(sub.channel, false)
		s.leave(sub)
		return
	}
	t := s.needPatterned()
	// From here on publications look for this subscription, and wait for s.mu. A publication
	// stamped later than began was published after that.
	generation := h.patterns.generation.Add(1)
	began := time.Now()
	vector := sub.asked.vector
	var recovery *recovery
	if vector != nil && sub.traits&suspended != 0 {
		// It is continued when it is subscribed to again.
	} else if vector != nil {
		recovery = newRecovery(sub, vector)
		t.recoveries = append(t.recoveries, recovery)
	} else {
		vector = &Vector{Began: began.UTC().Round(0), Until: began.UTC().Round(0), Newest: sub.asked.last}
		if vector.Newest > 0 && sub.traits&suspended == 0 {
			t.recoveries = append(t.recoveries, newRecovery(sub, vector))
		}
	}
	s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: sub.channel.name, Vector: vector})
	if recovery != nil && h.isBeyondHistory(vector, began) {
		s.queueGap(sub.channel.name, &Gap{Reason: GapLost})
	} else if recovery != nil {
		recovery.isWithin = true
	}
	sub.asked = nil
	s.isBegun = true
	sub.since = began.UnixNano()
	sub.traits |= isMatched
	begun := s.milestone(sub)
	wake := s.claimRecovery()
	s.mu.Unlock()
	h.patterns.begun(sub.channel, generation)
	if o := h.options.Observer; o != nil && o.Subscribed != nil {
		o.Subscribed(s, begun)
	}
	if wake {
		s.wake()
	}
}

// attach gives the session a subscription to a channel that its pattern matches, for
// the publication p, unless it is given the channel already. It returns false if there is
// no room for that.
func (s *Session) attach(pattern *subscription, ch *channel, p *Publication, policy *Policy) (hadRoom bool) {
	s.lock()
	if s.ended != endNot || pattern.gone || pattern.asked != nil || pattern.traits&suspended != 0 {
		s.mu.Unlock()
		return true
	}
	var made, let *subscription
	hadRoom = true
	switch sub := s.given(ch.name); {
	case sub == nil:
		made, let = s.newDerived(ch, coverage{pattern.traits & excludesOwn, pattern.wish()}, p, policy)
		hadRoom = made != nil
	case s.subs.get(ch.name) != sub:
		sub.traits &^= excludesOwn &^ pattern.traits // what one of its patterns wants is given
	}
	wake := s.claimWake()
	s.mu.Unlock()
	s.hub.enterDerived(made)
	s.hub.leaveDerived(let)
	if wake {
		s.wake()
	}
	return hadRoom
}

// newDerived makes a derived subscription that begins just before p, or where a
// recovery says. It returns none when there is no room, and a subscription that was let
// go to make room; s.mu is held.
func (s *Session) newDerived(ch *channel, c coverage, p *Publication, policy *Policy) (made, let *subscription) {
	t := s.patterned()
	r, from := t.claim(ch.name, s.hub.retains(policy))
	let, ok := s.makeRoom()
	switch {
	case r != nil && (!ok || len(r.outOfTurn) >= outOfTurnMax) && r.await(ch.name):
		return nil, let // its turn will come
	case !ok:
		s.miss(p)
		return nil, nil
	case r != nil:
		r.outOfTurn[ch.name] = struct{}{}
	}
	made = s.addDerived(ch, c, policy)
	if r != nil {
		s.startAt(made, t.earliest(ch.name, from), p.Position)
		return made, let
	}
	t.dated[made] = p.Time
	made.last = Position{p.Position.Epoch, p.Previous}
	if last, ok := t.let.take(ch.name); ok && !p.Position.isNews(last) {
		made.last = last // it has p
	}
	made.taken = made.last.Offset
	return made, let
}

// addDerived makes a derived subscription and gives it its place; s.mu is held.
func (s *Session) addDerived(ch *channel, c coverage, policy *Policy) *subscription {
	t := s.patterned()
	sub := &subscription{session: s, channel: ch, since: time.Now().UnixNano(), waits: derivedOutside, traits: c.traits | isFresh}
	s.hub.agree(sub, policy.terms(c.wish), c.wish)
	if b := sub.backlog(); b != nil {
		b.isPlaced = true
	}
	t.derived[ch.name] = sub
	t.ring = append(t.ring, sub)
	return sub
}

// makeRoom lets go of a derived subscription if there are as many as there may be; s.mu
// is held. It returns false if none can go.
func (s *Session) makeRoom() (let *subscription, ok bool) {
	t := s.patterned()
	if len(t.derived) < s.hub.options.PatternChannelsMax {
		return nil, true
	}
	if let = t.victim(); let == nil {
		return nil, false
	}
	t.evicted = time.Now()
	if let.traits&isOpen == 0 {
		t.let.remember(let.channel.name, let.last, s.hub.options.PatternChannelsMax)
	}
	s.forgetDerived(let)
	return let, true
}

// victim returns a derived subscription that was not used lately and owes nothing: when
// its channel is published in again, it begins again where it was. The hand of a clock
// goes round; a subscription used since its last turn has another one.
func (t *patterned) victim() *subscription {
	for range 2 * len(t.ring) {
		if t.hand >= len(t.ring) {
			t.hand = 0
		}
		sub := t.ring[t.hand]
		switch {
		case sub.queued > 0 || sub.catching || sub.asked != nil || sub.traits&isFresh != 0:
		case sub.traits&isUsed != 0:
			sub.traits &^= isUsed
		default:
			return sub
		}
		t.hand++
	}
	return nil
}

// miss counts p as a publication that the session is not given, because it has as many
// derived subscriptions as it may, and owes something of each; s.mu is held. One gap is
// for all of them until it is taken: it names no channel but the pattern of one.
func (s *Session) miss(p *Publication) {
	t := s.patterned()
	if last, ok := t.let.positions[p.Channel]; ok && !p.Position.isNews(last.Position) {
		return // it was given already
	}
	t.let.remember(p.Channel, p.Position, s.hub.options.PatternChannelsMax) // it goes on behind p
	if t.missed != nil {
		t.missed.Count++
		return
	}
	for sub := range s.subs.all() {
		if sub.channel.pattern != nil && sub.asked == nil {
			t.missed = &Gap{Reason: GapDropped, Count: 1}
			s.queueGap(sub.channel.name, t.missed)
			return
		}
	}
}

// queueGap queues a gap of a pattern; s.mu is held.
func (s *Session) queueGap(pattern string, gap *Gap) {
	s.ensureQueue()
	s.outstanding++
	s.queue = append(s.queue, queued{other: &owed{Push: Push{Channel: pattern, Gap: gap}}})
	s.hub.counters.gaps[gap.Reason].Add(1)
}

// forgetDerived is drop for a derived subscription. It is to leave its channel then.
func (s *Session) forgetDerived(sub *subscription) {
	t := s.patterned()
	delete(t.derived, sub.channel.name)
	delete(t.starts, sub)
	delete(t.dated, sub)
	if i := slices.Index(t.ring, sub); i >= 0 {
		last := len(t.ring) - 1
		t.ring[i], t.ring[last] = t.ring[last], nil
		t.ring = t.ring[:last]
	}
	s.forget(sub)
}

// offerAgain offers a publication to the session once more, whose subscription was gone
// when it came: it may be given the channel by another one, or by a pattern.
func (s *Session) offerAgain(ch *channel, d *Delivery) {
	matching, policy := s.hub.patterns.match(ch.name), s.hub.policy(ch.name)
	ch = s.hub.channels.acquire(ch.name) // it may have ended with that subscription
	defer s.hub.channels.release(ch)
	s.lock()
	var made, let *subscription
	sub := s.given(ch.name)
	if sub == nil && s.ended == endNot {
		if c, ok := s.cover(matching); ok {
			made, let = s.newDerived(ch, c, d.Publication, policy)
			sub = made
		}
	}
	if sub != nil {
		sub.touch(d.Publication)
		s.enqueue(sub, d)
	}
	wake := s.claimWake()
	s.mu.Unlock()
	s.hub.enterDerived(made)
	s.hub.leaveDerived(let)
	if sub == nil {
		ch.missDerived()
	}
	if wake {
		s.wake()
	}
}

// coverage is how a derived subscription is to be served.
type coverage struct {
	traits traits
	wish   int // SubscribeOptions.Rate
}

// wish is the rate that sub was asked for with; session.mu is held.
func (sub *subscription) wish() int {
	if b := sub.backlog(); b != nil {
		return b.wish
	}
	return 0
}

// cover reports whether the session is subscribed to one of some patterns, and with
// which traits a derived subscription is to be made for it; s.mu is held.
func (s *Session) cover(matching []*channel) (c coverage, ok bool) {
	c.traits = excludesOwn
	for _, ch := range matching {
		if sub := s.subs.get(ch.name); sub != nil && sub.asked == nil && sub.traits&suspended == 0 {
			if wish := sub.wish(); !ok || wish == 0 || c.wish > 0 && wish > c.wish {
				c.wish = wish // what one of them wants is given
			}
			ok = true
			c.traits &= sub.traits
		}
	}
	return c, ok
}

// matching returns the patterns that match a channel, if the session has any patterns.
func (s *Session) matching(channel string) []*channel {
	if s.hub.patterns.generation.Load() == 0 {
		return nil
	}
	s.lock()
	has := s.patterned() != nil
	s.mu.Unlock()
	if !has {
		return nil
	}
	return s.hub.patterns.match(channel)
}

// unsubscribePattern is unsubscribe for a pattern: the channels that no other pattern of
// the session matches end with it.
func (s *Session) unsubscribePattern(tag uint64, pattern string, why error) bool {
	s.lock()
	sub := s.subs.get(pattern)
	if sub == nil || s.ended != endNot || why == nil && s.isOverloaded() {
		s.mu.Unlock()
		if why == nil {
			s.answer(command{tag: tag, kind: CommandUnsubscribe}, Outcome{Channel: pattern})
		}
		return false
	}
	s.drop(sub)
	begun := sub.asked == nil
	if !begun {
		s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: pattern, Err: cmp.Or(why, ErrUnsubscribed)})
	}
	isTold := begun || why == nil
	if isTold {
		s.outstanding++ // Unsubscribe itself
	}
	var derived []string
	if t := s.patterned(); t != nil && begun {
		t.dropRecovery(sub)
		derived = slices.AppendSeq(slices.Collect(maps.Keys(t.derived)), maps.Keys(t.let.positions))
	}
	s.mu.Unlock()

	covers := make([][]*channel, len(derived))
	for i, name := range derived {
		covers[i] = s.hub.patterns.match(name)
	}
	var leaving []*subscription
	s.lock()
	for i, name := range derived {
		t := s.patterned()
		if t == nil {
			break // it was closed
		}
		c, ok := s.cover(covers[i])
		if !ok {
			t.let.take(name)
		}
		d := t.derived[name]
		if d == nil {
			continue
		}
		if d.traits = d.traits&^excludesOwn | c.traits; !ok {
			s.forgetDerived(d)
			leaving = append(leaving, d)
		}
	}
	if isTold {
		s.push(command{tag: tag, kind: CommandUnsubscribe}, Outcome{Channel: pattern, Err: why})
	}
	wake := s.claimWake()
	s.mu.Unlock()
	for _, d := range leaving {
		s.hub.leaveDerived(d)
	}
	if begun || sub.channel.withdraw(sub) {
		s.leave(sub)
	}
	if wake {
		s.wake()
	}
	return true
}

// closePatterns returns the derived subscriptions of a session that is closed; s.mu is
// held.
func (s *Session) closePatterns() []*subscription {
	t := s.patterned()
	if t == nil {
		return nil
	}
	for _, sub := range t.ring {
		sub.gone = true
		sub.stopRetry()
	}
	for _, r := range t.recoveries {
		r.stop()
	}
	leaving := t.ring
	s.commands.patterned = nil
	return leaving
}

// leavePattern takes a subscription to a pattern out of the trie, where it is since it
// began.
func (s *Session) leavePattern(sub *subscription) {
	s.lock()
	isMatched := sub.traits&isMatched != 0
	s.mu.Unlock()
	if isMatched {
		s.hub.patterns.remove(sub.channel, true)
	}
}

// checkVector refuses a Vector for a channel that is no pattern.
func (o *SubscribeOptions) checkVector() error {
	if o.Vector == nil {
		return nil
	}
	return fmt.Errorf("hub: %w", &OptionError{"Vector", "it is for patterns; give Since, the position in this channel"})
}

// check is for Subscribe, of channels and of patterns.
func (s *Session) checkSubscribe(name string, o *SubscribeOptions) error {
	if IsPattern(name) {
		return s.checkPattern(name, o)
	}
	return cmp.Or(CheckChannel(name), resolve("Last", &o.Last, 0), resolve("Rate", &o.Rate, 0), o.checkVector())
}
