package lag

import (
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

const (
	// Long is how long a lap is by which a loop lags: new connections are left to
	// loops that do not.
	Long = 50 * time.Millisecond

	// keptMax is how long a loop is taken to lag behind a long lap, at most; it is
	// as long as the lap otherwise. The next may be as long.
	keptMax = time.Second

	// Window is how long, to twice that, Laps remember.
	Window = 15 * time.Second
)

// Meter is how far a loop is behind, measured in laps:
//
//	look ─► events … ─► tasks … ─► look ─► …
//	└─────────── a lap ──────────┘
//
// Input that arrives right after a look is found by the next one, so a lap is the
// longest that anything had to wait until the loop came to it. A look that is
// full has not found everything; then the lap goes on until as much was found as
// could be ready: the poller tells of ready ones in turn.
//
// The loop alone calls Start, Rest, Find, Look and Judge; the rest may be called from any
// goroutine.
type Meter struct {
	began wsproto.Time // the lap; the loop's own
	found int          // in this lap; the loop's own

	lap      atomic.Int64 // when it began, for others; 0 while the loop waits, and is not behind
	long     atomic.Int64 // the last lap that was long
	kept     atomic.Int64 // until then the loop is taken to lag by that
	overlong atomic.Int32 // laps in a row that took longer than the limit of Judge
}

// Start begins a lap.
func (m *Meter) Start(now wsproto.Time) {
	m.began = now
	m.lap.Store(int64(now))
}

// HasStarted reports whether there has been a lap.
func (m *Meter) HasStarted() bool { return m.began != 0 }

// Rest notes that the loop waits, and so is not behind until Start.
func (m *Meter) Rest() { m.lap.Store(0) }

// Find notes that n events were found without an end of the lap.
func (m *Meter) Find(n int) { m.found += n }

// Look notes a look that found n events, which begin to be dealt with now. full says
// that there may be more, and ready how many there can be. It returns how
// long the lap has taken if that ends one; then another begins.
func (m *Meter) Look(now wsproto.Time, n int, full bool, ready int) (took time.Duration, ended bool) {
	m.found += n
	if full && m.found < ready {
		return 0, false
	}
	m.found = 0
	took = time.Duration(now - m.began)
	m.Start(now)
	return took, true
}

// Judge notes a lap that has ended, and reports whether it was long. limit is what
// IsOverloaded asks about.
func (m *Meter) Judge(now wsproto.Time, took, limit time.Duration) (long bool) {
	if took <= Long && m.overlong.Load() == 0 {
		return false
	}
	if took > limit {
		m.overlong.Add(1)
	} else {
		m.overlong.Store(0)
	}
	if took <= Long {
		return false
	}
	m.long.Store(int64(took))
	m.kept.Store(int64(now + wsproto.Time(min(took, keptMax))))
	return true
}

// Until is when the loop is no longer taken to lag because of a lap that has ended.
func (m *Meter) Until() wsproto.Time { return wsproto.Time(m.kept.Load()) }

// LapTime is how long the lap under way has taken.
func (m *Meter) LapTime(now wsproto.Time) time.Duration {
	began := m.lap.Load()
	if began == 0 {
		return 0
	}
	return time.Duration(int64(now) - began)
}

// Behind is how much the loop lags, 0 if it does not.
func (m *Meter) Behind(now wsproto.Time) time.Duration {
	by := m.LapTime(now)
	if now < m.Until() {
		by = max(by, time.Duration(m.long.Load()))
	}
	if by <= Long {
		return 0
	}
	return by
}

// IsOverloaded reports whether two laps in a row took longer than limit, the one
// under way counted as often as it has. One may be a single callback that blocked.
func (m *Meter) IsOverloaded(now wsproto.Time, limit time.Duration) bool {
	return time.Duration(m.overlong.Load())+m.LapTime(now)/limit >= 2
}

// Laps are the longest of this window of time and of the one before.
type Laps struct {
	window  int64
	longest [2]time.Duration
}

// Note notes a lap.
func (p *Laps) Note(now wsproto.Time, took time.Duration) {
	if window := int64(now) / int64(Window); window != p.window {
		if window != p.window+1 {
			p.longest[0] = 0 // nothing was noted in the one before
		}
		p.longest = [2]time.Duration{0, p.longest[0]}
		p.window = window
	}
	p.longest[0] = max(p.longest[0], took)
}

// Longest returns the longest lap of the last 15 to 30 seconds.
func (p *Laps) Longest() time.Duration { return max(p.longest[0], p.longest[1]) }
