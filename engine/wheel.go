package engine

import (
	"math/bits"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// wheel holds the connections of a loop by when they next want attention. Its
// slots are lists that run through the connections, so that setting, moving and
// clearing a timer is a few stores and no timer is an object:
//
//	slot   0    1    2         …        1023
//	       │    │    │                  │      each stands for 2^25 ns, 34 ms;
//	       c    c ⇄ c                   c      a turn of the wheel for 34 s
//
// What is due in a later turn stays in its slot when the hand passes. A timer
// never fires early, and late by less than a slot. A deadline that moved later
// is left where it is: who fires asks the connection and sets it anew.
type wheel struct {
	slots [wheelSlots + 1]*Conn   // the last is what is due and has not been fired yet
	used  [wheelSlots / 64]uint64 // bit for each slot: the list is not empty
	hand  int64                   // the slots before this one, counted from the beginning of time, are over
	count int
}

const (
	wheelShift = 25 // log2 of a slot's nanoseconds
	wheelSlots = 1024
	wheelMask  = wheelSlots - 1
)

// timer is a connection's place in the wheel.
type timer struct {
	next, prev *Conn
	due        wsproto.Time // 0: not in the wheel; dueNow: in its last slot
}

const dueNow wsproto.Time = -1

// slotOf is the slot that ends at due or next after it.
func slotOf(due wsproto.Time) int64 { return int64(due-1) >> wheelShift }

// index is where the list of what is due then begins.
func index(due wsproto.Time) int64 {
	if due == dueNow {
		return wheelSlots
	}
	return slotOf(due) & wheelMask
}

// set makes c due at that time. A time that has passed is due next.
func (w *wheel) set(c *Conn, due wsproto.Time) {
	w.clear(c)
	w.push(c, max(due, wsproto.Time(w.hand<<wheelShift)+1))
}

func (w *wheel) push(c *Conn, due wsproto.Time) {
	i := index(due)
	first := w.slots[i]
	c.timer = timer{next: first, due: due}
	if first != nil {
		first.timer.prev = c
	}
	w.slots[i] = c
	if i < wheelSlots {
		w.used[i/64] |= 1 << (i % 64)
	}
	w.count++
}

// clear takes c out, if it is in.
func (w *wheel) clear(c *Conn) {
	if c.timer.due == 0 {
		return
	}
	i := index(c.timer.due)
	next, prev := c.timer.next, c.timer.prev
	if next != nil {
		next.timer.prev = prev
	}
	if prev != nil {
		prev.timer.next = next
	} else if w.slots[i] = next; next == nil && i < wheelSlots {
		w.used[i/64] &^= 1 << (i % 64)
	}
	c.timer = timer{}
	w.count--
}

// advance fires what is due at now: each is taken out and given to fire, which
// may set and clear any timer.
func (w *wheel) advance(now wsproto.Time, fire func(*Conn)) {
	end := int64(now) >> wheelShift // slots before it are over
	// A clock that jumped by more than a turn goes through every slot once.
	for slot := max(w.hand, end-wheelSlots); slot < end; slot++ {
		i := slot & wheelMask
		if w.used[i/64]>>(i%64)&1 == 0 {
			continue
		}
		for c := w.slots[i]; c != nil; {
			next := c.timer.next
			if slotOf(c.timer.due) < end {
				w.clear(c)
				w.push(c, dueNow)
			}
			c = next
		}
	}
	w.hand = max(w.hand, end)
	for c := w.slots[wheelSlots]; c != nil; c = w.slots[wheelSlots] {
		w.clear(c)
		fire(c)
	}
}

// wait returns how long after now nothing can be due, and false when nothing is
// in the wheel. It looks at slots and not at times, so it may be short by whole
// turns for what is far away.
func (w *wheel) wait(now wsproto.Time) (time.Duration, bool) {
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
