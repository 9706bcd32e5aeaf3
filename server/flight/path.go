package flight

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// path is the way of one subscription: where it began, its gaps, and how far it has come.
type path struct {
	since       time.Time
	excludesOwn bool

	began *Event // nil if it was forgotten
	gaps  []*Event
	ended *Event // nil if it goes on, or the end was forgotten

	// isKnown reports whether nothing of it was forgotten, and isOld whether it was asked
	// for before the oldest that is remembered.
	isKnown bool
	isOld   bool

	// live is how the subscription was before the events were read, nil if it had ended
	// or not begun by then.
	live *hub.SubscriptionState
}

// place is where a position is on a path.
type place uint8

const (
	placeUnknown place = iota // something is missing that could change the answer
	placeBefore               // before it began: it was not asked for
	placeGiven                // handed to the connection, unless it was left out on purpose
	placeGap                  // in a gap
	placePending              // after what was handed out so far
	placeAfter                // after the newest that was handed out before the end
)

// taken is the newest position that was handed out. It is zero if that is not known.
func (p *path) taken() hub.Position {
	switch {
	case p.ended != nil:
		return p.ended.Position
	case p.live != nil && !p.live.IsGapping:
		return p.live.Position
	}
	return hub.Position{}
}

// isChanging reports whether this was asked in the middle of a turn: a part of it can be
// seen, and the event is not there yet.
func (p *path) isChanging() bool {
	return p.taken().IsZero() || p.began == nil && !p.isOld
}

// find says where a position is, and in which gap. isRecent says that the position is
// newer than all that was forgotten.
func (p *path) find(at hub.Position, isRecent bool) (place, *Event) {
	taken := p.taken()
	if taken.IsZero() || !p.isKnown && !isRecent || p.began == nil && !p.isOld {
		return placeUnknown, nil
	}
	began := hub.Position{Epoch: at.Epoch, Offset: at.Offset - 1} // it was there before at
	if p.began != nil {
		began = p.began.Position
	}
	// The way goes from place to place: what lies between two of them was handed out, and
	// what lies in a gap was not.
	found, gap := placeUnknown, (*Event)(nil)
	from := began
	for _, e := range p.gaps {
		start := e.Gap.From
		if start.Epoch == from.Epoch && start.Offset < from.Offset {
			start = from // what was handed out before the gap was
		}
		switch {
		case isBetween(at, from, start):
			found, gap = placeGiven, nil
		case isIn(at, start, e.Gap.To) && found != placeGiven:
			found, gap = placeGap, e
		}
		from = e.Gap.To
	}
	switch {
	case isBetween(at, from, taken):
		return placeGiven, nil
	case found != placeUnknown:
		return found, gap
	case at.Epoch == taken.Epoch && at.Offset > taken.Offset:
		if p.ended != nil {
			return placeAfter, nil
		}
		return placePending, nil
	case at.Epoch == began.Epoch && at.Offset <= began.Offset:
		return placeBefore, nil
	}
	return placeUnknown, nil
}

// isBetween reports whether at is after from and not after to, all of one epoch.
func isBetween(at, from, to hub.Position) bool {
	return at.Epoch == from.Epoch && at.Epoch == to.Epoch && from.Offset < at.Offset && at.Offset <= to.Offset
}

// isIn reports whether at is in a gap. One over two epochs has the rest of the first one
// and the beginning of the second.
func isIn(at, from, to hub.Position) bool {
	if from.Epoch == to.Epoch {
		return isBetween(at, from, to)
	}
	return at.Epoch == from.Epoch && at.Offset > from.Offset || at.Epoch == to.Epoch && at.Offset <= to.Offset
}
