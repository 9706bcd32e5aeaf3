package loadgen

import (
	"sync"
	"sync/atomic"
)

// audience knows which publications are still under way to somebody, so that a
// closed loop publishes the next one when the oldest has reached everybody.
//
//	number      41   42   43   44   45
//	missing      0    3    1  997 1000    subscribers who do not have it yet
//	                  ▲ done          ▲ sent
//
// A subscriber gets publications in order, so a later one is never complete
// before an earlier one, unless something got lost.
type audience struct {
	slots []atomic.Int64 // of the window: how many are missing
	room  chan struct{}  // there may be room in the window

	mu   sync.Mutex // guards all below
	live int
	sent uint64
	done uint64
}

func newAudience(window int) *audience {
	return &audience{slots: make([]atomic.Int64, window), room: make(chan struct{}, 1)}
}

// begin makes everybody who has not left a member. The next publication has the
// number first.
func (a *audience) begin(first uint64, members []*membership) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent, a.done = first, first
	for _, m := range members {
		if !m.left {
			m.joined = true
			a.live++
		}
	}
}

// membership is one subscriber's; its fields are guarded by the audience's mu.
type membership struct{ joined, left bool }

// publish takes the next place in the window. It returns false if there is none,
// and then room tells when to try again, or if nobody is there any more.
func (a *audience) publish() (number uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.live == 0 || a.sent-a.done >= uint64(len(a.slots)) {
		return 0, false
	}
	number = a.sent
	a.sent++
	a.slots[number%uint64(len(a.slots))].Store(int64(a.live))
	return number, true
}

// have notes that one member has the publications from number from up to, and
// not including, to, or will never have them.
func (a *audience) have(from, to uint64) {
	for n := from; n < to; n++ {
		if a.slots[n%uint64(len(a.slots))].Add(-1) == 0 {
			a.mu.Lock()
			a.advance()
			a.mu.Unlock()
		}
	}
}

// leave takes away a subscriber whose next publication would be number next.
func (a *audience) leave(m *membership, next uint64) {
	a.mu.Lock()
	m.left = true
	joined, done, sent := m.joined, a.done, a.sent
	if joined {
		a.live--
	}
	a.mu.Unlock()
	if joined {
		a.have(max(next, done), sent)
	}
}

// advance moves done; mu is held.
func (a *audience) advance() {
	moved := false
	for a.done < a.sent && a.slots[a.done%uint64(len(a.slots))].Load() <= 0 {
		a.done++
		moved = true
	}
	if moved {
		select {
		case a.room <- struct{}{}:
		default:
		}
	}
}
