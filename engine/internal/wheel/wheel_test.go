package wheel

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// element is what has a timer.
type element struct{ timer Timer[element] }

func newWheel() *Wheel[element] {
	return New(func(e *element) *Timer[element] { return &e.timer })
}

const slot = wsproto.Time(1) << wheelShift

// ticks moves a wheel in steps and reports when each of conns fired.
func ticks(w *Wheel[element], conns []*element, step, end wsproto.Time) map[*element]wsproto.Time {
	fired := map[*element]wsproto.Time{}
	for now := wsproto.Time(1); now <= end; now += step {
		w.Advance(now, func(c *element) { fired[c] = now })
	}
	return fired
}

func TestTimersFireInTime(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	w := newWheel()
	due := map[*element]wsproto.Time{}
	var conns []*element
	const end = 3 * wheelSlots * slot
	for range 2000 {
		c := &element{}
		conns = append(conns, c)
		due[c] = 1 + wsproto.Time(rnd.Int64N(int64(end-2*slot)))
		w.Set(c, due[c])
	}
	if w.count != len(conns) {
		t.Fatalf("%d timers, want %d", w.count, len(conns))
	}
	fired := ticks(w, conns, slot/3, end)
	for _, c := range conns {
		at, ok := fired[c]
		if !ok || at < due[c] || at > due[c]+slot+slot/3 {
			t.Fatalf("due at %d, fired at %d (%v)", due[c], at, ok)
		}
	}
	if w.count != 0 || w.used != [wheelSlots / 64]uint64{} {
		t.Errorf("%d timers are left, %v", w.count, w.used)
	}
}

func TestTimersMoveAndClear(t *testing.T) {
	w := newWheel()
	a, b, c := &element{}, &element{}, &element{}
	for _, conn := range []*element{a, b, c} {
		w.Set(conn, 10*slot)
	}
	w.Clear(b)
	w.Clear(b) // nothing to do
	w.Set(c, 20*slot)
	w.Set(a, 5*slot)
	fired := ticks(w, nil, slot, 30*slot)
	if len(fired) != 2 || fired[a] < 5*slot || fired[a] > 7*slot || fired[c] < 20*slot || fired[c] > 22*slot {
		t.Errorf("%v", fired)
	}
	if a.timer != (Timer[element]{}) || w.count != 0 {
		t.Error("a timer that fired is still set")
	}
}

// A timer that fires may set itself again, and set and clear others that are due with it.
func TestTimersChangeWhileFiring(t *testing.T) {
	w := newWheel()
	a, b, c := &element{}, &element{}, &element{}
	for _, conn := range []*element{a, b, c} {
		w.Set(conn, slot)
	}
	var order []*element
	w.Advance(3*slot, func(conn *element) {
		order = append(order, conn)
		switch len(order) {
		case 1:
			w.Set(conn, 3*slot) // now: in the next turn, not for ever in this
			for _, other := range []*element{a, b, c} {
				if other != conn {
					w.Clear(other)
					w.Set(other, 10*slot)
					break
				}
			}
		}
	})
	if len(order) != 2 || w.count != 2 {
		t.Fatalf("%d fired, %d are left", len(order), w.count)
	}
	w.Advance(5*slot, func(conn *element) { order = append(order, conn) })
	if len(order) != 3 || order[2] != order[0] {
		t.Errorf("the one that was set again fired %d times in all", len(order)-2)
	}
}

// A clock that jumps fires everything that is due, once.
func TestTimersAfterAJump(t *testing.T) {
	w := newWheel()
	var conns []*element
	for i := range 3 * wheelSlots {
		c := &element{}
		w.Set(c, wsproto.Time(i+1)*slot)
		conns = append(conns, c)
	}
	count := map[*element]int{}
	w.Advance(2*wheelSlots*slot+slot, func(c *element) { count[c]++ })
	for i, c := range conns {
		want := 0
		if i < 2*wheelSlots+1 {
			want = 1
		}
		if count[c] != want {
			t.Fatalf("timer %d fired %d times, want %d", i, count[c], want)
		}
	}
	w.Set(conns[0], 1) // long ago
	w.Advance(2*wheelSlots*slot+3*slot, func(c *element) { count[c]++ })
	if count[conns[0]] != 2 {
		t.Error("what was due in the past did not fire")
	}
}

func TestWaitIsNeverTooLong(t *testing.T) {
	w := newWheel()
	if _, ok := w.Wait(1); ok {
		t.Error("an empty wheel wants attention")
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	now := wsproto.Time(1)
	c := &element{}
	for range 5000 {
		now += wsproto.Time(rnd.Int64N(int64(3 * slot)))
		w.Advance(now, func(*element) {})
		due := now + wsproto.Time(rnd.Int64N(int64(40*time.Second)))
		w.Set(c, due)
		d, ok := w.Wait(now)
		if !ok || d < 0 || wsproto.Time(d)+now > due+slot {
			t.Fatalf("now %d, due %d: waits %d", now, due, d)
		}
		// Sleeping as long as it says and looking again comes to the timer at last.
		for fired, at := false, now; !fired; {
			at += wsproto.Time(d)
			w.Advance(at, func(*element) { fired = true })
			if d, ok = w.Wait(at); !fired && (!ok || at > due+slot) {
				t.Fatalf("due at %d, not fired at %d", due, at)
			}
			now = at
		}
	}
}
