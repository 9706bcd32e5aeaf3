package membroker

import (
	"math"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// history is the newest publications of a channel, without holes.
//
// Each publication has its own end: with an offset and at a moment. As one that goes
// takes all older ones with it, both are lowered to those of the newer ones when these
// come, so both ascend from the oldest to the newest, and only the oldest is ever looked
// at.
type history struct {
	held    ring[held]
	dropped stamp // the newest that is not held any more
}

type held struct {
	publication *hub.Publication
	goneWith    uint64 // not held once the channel has this offset
	goneAfter   moment // not held once it is later than this
}

// moment is in nanoseconds since the broker was made, on the monotonic clock.
type moment int64

func (m moment) add(d time.Duration) moment {
	if d > time.Duration(math.MaxInt64-m) {
		return math.MaxInt64
	}
	return m + moment(d)
}

// stamp is when a publication was accepted, in nanoseconds since 1970 on the clock that its
// Time is of; 0 for none.
type stamp uint64

func timeOf(p *hub.Publication) stamp { return stamp(max(0, p.Time.UnixNano())) }

// time returns the zero time for 0.
func (s stamp) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(min(s, math.MaxInt64)))
}

// charge is the cost of a publication against Options.HistoryBytesMax.
func charge(p *hub.Publication) int64 {
	n := publicationBytes + int64(len(p.Data))
	if a := p.Attributes; a != nil {
		n += attributesBytes + int64(len(a.Event)+len(a.User)+len(a.Key)+len(a.Exclude)+len(a.Trace))
	}
	return n
}

// tally is the change of the totals.
type tally struct {
	publications int
	bytes        int64
}

// add holds p for its retention, and drops the publications that go with it.
func (h *history) add(p *hub.Publication, r hub.Retention, now moment) (t tally) {
	if r.Count <= 0 || r.Age <= 0 {
		t = h.drop(h.held.len())
		h.dropped = max(h.dropped, timeOf(p))
		return t
	}
	goneWith := p.Position.Offset + uint64(r.Count)
	if goneWith < p.Position.Offset {
		goneWith = math.MaxUint64
	}
	e := held{p, goneWith, now.add(r.Age)}
	h.lower(e)
	h.held.push(e)
	t = tally{1, charge(p)}
	gone := 0
	for h.held.at(gone).goneWith <= p.Position.Offset {
		gone++
	}
	return t.plus(h.drop(gone))
}

// lower makes the held publications go no later than e, which is newer.
func (h *history) lower(e held) {
	for i := h.held.len() - 1; i >= 0; i-- {
		older := h.held.at(i)
		if older.goneWith <= e.goneWith && older.goneAfter <= e.goneAfter {
			break
		}
		older.goneWith = min(older.goneWith, e.goneWith)
		older.goneAfter = min(older.goneAfter, e.goneAfter)
	}
}

// expire drops the publications that are too old.
func (h *history) expire(now moment) tally {
	gone := 0
	for gone < h.held.len() && h.held.at(gone).goneAfter < now {
		gone++
	}
	return h.drop(gone)
}

// drop drops the n oldest.
func (h *history) drop(n int) (t tally) {
	for range n {
		p := h.held.pop().publication
		t.publications--
		t.bytes -= charge(p)
		h.dropped = max(h.dropped, timeOf(p))
	}
	return t
}

func (t tally) plus(u tally) tally {
	return tally{t.publications + u.publications, t.bytes + u.bytes}
}

// due is when the oldest expires.
func (h *history) due() moment { return h.held.at(0).goneAfter }

// read answers q, given the channel's newest position.
func (h *history) read(q hub.Query, top hub.Position) hub.Page {
	n := h.held.len()
	oldest := top.Offset + 1 // the offset of the first held, or the next to come
	if n > 0 {
		oldest = h.held.at(0).publication.Position.Offset
	}
	first := 0 // what the page begins with
	page := hub.Page{Position: top}
	if q.Since.IsZero() && q.Last <= 0 {
		page.WholeAfter = h.dropped.time()
	}
	switch since := q.Since; {
	case since.IsZero():
		if q.Last > 0 {
			first = max(0, n-q.Last)
		}
	case since.Epoch != top.Epoch || since.Offset > top.Offset || since.Offset+1 < oldest:
		page.Gap = &hub.Gap{From: since, To: hub.Position{Epoch: top.Epoch, Offset: oldest - 1}}
	default:
		first = int(since.Offset + 1 - oldest)
	}
	count := n - first
	if q.Limit > 0 && count > q.Limit {
		count = q.Limit
	}
	page.Begin = top
	if count == 0 {
		return page
	}
	page.Begin.Offset = h.held.at(first).publication.Previous
	page.Publications = make([]*hub.Publication, count)
	for i := range count {
		page.Publications[i] = h.held.at(first + i).publication
	}
	page.Position = page.Publications[count-1].Position
	return page
}
