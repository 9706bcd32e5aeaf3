package hub

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
)

// recovery is a pattern's way from a Vector to where everything is live; guarded by the
// session's mu. It goes through the channels of the vector and then through those that
// the Broker lists, both by name, and gives each a derived subscription that catches up:
// some at a time, as Take finds the earlier ones to have done so.
//
//	names of the vector ──┐
//	List, page by page ───┴─► derived subscription ─► catches up ─► live
//	something is published ───────┘ also out of turn
type recovery struct {
	sub     *subscription // the pattern's
	matches access.Pattern
	vector  *Vector
	after   time.Time // where a channel that is not in the vector begins
	evicted time.Time // the publications between after and this are a gap

	names     []string            // of the vector, whose turn has not come
	cursor    string              // the last listed channel whose turn came
	found     []string            // that were listed and have not had their turn
	listed    string              // the last channel that was listed
	isListed  bool                // there are no more
	isWaiting bool                // for the Broker's list, or a pause
	isWithin  bool                // histories went back to the vector when it began; until they are listed, they may end
	isDoubted bool                // deliveries were lost since it began: when it is done, it begins again
	outOfTurn map[string]struct{} // names whose turn has not come and that were attached
	pause     time.Duration
	timer     *time.Timer
}

// start is how the beginning of a derived subscription is found: it reads the whole
// history, and leaves out publications not later than after. With newest, it first looks
// where the newest so many begin.
type start struct {
	position Position // it is known, and nothing is left out; else zero
	after    time.Time
	evicted  time.Time
	hasRead  bool
	newest   int
}

const (
	// recoveryAtOnce is how many derived subscriptions catch up at a time.
	recoveryAtOnce = 64

	// recoveryPage is how many channels the Broker is asked for at a time.
	recoveryPage = 1000

	// outOfTurnMax bounds recovery.outOfTurn.
	outOfTurnMax = 4096

	// clockSlack is how far the clock of a Broker that is somewhere else may be
	// behind: publications that are as old are given as if they were newer.
	clockSlack = 2 * time.Second
)

// newRecovery returns the recovery of a pattern that is continued with v.
func newRecovery(sub *subscription, v *Vector) *recovery {
	r := &recovery{sub: sub, vector: v, after: v.Began, evicted: v.Evicted, outOfTurn: make(map[string]struct{})}
	r.matches, _ = access.ParsePattern(sub.channel.name) // checked by CheckPattern
	if !sub.session.hub.immediate() {
		r.after = r.after.Add(-clockSlack)
	}
	for name := range maps.Keys(v.Positions) {
		if r.matches.Matches(name, "") {
			r.names = append(r.names, name)
		}
	}
	slices.Sort(r.names)
	return r
}

// newDoubt returns the recovery of a pattern that has lost deliveries of a channel, or of
// any if name is "". Those that have derived subscriptions look for themselves.
func (t *patterned) newDoubt(sub *subscription, name string) *recovery {
	r := newRecovery(sub, &Vector{Began: time.Unix(0, sub.since), Evicted: t.evicted})
	if name != "" {
		r.names, r.isListed = []string{name}, true
	}
	for name := range t.derived {
		r.outOfTurn[name] = struct{}{}
	}
	return r
}

func (r *recovery) stop() {
	if r.timer != nil {
		r.timer.Stop()
	}
}

// isDone reports whether every channel had its turn.
func (r *recovery) isDone() bool { return len(r.names)+len(r.found) == 0 && r.isListed }

// claim says where a channel begins whose turn has not come.
func (r *recovery) claim(name string) (start, bool) {
	if !r.matches.Matches(name, "") {
		return start{}, false
	}
	if _, ok := r.outOfTurn[name]; ok {
		return start{}, false
	}
	if position, ok := r.vector.Positions[name]; ok {
		return start{position: position}, len(r.names) > 0 && name >= r.names[0]
	}
	return start{after: r.after, evicted: r.evicted, newest: r.vector.Newest}, !r.isDone() && name > r.cursor
}

