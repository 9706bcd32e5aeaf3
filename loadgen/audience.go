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
//	                  ▲ done          ▲ the last that the window admits
//
// The publications of one publisher come in order, so a later one is never
// complete before an earlier one, unless something got lost.
type audience struct {
	slots []atomic.Int64  // of the window: how many are missing
	room  []chan struct{} // for each publisher: there may be room in the window

	mu   sync.Mutex // guards all below
	live int
	done uint64
}

func newAudience(window, publishers int) *audience {
	a := &audience{slots: make([]atomic.Int64, window), room: make([]chan struct{}, publishers)}
	for i := range a.room {
		a.room[i] = make(chan struct{}, 1)
	}
	return a
}

// begin makes every subscriber that has not left a member. The next publication has the
// number first.
func (a *audience) begin(first uint64, members []*membership) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = first
	for _, m := range members {
		if !m.left {
			m.joined = true
			a.live++
		}
	}
	for i := range a.slots {
		a.slots[i].Store(int64(a.live))
	}
}

// membership is one subscriber's; its fields are guarded by the audience's mu.
type membership struct{ joined, left bool }

// hasRoomFor reports whether the window has room for a publication. If it does not,
// room tells when to ask again, unless nobody is there any more.
func (a *audience) hasRoomFor(number uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.live > 0 && number < a.done+uint64(len(a.slots))
}

func (a *audience) slot(number uint64) *atomic.Int64 { return &a.slots[number%uint64(len(a.slots))] }

// noteReceived notes that one member has a publication, or will never have it.
func (a *audience) noteReceived(number uint64) {
	if a.slot(number).Add(-1) == 0 {
		a.mu.Lock()
		a.advance()
		a.mu.Unlock()
	}
}

// void notes that nobody will have a publication.
func (a *audience) void(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if number >= a.done && number < a.done+uint64(len(a.slots)) {
		a.slot(number).Store(0)
		a.advance()
	}
}

// leave removes a subscriber. has reports whether it has a publication.
func (a *audience) leave(m *membership, has func(number uint64) bool) {
	a.mu.Lock()
	m.left = true
	joined, done := m.joined, a.done
	if joined {
		a.live--
	}
	a.mu.Unlock()
	if !joined {
		return
	}
	for n := done; n < done+uint64(len(a.slots)); n++ {
		if !has(n) {
			a.noteReceived(n)
		}
	}
}

// advance moves done; mu is held.
func (a *audience) advance() {
	moved := false
	for a.live > 0 && a.slot(a.done).Load() <= 0 {
		a.slot(a.done).Store(int64(a.live)) // for the number that the window admits now
		a.done++
		moved = true
	}
	if !moved {
		return
	}
	for _, room := range a.room {
		select {
		case room <- struct{}{}:
		default:
		}
	}
}
