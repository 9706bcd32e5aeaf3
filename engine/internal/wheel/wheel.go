package wheel

import (
	"math/bits"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// Wheel holds elements by when they next want attention. Its slots are lists that
// run through the timers of the elements, so that setting, moving and
// clearing a timer is a few stores and no timer is an object:
//
//	slot   0    1    2         …        1023
//	       │    │    │                  │      each stands for 2^25 ns, 34 ms;
//	       e    e ⇄ e                   e      a turn of the wheel for 34 s
//
// A timer of a later turn stays in its slot when the hand passes. A timer
// never fires early, and late by less than a slot. A deadline that moved later
// is left where it is: when it fires, the element is asked and the timer set anew.
type Wheel[E any] struct {
	timer func(*E) *Timer[E]
	slots [wheelSlots + 1]*E      // the last has the due timers that have not been fired yet
	used  [wheelSlots / 64]uint64 // bit for each slot: the list is not empty
	hand  int64                   // the slots before this one, counted from the beginning of time, are over
	count int
}

const (
	wheelShift = 25 // log2 of a slot's nanoseconds
	wheelSlots = 1024
	wheelMask  = wheelSlots - 1
)

// Timer is an element's place in the wheel, and a part of the element.
type Timer[E any] struct {
	next, prev *E
	due        wsproto.Time // 0: not in the wheel; dueNow: in its last slot
}

// IsSet reports whether the timer is in a wheel.
func (t *Timer[E]) IsSet() bool { return t.due != 0 }

// IsLaterThan reports whether the timer is not set, or set for later than at.
func (t *Timer[E]) IsLaterThan(at wsproto.Time) bool { return t.due == 0 || at < t.due }

// New makes a wheel of elements whose timers are what timer returns.
func New[E any](timer func(*E) *Timer[E]) *Wheel[E] { return &Wheel[E]{timer: timer} }

// Len returns how many timers are set.
func (w *Wheel[E]) Len() int { return w.count }

// NeedsAdvance reports whether something may be due at now.
func (w *Wheel[E]) NeedsAdvance(now wsproto.Time) bool { return int64(now)>>wheelShift > w.hand }

const dueNow wsproto.Time = -1

// slotOf is the slot that ends at due or next after it.
func slotOf(due wsproto.Time) int64 { return int64(due-1) >> wheelShift }

// index is where the list of the timers due then begins.
func index(due wsproto.Time) int64 {
	if due == dueNow {
		return wheelSlots
	}
	return slotOf(due) & wheelMask
}

// Set makes e due at that time. A time that has passed is due next.
func (w *Wheel[E]) Set(e *E, due wsproto.Time) {
	w.Clear(e)
	w.push(e, max(due, wsproto.Time(w.hand<<wheelShift)+1))
}

func (w *Wheel[E]) push(e *E, due wsproto.Time) {
	i := index(due)
	first := w.slots[i]
	*w.timer(e) = Timer[E]{next: first, due: due}
	if first != nil {
		w.timer(first).prev = e
	}
	w.slots[i] = e
	if i < wheelSlots {
		w.used[i/64] |= 1 << (i % 64)
	}
	w.count++
}

// Clear takes e out, if it is in.
func (w *Wheel[E]) Clear(e *E) {
	t := w.timer(e)
	if t.due == 0 {
		return
	}
	i := index(t.due)
	next, prev := t.next, t.prev
	if next != nil {
		w.timer(next).prev = prev
	}
	if prev != nil {
		w.timer(prev).next = next
	} else if w.slots[i] = next; next == nil && i < wheelSlots {
		w.used[i/64] &^= 1 << (i % 64)
	}
	*t = Timer[E]{}
	w.count--
}

// Advance fires the timers due at now: each is taken out and given to fire, which
// may set and clear any timer.
func (w *Wheel[E]) Advance(now wsproto.Time, fire func(*E)) {
	end := int64(now) >> wheelShift // slots before it are over
	// A clock that jumped by more than a turn goes through every slot once.
	for slot := max(w.hand, end-wheelSlots); slot < end; slot++ {
		i := slot & wheelMask
		if w.used[i/64]>>(i%64)&1 == 0 {
			continue
		}
		for e := w.slots[i]; e != nil; {
			t := w.timer(e)
			next := t.next
			if slotOf(t.due) < end {
				w.Clear(e)
				w.push(e, dueNow)
			}
			e = next
		}
	}
	w.hand = max(w.hand, end)
	for e := w.slots[wheelSlots]; e != nil; e = w.slots[wheelSlots] {
		w.Clear(e)
		fire(e)
	}
}

// Wait returns how long after now nothing can be due, and false when nothing is
// in the wheel. It looks at slots and not at times, so it may be short by whole
// turns for far-away timers.
func (w *Wheel[E]) Wait(now wsproto.Time) (time.Duration, bool) {
	if w.count == 0 {
		return 0, false
	}
	for n := int64(0); n <= wheelSlots; {
		i := (w.hand + n) & wheelMask
		if word := w.used[i/64] >> (i % 64); word != 0 {
			end := (w.hand + n + int64(bits.TrailingZeros64(word)) + 1) << wheelShift
			return max(time.Duration(end)-time.Duration(now), 0), true
		}
		n += 64 - i%64
	}
	return 0, true
}