// await sees that a channel that it claims has its turn. It returns false if too many
// that have no history when they were to be listed have come meanwhile.
func (r *recovery) await(name string) bool {
	if _, ok := r.vector.Positions[name]; ok || !r.isListed && name > r.listed {
		return true
	}
	i, ok := slices.BinarySearch(r.found, name)
	if ok {
		return true
	}
	if len(r.found) >= recoveryPage+outOfTurnMax {
		return false
	}
	r.found = slices.Insert(r.found, i, strings.Clone(name))
	return true
}

// claim returns the recovery that has not come to a channel yet, and where the channel
// begins with it, or nil. Without history there is nothing to look for.
func (t *patterned) claim(channel string, hasHistory bool) (*recovery, start) {
	for _, r := range t.recoveries {
		if from, ok := r.claim(channel); ok && (hasHistory || !from.position.IsZero()) {
			return r, from
		}
	}
	return nil, start{}
}

// earliest returns where a channel begins that a recovery would have begin with from: where
// the first of all begins that have not come to it. Their clients are one, which has seen
// what a vector says, so a position counts more than a time.
func (t *patterned) earliest(channel string, from start) start {
	for _, r := range t.recoveries {
		p, ok := r.vector.Positions[channel]
		if !ok || !r.matches.Matches(channel, "") {
			continue
		}
		if from.position.IsZero() || p.Epoch == from.position.Epoch && p.Offset < from.position.Offset {
			from = start{position: p}
		}
	}
	if !from.position.IsZero() {
		return from
	}
	for _, r := range t.recoveries { // what one of them owes is given
		if other, ok := r.claim(channel); ok && other.after.Before(from.after) {
			from = other
		}
	}
	return from
}

// startAt has a derived subscription begin where a recovery says; s.mu is held.
func (s *Session) startAt(sub *subscription, from start, seen Position) {
	if from.position.IsZero() {
		t := s.patterned()
		if t.starts == nil {
			t.starts = make(map[*subscription]start)
		}
		t.starts[sub] = from
		t.dated[sub] = from.after
		sub.traits |= isStarting
	}
	sub.last, sub.taken = from.position, from.position.Offset
	if b := sub.backlog(); b != nil {
		b.isPlaced = false // history says where it is
	}
	s.catchUp(sub, seen)
}

// needsRecovery reports whether a recovery can go on; s.mu is held.
func (s *Session) needsRecovery() bool {
	t := s.patterned()
	if t == nil || len(t.recoveries) == 0 || len(s.behind) >= recoveryAtOnce {
		return false
	}
	return !t.recoveries[0].isWaiting
}

// claimRecovery is claimWake where a recovery may be able to go on, which is not looked
// at with every publication; s.mu is held.
func (s *Session) claimRecovery() bool {
	if s.woken || s.ended != endNot || !s.needsRecovery() {
		return s.claimWake()
	}
	s.woken = true
	return true
}

// continueRecovery goes on with the recoveries of the session, one after another. It is
// called by Take alone.
func (s *Session) continueRecovery() {
	for {
		s.lock()
		if s.ended != endNot || !s.needsRecovery() {
			s.mu.Unlock()
			return
		}
		t := s.patterned()
		r := t.recoveries[0]
		if r.isDone() {
			t.recoveries = slices.Delete(t.recoveries, 0, 1)
			s.endTrouble(r.sub)
			if r.isDoubted {
				t.recoveries = append(t.recoveries, t.newDoubt(r.sub, ""))
			}
			s.mu.Unlock()
			continue
		}
		name := ""
		switch {
		case len(r.names) > 0:
			name = r.names[0]
		case len(r.found) > 0:
			name = r.found[0]
		default:
			r.isWaiting = true
		}
		s.mu.Unlock()
		if name == "" {
			s.list(r)
		} else if !s.attachNext(r, name) {
			return
		}
	}
}

