package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// reading is a page of history on its way. A session reads one at a time: pages
// come as fast as the edge takes them.
type reading struct {
	sub   *subscription
	since Position // where sub was
	seen  Position // the newest delivery before the page was asked for
	goal  Position // where the backlog of sub began then, zero if it did not

	newest  int  // not 0: only where the newest so many begin is asked for, see placeNewest
	isPaced bool // it waits for its turn, see pages
	hasTurn bool // it may be asked for now

	cancel  context.CancelFunc // of the call; nil until it is made
	doubted bool               // deliveries were lost after the page was asked for

	arrived bool // the fields below are set
	page    Page
	err     error

	// Deliveries that came while the page was read, from the first on. When the page
	// reaches them, sub is live. Without them, sub would never catch up with a
	// channel that is never silent for the time of a read.
	held      []*Delivery
	heldBytes int
	notHeld   bool // there were more than may be held
}

// heldMax bounds the length of reading.held, and QueueBytesMax its payload.
const heldMax = 64

// hold keeps a publication that is delivered while the page is read.
func (r *reading) hold(d *Delivery, bytesMax int) {
	n := len(r.held)
	if r.notHeld || n > 0 && !d.Position.isNews(r.held[n-1].Position) {
		return
	}
	r.heldBytes += len(d.Data)
	follows := n == 0 || d.Position.Epoch == r.held[n-1].Position.Epoch && d.Previous <= r.held[n-1].Position.Offset
	if !follows || n == heldMax || n > 0 && r.heldBytes > bytesMax {
		r.held, r.notHeld = nil, true
		return
	}
	r.held = append(r.held, d)
}

// abandon ends the call for a page that is no longer needed.
func (r *reading) abandon() {
	if r.cancel != nil {
		r.cancel()
	}
}

// canReach reports whether the held deliveries lead from position to newest.
func (r *reading) canReach(position, newest Position) bool {
	n := len(r.held)
	return n > 0 && r.held[0].Position.Epoch == position.Epoch && r.held[0].Previous <= position.Offset &&
		!newest.isNews(r.held[n-1].Position)
}

// nextRead returns the page that is being read, and whether it has to be asked
// for; nil when no subscription is behind. s.mu is held.
func (s *Session) nextRead() (r *reading, ask bool) {
	if s.read != nil && s.read.hasTurn {
		s.read.hasTurn = false
		return s.read, true
	}
	if s.read != nil || len(s.behind) == 0 {
		return s.read, false
	}
	// Each in its turn, so that a long replay does not hold up a short one.
	sub := s.behind[0]
	s.behind = slices.Delete(s.behind, 0, 1)
	s.read = &reading{sub: sub, since: sub.last, seen: sub.seen, isPaced: sub.traits&resumes != 0}
	if b := sub.backlog(); b != nil {
		s.read.goal = b.begin()
	}
	if sub.traits&isStarting != 0 {
		s.read.newest = s.patterned().starts[sub].newest
	}
	return s.read, true
}

// askPage has the page read: at once if the Broker never waits, or else in its turn.
func (s *Session) askPage(r *reading) {
	if s.hub.immediate() {
		s.readPage(context.Background(), r, true)
		return
	}
	s.hub.calls.add(r.sub.channel.name, func(ctx context.Context) { s.readPage(ctx, r, false) })
}

