package hub

import "sync"

// backlog is the publications that wait for a subscription whose policy or rate leaves
// publications out. It is apart from the session's queue, which has one place for all of
// it: so leaving out costs nothing but itself, and the pushes for other subscriptions
// stay.
//
//	         from history, if sub is catching up
//	              │               ╭─ w.omitted: what was left out before w
//	┄┄┄┄┄┄┄┄┄┄┄┄┄─┴──┬─────╮  ╭───┴──╮  ╭──────╮  ╭─ omitted: after the newest
//	 ◄─ handed out   │first│◄─┤  ·   ├──┤newest│  ╷
//	                 ╰─────╯  ╰──────╯  ╰──────╯  to
//
// It covers a run of the channel in which nothing is missing: each publication waits, is
// counted in an omission, or is not for the session. While the subscription catches up
// deliveries are put here at once. History is read only up to where the backlog
// begins, or a slow client in a busy channel would read history for ever, and a policy
// would never come to bear.
type backlog struct {
	terms terms
	wish  int // SubscribeOptions.Rate
	keys  *Form[string]

	oldest, newest *waiting
	byKey          map[string]*waiting // nil until there are more than keysLookedThrough
	omitted        omission            // after newest
	count, bytes   int

	// While the backlog covers anything: the first publication that it covers, the
	// one before it, and where it ends.
	first, previous uint64
	to              Position // zero while it covers nothing

	holds        int  // the place among the holders, from 1; 0 while nothing waits
	isConflating bool // from when something has waited for long until nothing waits

	isPlaced bool // sub.last came from the Broker, and not from the client
	isQueued bool // the session's queue has its place
	pace     pace
}

// waiting is a publication in a backlog.
type waiting struct {
	delivery     *Delivery
	older, newer *waiting
	omitted      omission // between older and this one
	key          string
	hasKey       bool // key was looked up: with one that waits alone it is not
	hasTurn      bool // it is not replaced any more, see giveTurns
}

// omission is how many publications in a row were left out.
type omission struct {
	to     uint64 // the offset of the newest of them
	count  int
	reason GapReason // the gravest
}

// add adds an omission that comes after o.
func (o *omission) add(later omission) {
	if later.count == 0 {
		return
	}
	o.to = later.to
	o.count += later.count
	o.reason = graver(o.reason, later.reason)
}

// graver is the reason for a run that has both: GapLost is none, and a dropped
// publication is gone, while a replaced one is known by its replacement.
func graver(a, b GapReason) GapReason {
	grave := [...]int{GapLost: 0, GapExpired: 1, GapConflated: 2, GapRate: 3, GapDropped: 4}
	if grave[b] > grave[a] {
		return b
	}
	return a
}

func newBacklog(t terms, wish int, keys *Form[string]) *backlog {
	b := &backlog{terms: t, wish: wish, keys: keys}
	b.pace.set(t.rate)
	return b
}

// backlog returns that of sub, nil if it has none.
func (sub *subscription) backlog() *backlog {
	if sub.rare.Load() == nil {
		return nil
	}
	return sub.rare.Load().backlog
}

// hasNews reports whether there is something to hand out.
func (b *backlog) hasNews() bool { return b.oldest != nil || b.omitted.count > 0 }

// waitings are kept for reuse: a client that keeps up leaves no garbage.
var waitings = sync.Pool{New: func() any { return new(waiting) }}

// push appends d.
func (b *backlog) push(d *Delivery, key string, hasKey bool) {
	w := waitings.Get().(*waiting)
	*w = waiting{delivery: d, older: b.newest, omitted: b.omitted, key: key, hasKey: hasKey}
	b.omitted = omission{}
	if b.newest == nil {
		b.oldest = w
	} else {
		b.newest.newer = w
	}
	b.newest = w
	b.count++
	b.bytes += len(d.Data)
	if hasKey {
		b.index(w)
	}
}

// leaveOut removes w, which is counted in the omission that it stood in.
func (b *backlog) leaveOut(w *waiting, reason GapReason) {
	o := w.omitted
	o.add(omission{to: w.delivery.Position.Offset, count: 1, reason: reason})
	next := &b.omitted
	if w.newer != nil {
		next = &w.newer.omitted
	}
	o.add(*next)
	*next = o
	b.remove(w)
}

// remove unlinks w and gives it back.
func (b *backlog) remove(w *waiting) {
	if w.older == nil {
		b.oldest = w.newer
	} else {
		w.older.newer = w.newer
	}
	if w.newer == nil {
		b.newest = w.older
	} else {
		w.newer.older = w.older
	}
	if b.byKey != nil && b.byKey[w.key] == w {
		delete(b.byKey, w.key)
	}
	b.count--
	b.bytes -= len(w.delivery.Data)
	if b.count == 0 {
		b.byKey = nil
	}
	*w = waiting{}
	waitings.Put(w)
}

// clear removes everything, and returns how much that was.
func (b *backlog) clear() (count, bytes int) {
	count, bytes = b.count, b.bytes
	for b.oldest != nil {
		b.remove(b.oldest)
	}
	b.omitted, b.to, b.isConflating = omission{}, Position{}, false
	return count, bytes
}