// attachNext gives a channel whose turn has come its derived subscription. It returns
// false if there is no room yet. Deliveries reach that a moment after it has its place,
// but the history that it reads is read later.
func (s *Session) attachNext(r *recovery, name string) bool {
	policy := s.hub.policy(name)
	ch := s.hub.channels.acquire(name)
	defer s.hub.channels.release(ch)
	s.lock()
	if s.ended != endNot || r.sub.gone || s.patterned() == nil {
		defer s.mu.Unlock()
		return s.ended == endNot
	}
	from, claims := r.claim(name)
	var made, let *subscription
	d := s.patterned().derived[name]
	if claims && d != nil && !s.patterned().covers(d, from) {
		s.forgetDerived(d)
		let = d
	}
	if claims && s.given(name) == nil {
		room := let != nil
		if !room {
			let, room = s.makeRoom()
		}
		if !room {
			r.wait(retryMin)
			s.mu.Unlock()
			return false
		}
		made = s.addDerived(ch, coverage{r.sub.traits & excludesOwn, r.sub.wish()}, policy)
		made.traits &^= isFresh
		s.startAt(made, s.patterned().earliest(name, from), Position{})
	}
	if len(r.names) > 0 {
		r.names = r.names[1:]
	} else {
		r.cursor, r.found = name, r.found[1:]
	}
	delete(r.outOfTurn, name)
	s.mu.Unlock()
	s.hub.leaveDerived(let)
	s.hub.enterDerived(made)
	return true
}

// covers reports whether a derived subscription gives what a recovery owes of the channel
// from where it says. A subscription made with a position began where the client is.
func (t *patterned) covers(sub *subscription, from start) bool {
	since, isDated := t.dated[sub]
	switch {
	case !isDated:
		return true
	case from.position.IsZero():
		return !from.after.Before(since)
	}
	_, isStarting := t.starts[sub]
	return !isStarting && from.position.Epoch == sub.last.Epoch && from.position.Offset >= sub.taken
}

// wait makes a pause; the session's mu is held.
func (r *recovery) wait(pause time.Duration) {
	s := r.sub.session
	r.isWaiting = true
	r.timer = time.AfterFunc(pause, func() {
		s.lock()
		r.isWaiting = false
		wake := s.claimRecovery()
		s.mu.Unlock()
		if wake {
			s.wake()
		}
	})
}

// list asks the Broker for channels with history.
func (s *Session) list(r *recovery) {
	h := s.hub
	lister, ok := h.broker.(ListingBroker)
	if !ok {
		s.listed(r, nil, nil, false)
		return
	}
	h.call(r.sub.channel.name, func(ctx context.Context) {
		infos, err := h.askList(ctx, lister, r.sub.channel.name, ListQuery{After: r.listed, Limit: recoveryPage, Match: func(name string) bool {
			_, isInVector := r.vector.Positions[name]
			return !isInVector && r.matches.Matches(name, "")
		}})
		s.listed(r, infos, err, true)
	})
}

