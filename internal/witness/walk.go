package witness

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// walk goes through a record from where it begins.
type walk struct {
	verdict   *Verdict
	record    *Record
	chronicle chronicle

	at     hub.Position    // where the client is; zero: not known
	floor  hub.Position    // the newest that it had been given where at is not known
	seen   map[uint64]bool // publications that were given
	left   map[string]bool // epochs that a gap has led out of
	faults int
}

func (w *walk) fault(kind Kind, format string, args ...any) {
	if w.faults++; w.faults <= FaultsMax {
		w.verdict.fault(kind, w.record.channel, w.record, format, args...)
	}
}

// run ends at a position that the client has to have come to, unless that is the zero
// Position.
func (w *walk) run(end hub.Position) {
	r := w.record
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		at := r.position(e.epoch, e.at)
		switch e.kind {
		case began:
			if w.at.IsZero() {
				w.at = at
			} else { // it begins anew, which must not pass anything over
				w.pass(at, "a subscription begins")
			}
		case given:
			w.given(at, e.id)
		case moved:
			w.pass(at, "it is told to go on")
		case gapped:
			w.gap(r.position(e.from, e.id), at, time.Unix(0, e.begun))
		}
	}
	if end.IsZero() {
		return
	}
	switch {
	case w.at.Epoch != end.Epoch:
		w.fault(Unheard, "the client is at %v, the newest publication at %v", w.at, end)
	case w.at.Offset < end.Offset:
		missed := w.chronicle.between(end.Epoch, w.at.Offset, end.Offset+1)
		w.fault(Unheard, "the client is at %v, and %d publications came behind that, the last at %v", w.at, len(missed), end)
	}
}

// given takes a publication.
func (w *walk) given(at hub.Position, id uint64) {
	w.verdict.Given++
	if w.at.IsZero() {
		if at.Epoch == w.floor.Epoch && at.Offset <= w.floor.Offset {
			w.verdict.Back++
		}
		w.at, w.seen[id] = at, true
		return
	}
	switch {
	case at.Epoch != w.at.Epoch:
		w.fault(Epoch, "%s at %v came behind %v", ID(id), at, w.at)
	case at.Offset == w.at.Offset, at.Offset < w.at.Offset && w.seen[id]:
		w.fault(Repeated, "%s at %v came again, behind %v", ID(id), at, w.at)
	case at.Offset < w.at.Offset:
		w.fault(Reordered, "%s at %v came behind %v", ID(id), at, w.at)
	default:
		w.expectNothing(at.Epoch, w.at.Offset, at.Offset, "the next that came")
	}
	w.at, w.seen[id] = at, true
}

// pass goes on at a position, up to which there must be nothing.
func (w *walk) pass(at hub.Position, why string) {
	switch {
	case w.at.IsZero():
	case at.Epoch != w.at.Epoch:
		w.fault(Epoch, "%s at %v, behind %v", why, at, w.at)
	case at.Offset < w.at.Offset:
		w.fault(Reordered, "%s at %v, behind %v", why, at, w.at)
	default:
		w.expectNothing(at.Epoch, w.at.Offset, at.Offset+1, why)
	}
	w.at = at
}

// expectNothing is a fault if something was published behind one offset and before another
// one.
func (w *walk) expectNothing(epoch string, after, before uint64, why string) {
	missed := w.chronicle.between(epoch, after, before)
	if len(missed) == 0 {
		return
	}
	w.fault(Lost, "%d behind %s:%d, the first %s at %s:%d (%s: %s:%d)",
		len(missed), epoch, after, ID(missed[0].id), epoch, missed[0].offset, why, epoch, before)
}

// gap takes a gap.
func (w *walk) gap(from, to hub.Position, when time.Time) {
	if from.IsZero() {
		from = w.at
	} else if !w.at.IsZero() && from != w.at {
		switch { // what lies between where the client is and the gap would have had to come
		case from.Epoch != w.at.Epoch:
			w.fault(BadGap, "it begins at %v, and the client is at %v", from, w.at)
		case from.Offset < w.at.Offset:
			w.fault(BadGap, "it begins at %v, behind which the client is: %v", from, w.at)
		default:
			w.expectNothing(from.Epoch, w.at.Offset, from.Offset+1, "a gap begins")
		}
	}
	g := AnnouncedGap{Client: w.record.client, Channel: w.record.channel, From: from, To: to, At: when, NewEpoch: from.Epoch != to.Epoch || from.IsZero()}
	switch {
	case to.IsZero() || from.IsZero():
	case from.Epoch == to.Epoch:
		if to.Offset < from.Offset {
			w.verdict.Back++
		}
		g.Missed = len(w.chronicle.between(from.Epoch, from.Offset, to.Offset+1))
	default:
		g.Missed = len(w.chronicle.after(from.Epoch, from.Offset)) + len(w.chronicle.between(to.Epoch, 0, to.Offset+1))
		w.left[from.Epoch] = true
		if w.left[to.Epoch] {
			w.verdict.Returns++
		}
	}
	w.verdict.Gaps = append(w.verdict.Gaps, g)
	if to.IsZero() && !w.at.IsZero() {
		w.floor = w.at
	}
	w.at = to
}