// collect takes a publication into the backlog of sub; s.mu is held.
func (s *Session) collect(sub *subscription, d *Delivery) {
	b, p := sub.rare.Load().backlog, d.Position
	reached := b.to
	if reached.IsZero() && b.isPlaced {
		reached = sub.last
	}
	switch {
	case p.Epoch == reached.Epoch && p.Offset <= reached.Offset:
		return // came again, or was read from history already
	case sub.catching && b.to.IsZero():
		// History leads up to it.
	case p.Epoch != reached.Epoch || d.Previous > reached.Offset:
		// Publications between the two were lost on their way, or the history was. All
		// is read from history up to this one, or announced as a gap.
		s.goBack(sub)
	}
	if b.to.IsZero() {
		b.first, b.previous = p.Offset, d.Previous
	}
	b.to = p
	if sub.excludes(d.Publication) {
		s.settleBacklog(sub)
		return
	}
	key, hasKey := "", false
	if b.terms.rate == 0 && b.terms.slow == Conflate && !b.isConflating && b.isLate(d) {
		s.conflate(sub)
	}
	if b.oldest != nil && (b.terms.rate > 0 || b.isConflating) {
		key, hasKey = b.keyOf(d), true
		if old := b.find(key); old != nil {
			s.leaveOut(sub, old, b.replaceReason())
		}
	}
	b.push(d, key, hasKey)
	s.account(sub, 1, len(d.Data))
	if s.bound(); s.ended != endNot {
		return
	}
	if !sub.catching {
		s.release(sub)
	}
}

// replaceReason is why a publication that waits gives way to a newer one.
func (b *backlog) replaceReason() GapReason {
	if b.terms.slow == Conflate && (b.terms.rate == 0 || b.isQueued) {
		return GapConflated // it is the client that it waits for
	}
	return GapRate
}

// goBack discards the backlog: its publications are read from history; s.mu is held.
func (s *Session) goBack(sub *subscription) {
	s.discard(sub)
	if !sub.catching {
		s.catchUp(sub, Position{})
	}
}

// discard empties the backlog, whose publications are then read from history; s.mu is
// held.
func (s *Session) discard(sub *subscription) {
	s.hub.counters.queueDrops.Add(uint64(s.empty(sub)))
}

// empty empties the backlog of sub, if it has one, and returns how much was in it; s.mu is
// held.
func (s *Session) empty(sub *subscription) (count int) {
	b := sub.backlog()
	if b == nil {
		return 0
	}
	count, bytes := b.clear()
	if count > 0 {
		s.account(sub, -count, -bytes)
	}
	s.undelay(sub)
	return count
}

// settleBacklog notes that nothing is left to hand out, if that is so; s.mu is held.
func (s *Session) settleBacklog(sub *subscription) {
	if b := sub.rare.Load().backlog; !sub.catching && !b.hasNews() && !b.to.IsZero() {
		sub.last, sub.taken = b.to, b.to.Offset
		b.to, b.isConflating = Position{}, false
	}
}

// release gives the backlog its place in the session's queue, now or when its rate
// allows; s.mu is held.
func (s *Session) release(sub *subscription) {
	b := sub.rare.Load().backlog
	switch {
	case b.isQueued || b.pace.isDelayed() || !b.hasNews():
		return
	case b.terms.rate > 0 && !b.pace.isDue():
		s.delay(sub)
		return
	}
	s.ensureQueue()
	s.queue = append(s.queue, queued{sub: sub})
	sub.queued++
	b.isQueued = true
}

// leaveOut removes w from the backlog of sub; s.mu is held.
func (s *Session) leaveOut(sub *subscription, w *waiting, reason GapReason) {
	bytes := len(w.delivery.Data)
	sub.rare.Load().backlog.leaveOut(w, reason)
	s.account(sub, -1, -bytes)
}

// bound drops publications until the backlogs of the session are within the bounds of a
// queue: they have as much again as all other subscriptions together, so that neither
// takes the other's room. s.mu is held.
func (s *Session) bound() {
	all, o := s.commands.backlogs, &s.hub.options
	for all.count > 1 && (all.count > o.QueueCountMax || all.bytes > o.QueueBytesMax) {
		heavy := all.heavy(all.bytes > o.QueueBytesMax)
		b := heavy.rare.Load().backlog
		if b.terms.slow == Conflate && b.terms.rate == 0 && !b.isConflating {
			s.conflate(heavy)
			continue
		}
		reason := GapDropped
		switch {
		case b.terms.slow == Disconnect:
			s.endAsSlow()
			return
		case b.terms.slow == ReadHistory:
			reason = GapRate // without one it would not be here
		}
		s.leaveOut(heavy, b.oldest, reason)
	}
}

// unqueue takes what sub has out of the session's queue; s.mu is held.
func (s *Session) unqueue(sub *subscription) {
	if sub.queued == 0 {
		return
	}
	kept := s.queue[:0]
	for _, q := range s.queue {
		if q.sub != sub || q.other != nil {
			kept = append(kept, q)
		} else if q.delivery != nil {
			s.queueBytes -= len(q.delivery.Data)
			s.queueCount--
		}
	}
	clear(s.queue[len(kept):])
	s.queue = kept
	sub.queued = 0
	if b := sub.backlog(); b != nil {
		b.isQueued = false
	}
}