// listed is told what the Broker has listed. Without a list it is not known what was
// published in other channels than those of the vector, and that is a gap.
func (s *Session) listed(r *recovery, infos []ChannelInfo, err error, canList bool) {
	s.lock()
	switch {
	case s.ended != endNot || r.sub.gone:
	case err != nil:
		s.noteTrouble(r.sub, s.hub.brokerError(err))
		r.pause = min(max(2*r.pause, retryMin), retryMax)
		r.wait(r.pause)
	default:
		r.isWaiting, r.pause = false, 0
		r.isListed = len(infos) < recoveryPage
		for _, info := range infos {
			r.found = append(r.found, info.Name)
			r.listed = info.Name
		}
		if !canList || r.isListed && r.isWithin && s.hub.isBeyondHistory(r.vector, time.Now()) {
			s.queueGap(r.sub.channel.name, &Gap{Reason: GapLost})
		}
	}
	wake := s.claimRecovery()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// doubtPattern has a pattern look for what deliveries of a channel, or of any if name is
// "", may have been lost.
func (s *Session) doubtPattern(sub *subscription, name string) {
	const most = 64 // channels, before all are looked at
	s.lock()
	t := s.patterned()
	if s.ended != endNot || sub.gone || sub.asked != nil || sub.traits&suspended != 0 || name != "" && s.given(name) != nil {
		s.mu.Unlock()
		return
	}
	if len(t.recoveries) >= most {
		name = ""
	}
	i := slices.IndexFunc(t.recoveries, func(r *recovery) bool { return r.sub == sub })
	switch {
	case i < 0 || name != "" && len(t.recoveries) < most:
		t.recoveries = append(t.recoveries, t.newDoubt(sub, name))
	default:
		t.recoveries[i].isDoubted = true
	}
	wake := s.claimRecovery()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// losePatterns has every session with a pattern that matches a channel, or with any
// pattern if name is "", look for lost deliveries.
func (h *Hub) losePatterns(name string) {
	if h.patterns.generation.Load() == 0 {
		return
	}
	var lost []*channel
	if name != "" {
		lost = h.patterns.match(name)
	} else {
		lost = h.channels.all()
	}
	for _, ch := range lost {
		if ch.pattern == nil {
			continue
		}
		for _, sub := range ch.snapshot() {
			sub.session.doubtPattern(sub, name)
		}
	}
}

// dropRecovery ends the recovery of a pattern that is unsubscribed; s.mu is held.
func (t *patterned) dropRecovery(sub *subscription) {
	t.recoveries = slices.DeleteFunc(t.recoveries, func(r *recovery) bool {
		if r.sub == sub {
			r.stop()
		}
		return r.sub == sub
	})
}

// placeNewest has a derived subscription that begins with the newest so many of its channel
// begin before the oldest of those, which alone r has asked for; s.mu is held. If that is not older than
// after, others may be later than after, too: the whole history is read then.
func (s *Session) placeNewest(r *reading) {
	sub, t := r.sub, s.patterned()
	if from := t.starts[sub]; len(r.page.Publications) == 0 || !r.page.Publications[0].Time.Before(from.after) {
		from.newest = 0
		t.starts[sub] = from
	} else {
		delete(t.starts, sub)
		sub.traits &^= isStarting
		sub.last, sub.taken = r.page.Begin, r.page.Begin.Offset
	}
	s.behind = append(s.behind, sub)
}

// beginAfter leaves out the publications of a page before the place where a derived
// subscription begins, and returns the rest with the gap before it, if there is one;
// s.mu is held.
func (s *Session) beginAfter(sub *subscription, page *Page, publications []*Publication, gap *Gap, isLast bool) ([]*Publication, *Gap) {
	t := s.patterned()
	from, ok := t.starts[sub]
	if !ok {
		sub.traits &^= isStarting
		return publications, gap
	}
	// Publications before the oldest that is held may have been later than that, unless the
	// Broker knows better.
	begin := Position{page.Begin.Epoch, 0}
	isWhole := !page.WholeAfter.IsZero() && page.WholeAfter.Before(from.after)
	lost := gap == nil && !from.hasRead && page.Begin.Offset > 0 && !isWhole
	first := 0
	for first < len(publications) && publications[first].Time.Before(from.after) {
		first++
		lost = false
	}
	if lost {
		gap = &Gap{From: begin, To: page.Begin}
	}
	isKnown, unknown := gap != nil, 0
	for first < len(publications) && !from.evicted.IsZero() && !publications[first].Time.After(from.evicted) {
		p := publications[first]
		if gap == nil {
			gap = &Gap{From: Position{p.Position.Epoch, p.Previous}}
		}
		gap.To = p.Position
		unknown++
		first++
	}
	if !isKnown && unknown > 0 {
		gap.Count = unknown
	}
	from.hasRead = true
	if t.starts[sub] = from; isLast || first < len(publications) {
		delete(t.starts, sub)
		sub.traits &^= isStarting
	}
	return publications[first:], gap
}
