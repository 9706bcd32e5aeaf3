package engine

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

const slot = wsproto.Time(1) << wheelShift

// ticks moves a wheel in steps and reports when each of conns fired.
func ticks(w *wheel, conns []*Conn, step, end wsproto.Time) map[*Conn]wsproto.Time {
	fired := map[*Conn]wsproto.Time{}
	for now := wsproto.Time(1); now <= end; now += step {
		w.advance(now, func(c *Conn) { fired[c] = now })
	}
	return fired
}

func TestTimersFireInTime(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var w wheel
	due := map[*Conn]wsproto.Time{}
	var conns []*Conn
	const end = 3 * wheelSlots * slot
	for range 2000 {
		c := &Conn{}
		conns = append(conns, c)
		due[c] = 1 + wsproto.Time(rnd.Int64N(int64(end-2*slot)))
		w.set(c, due[c])
	}
	if w.count != len(conns) {
		t.Fatalf("%d timers, want %d", w.count, len(conns))
	}
	fired := ticks(&w, conns, slot/3, end)
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
	var w wheel
	a, b, c := &Conn{}, &Conn{}, &Conn{}
	for _, conn := range []*Conn{a, b, c} {
		w.set(conn, 10*slot)
	}
	w.clear(b)
	w.clear(b) // nothing to do
	w.set(c, 20*slot)
	w.set(a, 5*slot)
	fired := ticks(&w, nil, slot, 30*slot)
	if len(fired) != 2 || fired[a] < 5*slot || fired[a] > 7*slot || fired[c] < 20*slot || fired[c] > 22*slot {
		t.Errorf("%v", fired)
	}
	if a.timer != (timer{}) || w.count != 0 {
		t.Error("a timer that fired is still set")
	}
}

// What fires may set itself again, and set and clear others that are due with it.
func TestTimersChangeWhileFiring(t *testing.T) {
	var w wheel
	a, b, c := &Conn{}, &Conn{}, &Conn{}
	for _, conn := range []*Conn{a, b, c} {
		w.set(conn, slot)
	}
	var order []*Conn
	w.advance(3*slot, func(conn *Conn) {
		order = append(order, conn)
		switch len(order) {
		case 1:
			w.set(conn, 3*slot) // now: in the next turn, not for ever in this
			for _, other := range []*Conn{a, b, c} {
				if other != conn {
					w.clear(other)
					w.set(other, 10*slot)
					break
				}
			}
		}
	})
	if len(order) != 2 || w.count != 2 {
		t.Fatalf("%d fired, %d are left", len(order), w.count)
	}
	w.advance(5*slot, func(conn *Conn) { order = append(order, conn) })
	if len(order) != 3 || order[2] != order[0] {
		t.Errorf("the one that was set again fired %d times in all", len(order)-2)
	}
}

// A clock that jumps fires everything that is due, once.
func TestTimersAfterAJump(t *testing.T) {
	var w wheel
	var conns []*Conn
	for i := range 3 * wheelSlots {
		c := &Conn{}
		w.set(c, wsproto.Time(i+1)*slot)
		conns = append(conns, c)
	}
	count := map[*Conn]int{}
	w.advance(2*wheelSlots*slot+slot, func(c *Conn) { count[c]++ })
	for i, c := range conns {
		want := 0
		if i < 2*wheelSlots+1 {
			want = 1
		}
		if count[c] != want {
			t.Fatalf("timer %d fired %d times, want %d", i, count[c], want)
		}
	}
	w.set(conns[0], 1) // long ago
	w.advance(2*wheelSlots*slot+3*slot, func(c *Conn) { count[c]++ })
	if count[conns[0]] != 2 {
		t.Error("what was due in the past did not fire")
	}
}

func TestWaitIsNeverTooLong(t *testing.T) {
	var w wheel
	if _, ok := w.wait(1); ok {
		t.Error("an empty wheel wants attention")
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	now := wsproto.Time(1)
	c := &Conn{}
	for range 5000 {
		now += wsproto.Time(rnd.Int64N(int64(3 * slot)))
		w.advance(now, func(*Conn) {})
		due := now + wsproto.Time(rnd.Int64N(int64(40*time.Second)))
		w.set(c, due)
		d, ok := w.wait(now)
		if !ok || d < 0 || wsproto.Time(d)+now > due+slot {
			t.Fatalf("now %d, due %d: waits %d", now, due, d)
		}
		// Sleeping as long as it says and looking again comes to the timer at last.
		for fired, at := false, now; !fired; {
			at += wsproto.Time(d)
			w.advance(at, func(*Conn) { fired = true })
			if d, ok = w.wait(at); !fired && (!ok || at > due+slot) {
				t.Fatalf("due at %d, not fired at %d", due, at)
			}
			now = at
		}
	}
}