// readPage asks the Broker for the page, inPlace if it is Take that waits for it.
// Whether the Broker waits may have changed since that was decided.
func (s *Session) readPage(ctx context.Context, r *reading, inPlace bool) {
	if !inPlace {
		limited, cancel := context.WithCancel(ctx)
		defer cancel()
		s.lock()
		r.cancel = cancel
		wanted := s.read == r
		s.mu.Unlock()
		if !wanted {
			return // it was abandoned before its turn came
		}
		ctx = limited
	}
	query := Query{Since: r.since, Limit: replayCountMax}
	if r.newest > 0 {
		query = Query{Last: r.newest, Limit: 1}
	}
	page, err := s.hub.askHistory(ctx, r.sub.channel.name, query)
	s.lock()
	r.page, r.err, r.arrived = page, err, true
	wake := !inPlace && s.claimWake() // or else Take looks now
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// takePage appends the pushes of a page, and decides whether its subscription
// is live now; s.mu is held.
func (s *Session) takePage(r *reading, dst []Push, t *portion) []Push {
	sub := r.sub
	if r.err != nil {
		s.retryLater(sub)
		s.noteTrouble(sub, fmt.Errorf("hub: replay of channel %s: %w", quoted(sub.channel.name), r.err))
		return dst
	}
	if sub.rare.Load() != nil {
		sub.rare.Load().retry = nil
	}
	if r.newest > 0 {
		s.placeNewest(r)
		return dst
	}
	part, held := s.join(r)
	if sub.traits&isStarting != 0 {
		part.publications, part.gap = s.beginAfter(sub, &r.page, part.publications, part.gap, !part.behind)
	}
	from := r.since
	if part.gap != nil {
		dst = s.pushGap(sub, part.gap, dst)
		from = part.gap.To
	}
	deliveries := make([]Delivery, len(part.publications))
	for i, p := range part.publications {
		deliveries[i].Publication = p
		dst = s.takeOne(sub, &deliveries[i], from, dst, t)
		from = p.Position
	}
	for _, d := range held {
		if d.Position.isNews(part.position) {
			dst = s.takeOne(sub, d, part.position, dst, t)
			part.position = d.Position
		}
	}
	sub.last, sub.taken = part.position, part.position.Offset
	if part.behind {
		s.behind = append(s.behind, sub)
	} else {
		s.endTrouble(sub)
		sub.catching, sub.seen = false, Position{}
		sub.traits &^= resumes
	}
	if b := sub.backlog(); b != nil {
		b.isPlaced = true
		if !part.behind {
			s.settleBacklog(sub)
			s.release(sub)
		}
	}
	return dst
}

// part is the part of a page that is taken.
type part struct {
	gap          *Gap // before the publications
	publications []*Publication
	position     Position // where the subscription is then
	behind       bool     // more has to be read
}

// join decides how far a page goes, and which of the deliveries that came meanwhile
// follow it; s.mu is held.
func (s *Session) join(r *reading) (part, []*Delivery) {
	sub := r.sub
	if b := sub.backlog(); b != nil && !b.to.IsZero() {
		if p, ok := s.joinBacklog(r, b); ok {
			return p, nil
		}
		s.discard(sub)
	}
	canRead := !s.hub.options.NoHistory
	p := part{gap: r.page.Gap}
	var cut bool
	p.publications, p.position, cut = s.fit(r.page)
	p.behind = cut || r.doubted // the rest is asked for from here
	if !p.behind && r.seen.isAfter(p.position) {
		// It was delivered before the page was asked for, so it can be read unless
		// it was not kept. Reading again would find nothing again.
		if len(p.publications) > 0 || p.gap != nil && canRead {
			p.behind = true
		} else {
			p.position = r.seen
			p.gap = &Gap{From: r.since, To: p.position}
		}
	}
	// Now at most the deliveries are missing that came since the page was asked for.
	// A delivery of another epoch that came before that is older than the page.
	if newest := sub.seen; !p.behind && newest.isNews(p.position) && newest != r.seen {
		switch {
		case r.canReach(p.position, newest):
			return p, r.held
		case newest.isAfter(p.position) && !canRead && len(p.publications) == 0:
			// There is nothing to read: later deliveries are not kept either.
			p.position = newest
			p.gap = &Gap{From: r.since, To: p.position}
		default:
			p.behind = true
		}
	}
	return p, nil
}

// takeOne appends a publication of a page, which comes after from, unless it is the
// session's own.
func (s *Session) takeOne(sub *subscription, d *Delivery, from Position, dst []Push, t *portion) []Push {
	if sub.excludes(d.Publication) {
		return dst
	}
	if t.expired.has(d.Publication) {
		return s.passExpired(sub, d.Publication, from, dst)
	}
	t.count++
	t.bytes += len(d.Data)
	return append(dst, Push{Channel: sub.channel.name, Delivery: d})
}

// fit ends a page where its payload would pass takeBytesMax or the bound of the
// queue, for handing it out makes the edge hold it. The page has at least one
// publication.
func (s *Session) fit(page Page) (publications []*Publication, position Position, cut bool) {
	publications = page.Publications
	bytes := 0
	for i, p := range publications {
		bytes += len(p.Data)
		if i > 0 && bytes > min(takeBytesMax, s.hub.options.QueueBytesMax) {
			return publications[:i], publications[i-1].Position, true
		}
	}
	return publications, page.Position, len(publications) >= replayCountMax
}

func (s *Session) countDeliveries(t *portion) {
	if t.count > 0 {
		s.hub.counters.deliveries.Add(uint64(t.count))
		s.hub.counters.deliveryBytes.Add(uint64(t.bytes))
	}
}

// retry is a subscription's wait for the Broker to recover.
type retry struct {
	pause time.Duration
	timer *time.Timer
}

// The pauses between tries double from retryMin to retryMax, each with half of
// it left to chance, so that a thousand sessions do not come back at once.
const (
	retryMin = 100 * time.Millisecond
	retryMax = 10 * time.Second
)

// retryLater has sub read its history again after a pause; s.mu is held.
func (s *Session) retryLater(sub *subscription) {
	rare := sub.needRare()
	if rare.retry == nil {
		rare.retry = &retry{pause: retryMin}
	} else {
		rare.retry.pause = min(2*rare.retry.pause, retryMax)
	}
	r := rare.retry
	pause := r.pause/2 + rand.N(r.pause/2)
	r.timer = time.AfterFunc(pause, func() {
		s.lock()
		wake := false
		// It may have been stopped this moment, by Suspend.
		if !sub.gone && s.ended == endNot && rare.retry == r {
			s.behind = append(s.behind, sub)
			wake = s.claimWake()
		}
		s.mu.Unlock()
		if wake {
			s.wake()
		}
	})
}

// stopRetry forgets that reading the history failed; session.mu is held.
func (sub *subscription) stopRetry() {
	if sub.rare.Load() != nil && sub.rare.Load().retry != nil {
		sub.rare.Load().retry.timer.Stop()
		sub.rare.Load().retry = nil
	}
}
