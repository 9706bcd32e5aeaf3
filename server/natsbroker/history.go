package natsbroker

import (
	"context"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// History implements hub.Broker.
//
// The stream may hold more of a channel than its retention says, and never less, unless
// it has no room for more: the excess is left out here.
func (b *Broker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	for {
		now, err := b.serve(ctx)
		if err != nil {
			return hub.Page{}, err
		}
		dialed := b.dialed.Load()
		page, err := b.history(ctx, now, channel, q)
		if err != nil || b.holds(now, dialed) {
			return page, b.failed(err)
		}
	}
}

func (b *Broker) history(ctx context.Context, now *era, channel string, q hub.Query) (hub.Page, error) {
	// Read before the newest: a publication of the channel that is not found is behind it.
	floor := max(now.base, now.floor.Load())
	subject := b.names.subject(channel)
	top, err := b.newest(ctx, subject)
	if err != nil {
		return hub.Page{}, err
	}
	if isAhead := q.Since.Epoch == now.epoch && (top == nil && q.Since.Offset > now.known.Load() || top != nil && q.Since.Offset > top.offset()); isAhead {
		// The server that has answered may be behind, for example a leader that is none any more.
		if top, err = b.provenNewest(ctx, subject, q.Since.Offset); err != nil {
			return hub.Page{}, err
		}
	}
	if top == nil || top.seq <= now.base {
		return b.emptyPage(ctx, now, floor, q.Since)
	}
	end := top.offset()
	isForeign := !q.Since.IsZero() && (q.Since.Epoch != now.epoch || q.Since.Offset > end)
	page := hub.Page{Position: now.position(end)}
	page.Begin = page.Position
	switch {
	case !q.Since.IsZero() && !isForeign && q.Since.Offset == end:
		return page, nil
	case !b.isKept(top, 0):
		if !q.Since.IsZero() {
			page.Gap = &hub.Gap{From: q.Since, To: page.Begin}
		}
		return page, nil
	}
	since := uint64(0)
	if !isForeign {
		since = max(q.Since.Offset, now.base)
	}
	from, last := max(since, now.base+1), 0
	if q.Since.IsZero() && q.Last > 0 {
		last = q.Last
		if from, err = b.findLast(ctx, subject, now.base+1, top, last+1); err != nil {
			return hub.Page{}, err
		}
	}
	run, err := b.readRun(ctx, subject, from, top, q.Limit, last, since)
	if err != nil {
		return hub.Page{}, err
	}
	isMissing := isForeign
	if !q.Since.IsZero() && !isForeign {
		if isMissing, err = b.isMissing(ctx, run, since); err != nil {
			return hub.Page{}, err
		}
	}
	page = run.page(b, now, channel, q, isMissing)
	if q.Since.IsZero() && q.Last == 0 && len(run.list) > 0 {
		err = b.sayWhole(ctx, now, run, &page)
	}
	return page, err
}

// sayWhole says of a page from the oldest what is known of what was before it.
func (b *Broker) sayWhole(ctx context.Context, now *era, r *run, page *hub.Page) error {
	if r.kept > 0 {
		page.WholeAfter = r.list[r.kept-1].time
		return nil
	}
	s, err := b.state(ctx)
	switch {
	case err != nil || s.isFull(r):
	case s.first <= now.base+1: // it never had anything else
		page.Begin = now.position(0)
	default: // it drops the oldest first
		page.WholeAfter = s.firstTime
	}
	return err
}

// offset is that of the newest publication when s is the newest message.
func (s *stored) offset() uint64 {
	if s.meta.isMark {
		return s.meta.top
	}
	return s.seq
}

// isKept reports whether a message is still to be held when so many newer ones are there.
func (b *Broker) isKept(s *stored, newer uint64) bool {
	return !s.meta.isMark && uint64(s.meta.count) > newer && b.now().Sub(s.time) <= s.meta.age
}

// emptyPage is the page of a channel of which the stream holds nothing. Its position is
// that of the stream: nothing of the channel is before it, and everything behind it.
func (b *Broker) emptyPage(ctx context.Context, now *era, floor uint64, since hub.Position) (hub.Page, error) {
	page := hub.Page{Position: now.position(floor)}
	isGap := false
	if !since.IsZero() {
		if isGap = since.Epoch != now.epoch; !isGap {
			s, err := b.state(ctx)
			if err != nil {
				return hub.Page{}, err
			}
			// What there was is no longer held, or never was. A place that the stream has
			// not reached is none.
			isGap = since.Offset > max(s.last, now.known.Load()) || since.Offset+1 < s.first || since.Offset < now.base
			if !isGap {
				page.Position = now.position(max(since.Offset, page.Position.Offset))
			}
		}
	}
	page.Begin = page.Position
	if isGap {
		page.Gap = &hub.Gap{From: since, To: page.Begin}
	}
	return page, nil
}

func (b *Broker) state(ctx context.Context) (s streamState, err error) {
	err = b.persist(ctx, func() error {
		s, err = b.streamState(ctx)
		return err
	})
	return s, err
}

// run is a part of a channel as the stream has it.
type run struct {
	list    []stored // oldest first; the first ones may be too old to be kept
	kept    int      // where those begin that are kept
	since   uint64   // those up to it were not asked for
	pending uint64   // how many are behind it
}

// readRun reads from the stream until top, or until there are limit that are kept and
// behind since.
func (b *Broker) readRun(ctx context.Context, subject string, from uint64, top *stored, limit, last int, since uint64) (*run, error) {
	r := &run{since: since}
	batch := batchMax
	if limit > 0 {
		batch = min(batch, limit+2)
	}
	if last > 0 {
		batch = min(batch, last+1)
		limit = 0 // of the last ones the first are wanted: the page is cut later
	}
	stale := 0
	for {
		list, left, err := b.get(ctx, getRequest{Seq: from, NextFor: subject, Batch: batch, MaxBytes: batchBytesMax})
		if err != nil {
			return nil, err
		}
		r.list = append(r.list, list...)
		r.pending = left
		r.settle(b)
		reached := uint64(0)
		if n := len(r.list); n > 0 {
			reached = r.list[n-1].seq
			from = reached + 1
		}
		if limit > 0 && r.behindSince() >= limit || reached >= top.seq {
			return r, nil
		}
		if left > 0 {
			batch = batchMax
			continue
		}
		// This server has not come as far as the leader.
		if stale++; stale > 5 {
			return r, b.readFromLeader(ctx, r, subject, from, top, limit)
		}
		if err := b.pause(ctx, time.Duration(stale)*5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// readFromLeader reads the rest, one by one.
func (b *Broker) readFromLeader(ctx context.Context, r *run, subject string, from uint64, top *stored, limit int) error {
	for {
		var s *stored
		err := b.persist(ctx, func() (err error) {
			s, err = b.getFromLeader(ctx, b.names.stream, getRequest{Seq: from, NextFor: subject})
			return err
		})
		if err != nil || s == nil {
			return err
		}
		r.list, r.pending = append(r.list, *s), 0
		if s.seq < top.seq {
			r.pending = 1 // at least
		}
		r.settle(b)
		if s.seq >= top.seq || limit > 0 && r.behindSince() >= limit {
			return nil
		}
		from = s.seq + 1
	}
}

// settle finds where those begin that are kept: one that is not takes all older ones
// with it.
func (r *run) settle(b *Broker) {
	for i := len(r.list) - 1; i >= r.kept; i-- {
		if !b.isKept(&r.list[i], r.pending+uint64(len(r.list)-1-i)) {
			r.kept = i + 1
			return
		}
	}
}

// first is where those begin that were asked for and are kept.
func (r *run) first() int {
	i := r.kept
	for i < len(r.list) && r.list[i].seq <= r.since {
		i++
	}
	return i
}

func (r *run) behindSince() int { return len(r.list) - r.first() }

// isMissing reports whether something between since and the first of a page is not
// held any more.
func (b *Broker) isMissing(ctx context.Context, r *run, since uint64) (bool, error) {
	if r.kept > 0 { // the one before the first that is kept is known
		return r.list[r.kept-1].offset() > since, nil
	}
	if len(r.list) > 0 && r.list[0].seq <= since {
		return false, nil
	}
	// What since names has gone itself, or is none of the channel.
	s, err := b.state(ctx)
	if err != nil {
		return false, err
	}
	return since+1 < s.first || s.isFull(r), nil
}

// isFull reports whether the stream may have dropped something of a channel because it
// holds so much of it.
func (s *streamState) isFull(r *run) bool {
	return s.countMax > 0 && uint64(len(r.list))+r.pending >= uint64(s.countMax)
}

// page makes of a run what was asked for.
func (r *run) page(b *Broker, now *era, channel string, q hub.Query, isMissing bool) hub.Page {
	first, end := r.first(), len(r.list)
	if q.Since.IsZero() && q.Last > 0 {
		first = max(first, end-q.Last)
	}
	if q.Limit > 0 {
		end = min(end, first+q.Limit)
	}
	page := hub.Page{}
	if len(r.list) > 0 {
		page.Position = now.position(r.list[len(r.list)-1].offset())
	}
	page.Begin = page.Position
	if end > first {
		page.Position = now.position(r.list[end-1].seq)
		begin := r.list[first].seq - 1
		previous := uint64(0)
		if first > 0 {
			previous = max(r.list[first-1].offset(), now.base)
			begin = previous
			if previous == now.base {
				previous = 0
			}
		}
		if !q.Since.IsZero() && !isMissing {
			begin = max(q.Since.Offset, previous)
		}
		page.Begin = now.position(begin)
		page.Publications = make([]*hub.Publication, 0, end-first)
		for i := first; i < end; i++ {
			p := b.publication(now, channel, &r.list[i], previous)
			page.Publications = append(page.Publications, p)
			previous = p.Position.Offset
		}
	}
	if isMissing {
		page.Gap = &hub.Gap{From: q.Since, To: page.Begin}
	}
	return page
}

// findLast returns a number from which on a subject has at least n messages, or base.
func (b *Broker) findLast(ctx context.Context, subject string, from uint64, top *stored, n int) (uint64, error) {
	list, left, err := b.get(ctx, getRequest{Seq: from, NextFor: subject, Batch: 1})
	if err != nil || len(list) == 0 {
		return from, err
	}
	total := left + 1
	if total <= uint64(2*n+16) {
		return from, nil
	}
	first := list[0].seq
	// They are taken to be spread evenly; where they are not, the distance grows.
	for distance := float64(top.seq-first) / float64(total) * float64(n) * 1.2; ; distance *= 3 {
		if distance+1 >= float64(top.seq-first) {
			return from, nil
		}
		at := top.seq - uint64(distance) - 1
		list, left, err := b.get(ctx, getRequest{Seq: at, NextFor: subject, Batch: 1})
		if err != nil {
			return from, err
		}
		if len(list) > 0 && left+1 >= uint64(n) {
			return list[0].seq, nil
		}
	}
}
