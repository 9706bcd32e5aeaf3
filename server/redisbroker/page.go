package redisbroker

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/godwit-io/godwit/hub"
)

// read is what scriptHistory answers.
type read struct {
	ms        int64 // the time
	top       uint64
	hasStream bool
	entries   []entry   // oldest first
	dropped   time.Time // of the entry before those, which was read and is not held; zero if none was
}

// entry is one of a stream.
type entry struct {
	publication *hub.Publication
	kept        kept
}

// parseRead takes the answer apart.
func parseRead(answer []rueidis.RedisMessage, channel, epoch string) (r read, err error) {
	if len(answer) < 2 {
		return r, errAnswer
	}
	if r.ms, err = answer[0].AsInt64(); err != nil {
		return r, errAnswer
	}
	if r.top, r.hasStream, err = parseTop(answer[1], r.ms); err != nil || len(answer) < 3 {
		return r, err
	}
	rows, err := answer[2].ToArray()
	if err != nil {
		return r, errAnswer
	}
	r.entries = make([]entry, 0, len(rows))
	for _, row := range rows {
		e, err := parseEntry(row, channel, epoch)
		if err != nil {
			return r, err
		}
		r.entries = append(r.entries, e)
	}
	return r, nil
}

// parseEntry is an entry of a stream: its ID and its fields.
func parseEntry(row rueidis.RedisMessage, channel, epoch string) (e entry, err error) {
	parts, err := row.ToArray()
	if err != nil || len(parts) != 2 {
		return e, errAnswer
	}
	id, err := parts[0].ToString()
	if err != nil {
		return e, errAnswer
	}
	fields, err := parts[1].AsStrSlice()
	if err != nil || len(fields) < 4 {
		return e, errRecord
	}
	return newEntry(channel, epoch, id, fields)
}

// newEntry is an entry by its parts.
func newEntry(channel, epoch, id string, fields []string) (e entry, err error) {
	if e.kept, err = parseKept(fields[0]); err != nil {
		return e, err
	}
	digits, ok := strings.CutPrefix(id, "0-")
	if !ok {
		return e, errRecord
	}
	t := told{epoch: epoch, isFirst: e.kept.isFirst, record: []byte(fields[1])}
	if t.offset, err = strconv.ParseUint(digits, 10, 64); err != nil || t.offset == 0 {
		return e, errRecord
	}
	if t.ms, err = strconv.ParseInt(fields[3], 10, 64); err != nil {
		return e, errRecord
	}
	e.publication, err = t.publication(channel)
	return e, err
}

func (r *read) reverse() { slices.Reverse(r.entries) }

// page is the page of what was read that is held, in an epoch before which nothing is known. It
// reports true if nothing is held, and there is more behind it.
//
// Entries newer than the page are not looked at: an entry in it with a shorter life than
// those of the page ends them, but so that a reader of the next page sees it.
func (r *read) page(q hub.Query, at *epoch) (page hub.Page, goOn bool) {
	wasCut := q.Limit > 0 && q.Last <= 0 && len(r.entries) >= q.Limit ||
		q.Limit > 0 && !q.Since.IsZero() && len(r.entries) >= q.Limit
	held := r.entries
	for i := len(held) - 1; i >= 0; i-- {
		if !r.isHeld(&held[i]) {
			held = held[i+1:]
			break
		}
	}
	if len(held) == 0 && wasCut && r.entries[len(r.entries)-1].publication.Position.Offset < r.top {
		return hub.Page{}, true
	}
	page.Position = hub.Position{Epoch: at.name, Offset: r.top}
	if q.Since.IsZero() && q.Last <= 0 {
		page.WholeAfter = r.wholeAfter(len(r.entries)-len(held), at)
	}
	if q.Limit > 0 && len(held) > q.Limit {
		held, wasCut = held[:q.Limit], true
	}
	page.Publications = make([]*hub.Publication, len(held))
	for i := range held {
		page.Publications[i] = held[i].publication
	}
	page.Begin = page.Position
	if len(held) > 0 {
		first, last := held[0].publication.Position, held[len(held)-1].publication.Position
		page.Begin = hub.Position{Epoch: at.name, Offset: first.Offset - 1}
		if wasCut {
			page.Position = last
		}
	}
	if !q.Since.IsZero() && r.hasMissed(q.Since, page.Begin, held) {
		page.Gap = &hub.Gap{From: q.Since, To: page.Begin}
	}
	return page, false
}

// wholeAfter says of which publications none is missing before the held ones: those that were accepted later.
// dropped is how many entries are not held that were read before it. The zero time is returned where nobody knows.
//
// A stream begins where it does because nothing of the channel was there: what another stream of it had has expired,
// and that was older than the life of a stream.
func (r *read) wholeAfter(dropped int, at *epoch) (t time.Time) {
	switch {
	case dropped > 0:
		t = r.entries[dropped-1].publication.Time
	case !r.dropped.IsZero():
		t = r.dropped
	case len(r.entries) > 0 && r.entries[0].kept.isFirst:
		t = r.entries[0].publication.Time.Add(renewAfter - streamLife)
	default:
		return time.Time{}
	}
	for _, begun := range []time.Time{at.began, at.adopted} {
		if t.Before(begun) {
			t = begun
		}
	}
	return t
}

// isBehind reports whether the server has not come as far as somebody has been.
func (r *read) isBehind(offset uint64) bool {
	return offset > r.top || !r.hasStream && !isPlace(offset)
}

// isHeld reports whether an entry is kept, by its own retention.
func (r *read) isHeld(e *entry) bool {
	p := e.publication
	age := r.ms - p.Time.UnixMilli()
	return r.top-p.Position.Offset < e.kept.count && age <= e.kept.ageMS
}

// hasMissed reports whether something between since and begin is not held.
func (r *read) hasMissed(since, begin hub.Position, held []entry) bool {
	if since.Epoch != begin.Epoch || since.Offset > r.top && r.hasStream {
		return true
	}
	if !r.hasStream {
		// It may have expired since then, with something in it.
		return !isPlace(since.Offset) || since.Offset > r.top || r.top-since.Offset > placeLife
	}
	if since.Offset >= begin.Offset {
		return false
	}
	// A client that asked when there was no stream has missed nothing before its first entry.
	isFirst := len(held) > 0 && held[0].kept.isFirst
	return !isFirst || !isPlace(since.Offset) || begin.Offset-since.Offset > placeLife
}
