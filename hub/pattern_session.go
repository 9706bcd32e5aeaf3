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
	starts     map[*subscription]start // of derived ones whose beginning is looked for
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
		c.patterned = &patterned{derived: make(map[string]*subscription)}
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
	if o.Last != 0 {
		return fmt.Errorf("hub: %w", &OptionError{"Last", "a pattern has no newest publications; ask for the history of each channel"})
	}
	return o.Vector.check(s.hub.options.VectorChannelsMax)
}

// beginPattern is begin for a pattern.
func (s *Session) beginPattern(sub *subscription) {
	h := s.hub
	h.patterns.add(sub.channel)
	if o := h.options.Observer; o != nil && o.Joined != nil {
		s.mu.Lock()
		sub.traits |= hasJoined
		s.mu.Unlock()
		o.Joined(s, sub.channel.name)
	}
	s.mu.Lock()
	if sub.gone {
		s.mu.Unlock()
		h.patterns.remove(sub.channel, false)
		s.leave(sub)
		return
	}
	t := s.needPatterned()
	// From here on publications look for this subscription, and wait for s.mu. What is
	// stamped later than began was published after that.
	generation := h.patterns.generation.Add(1)
	began := time.Now()
	vector := sub.asked.vector
	if vector != nil {
		t.recoveries = append(t.recoveries, newRecovery(sub, vector))
	} else {
		vector = &Vector{Began: began.UTC().Round(0), Until: began.UTC().Round(0)}
	}
	s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: sub.channel.name, Vector: vector})
	if began.Sub(vector.until()) > h.options.Retention.Age && sub.asked.vector != nil {
		s.pushGap(sub.channel.name, &Gap{Reason: GapLost})
	}
	sub.asked = nil
	sub.since = began.UnixNano()
	sub.traits |= isMatched
	wake := s.claimWake()
	s.mu.Unlock()
	h.patterns.begun(sub.channel, generation)
	if wake {
		s.wake()
	}
}

// attach gives the session a subscription to a channel that its pattern matches, for
// the publication p, unless it is given the channel already. It returns false if there is
// no room for that.
func (s *Session) attach(pattern *subscription, ch *channel, p *Publication, hasHistory bool) (hadRoom bool) {
	s.mu.Lock()
	if s.ended != endNot || pattern.gone || pattern.asked != nil {
		s.mu.Unlock()
		return true
	}
	var made, let *subscription
	hadRoom = true
	switch sub := s.given(ch.name); {
	case sub == nil:
		made, let = s.newDerived(ch, pattern.traits&excludesOwn, p, hasHistory)
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
// recovery says. It returns none when there is no room, and one that was let go to make
// room; s.mu is held.
func (s *Session) newDerived(ch *channel, traits traits, p *Publication, hasHistory bool) (made, let *subscription) {
	t := s.patterned()
	r, from := t.claim(ch.name, hasHistory)
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
	made = s.addDerived(ch, traits)
	if r != nil {
		s.startAt(made, from, p.Position)
		return made, let
	}
	made.last = Position{p.Position.Epoch, p.Previous}
	if last, ok := t.let.take(ch.name); ok && !p.Position.isNews(last) {
		made.last = last // it has p
	}
	made.taken = made.last.Offset
	return made, let
}

// letGo remembers how far the derived subscriptions were that were let go. What they had
// read from history may be delivered later than that; or one that was offered a
// publication is let go while others of the session, which are gone, are offered it.
// The channel that was let go first is forgotten first.
type letGo struct {
	positions map[string]letGoPosition
	order     []letGoTurn // oldest first; some were let go again since, or are not in positions
	turn      uint64      // of the newest in order
}

type letGoPosition struct {
	Position
	turn uint64
}

type letGoTurn struct {
	channel string
	turn    uint64
}

// letGoMin is how many channels are remembered at least.
const letGoMin = 256

func (l *letGo) remember(channel string, p Position, most int) {
	if l.positions == nil {
		l.positions = make(map[string]letGoPosition)
	}
	l.turn++
	l.positions[channel] = letGoPosition{p, l.turn}
	l.order = append(l.order, letGoTurn{channel, l.turn})
	if most = max(most, letGoMin); len(l.order) > 4*most {
		l.order = slices.DeleteFunc(l.order, func(t letGoTurn) bool { return !l.isNewest(t) })
	}
	for len(l.positions) > most {
		if l.isNewest(l.order[0]) {
			delete(l.positions, l.order[0].channel)
		}
		l.order = l.order[1:]
	}
}

func (l *letGo) isNewest(t letGoTurn) bool { return l.positions[t.channel].turn == t.turn }

// take returns how far the subscription of a channel was, and forgets that.
func (l *letGo) take(channel string) (Position, bool) {
	p, ok := l.positions[channel]
	delete(l.positions, channel)
	return p.Position, ok
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

// openTo has a subscription that isOpen given p, which is the first that comes.
func (sub *subscription) openTo(p *Publication) {
	sub.traits &^= isOpen
	if !sub.catching && p.Position.Epoch == sub.last.Epoch && p.Position.Offset <= sub.last.Offset {
		sub.last.Offset, sub.taken = p.Previous, p.Previous
	}
}

// addDerived makes a derived subscription and gives it its place; s.mu is held.
func (s *Session) addDerived(ch *channel, traits traits) *subscription {
	t := s.patterned()
	sub := &subscription{session: s, channel: ch, since: time.Now().UnixNano(), waits: derivedOutside, traits: traits | isFresh}
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
// goes round; what was used since its last turn has another one.
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

// miss counts p as one that the session is not given, because it has as many derived
// subscriptions as it may, and owes something of each; s.mu is held. One gap is for all
// of them until it is taken: it names no channel but the pattern of one.
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
			s.pushGap(sub.channel.name, t.missed)
			return
		}
	}
}

// pushGap queues a gap of a pattern; s.mu is held.
func (s *Session) pushGap(pattern string, gap *Gap) {
	s.ensureQueue()
	s.outstanding++
	s.queue = append(s.queue, queued{other: &owed{Push: Push{Channel: pattern, Gap: gap}}})
	s.hub.counters.gaps.Add(1)
}

// forgetDerived is drop for a derived subscription. It is to leave its channel then.
func (s *Session) forgetDerived(sub *subscription) {
	t := s.patterned()
	delete(t.derived, sub.channel.name)
	delete(t.starts, sub)
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
	matching, hasHistory := s.hub.patterns.match(ch.name), s.hub.keepsHistory(ch.name)
	ch = s.hub.channels.acquire(ch.name) // it may have ended with that subscription
	defer s.hub.channels.release(ch)
	s.mu.Lock()
	var made, let *subscription
	sub := s.given(ch.name)
	if sub == nil && s.ended == endNot {
		if traits, ok := s.cover(matching); ok {
			made, let = s.newDerived(ch, traits, d.Publication, hasHistory)
			sub = made
		}
	}
	if sub != nil {
		if sub.traits&isOpen != 0 && sub.asked == nil {
			sub.openTo(d.Publication)
		}
		sub.traits &^= isFresh
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

// cover reports whether the session is subscribed to one of some patterns, and with
// which traits a derived subscription is to be made for it; s.mu is held.
func (s *Session) cover(matching []*channel) (traits traits, ok bool) {
	traits = excludesOwn
	for _, ch := range matching {
		if sub := s.subs.get(ch.name); sub != nil && sub.asked == nil {
			ok = true
			traits &= sub.traits
		}
	}
	return traits, ok
}

// matching returns the patterns that match a channel, if the session has any patterns.
func (s *Session) matching(channel string) []*channel {
	if s.hub.patterns.generation.Load() == 0 {
		return nil
	}
	s.mu.Lock()
	has := s.patterned() != nil
	s.mu.Unlock()
	if !has {
		return nil
	}
	return s.hub.patterns.match(channel)
}

// unsubscribePattern is Unsubscribe for a pattern: the channels that no other pattern of
// the session matches end with it.
func (s *Session) unsubscribePattern(tag uint64, pattern string) {
	s.mu.Lock()
	sub := s.subs.get(pattern)
	if sub == nil || s.ended != endNot || s.isOverloaded() {
		s.mu.Unlock()
		s.answer(command{tag: tag, kind: CommandUnsubscribe}, Outcome{Channel: pattern})
		return
	}
	s.drop(sub)
	begun := sub.asked == nil
	if !begun {
		s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: pattern, Err: ErrUnsubscribed})
	}
	s.outstanding++ // Unsubscribe itself
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
	s.mu.Lock()
	for i, name := range derived {
		t := s.patterned()
		if t == nil {
			break // it was closed
		}
		traits, ok := s.cover(covers[i])
		if !ok {
			t.let.take(name)
		}
		d := t.derived[name]
		if d == nil {
			continue
		}
		if d.traits = d.traits&^excludesOwn | traits; !ok {
			s.forgetDerived(d)
			leaving = append(leaving, d)
		}
	}
	s.push(command{tag: tag, kind: CommandUnsubscribe}, Outcome{Channel: pattern})
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
}

// replaceDerived has sub, which is about to begin, take the place of a derived
// subscription to its channel, if there is one. If sub asks for nothing older, it goes on
// where that is, and its outcome says where; else it begins anew. The derived one is
// returned, to leave its channel; s.mu is held.
func (s *Session) replaceDerived(sub *subscription) (let *subscription, goesOn bool) {
	t := s.patterned()
	if t == nil {
		return nil, false
	}
	if let = t.derived[sub.channel.name]; let == nil {
		return nil, false
	}
	if goesOn = sub.asked.since.IsZero() && sub.asked.last == 0; goesOn {
		s.takeOver(let, sub)
	}
	s.forgetDerived(let)
	return let, goesOn
}

// keepDerived makes a derived subscription that goes on where sub is, which is being
// unsubscribed, if the session has one of the patterns that match its channel; s.mu is
// held. It is to enter the channel.
func (s *Session) keepDerived(sub *subscription, matching []*channel) *subscription {
	traits, ok := s.cover(matching)
	if !ok || sub.asked != nil {
		return nil
	}
	kept := s.addDerived(sub.channel, traits)
	kept.traits &^= isFresh
	s.takeOver(sub, kept)
	return kept
}

// takeOver has one subscription go on where another one of the channel is; s.mu is
// held. The other one is to be forgotten.
func (s *Session) takeOver(from, to *subscription) {
	to.last, to.taken, to.seen, to.catching, to.doubted = from.last, from.taken, from.seen, from.catching, false
	to.traits |= from.traits & isOpen
	if to.queued, from.queued = from.queued, 0; to.queued > 0 {
		for i := range s.queue {
			if s.queue[i].sub == from {
				s.queue[i].sub = to
			}
		}
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

// closePatterns returns the derived subscriptions of a session that is closed; s.mu is
// held.
func (s *Session) closePatterns() []*subscription {
	t := s.patterned()
	if t == nil {
		return nil
	}
	for _, sub := range t.ring {
		sub.gone = true
		sub.retry.stop()
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
	s.mu.Lock()
	isMatched := sub.traits&isMatched != 0
	s.mu.Unlock()
	if isMatched {
		s.hub.patterns.remove(sub.channel, true)
	}
}

// checkVector refuses a Vector for what is no pattern.
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
	return cmp.Or(CheckChannel(name), resolve("Last", &o.Last, 0), o.checkVector())
}
