package lag

import (
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// A lap ends with a look that finds all there is, or with as many events as there
// are connections.
func TestLaps(t *testing.T) {
	const eventsMax = 256
	var m Meter
	now := wsproto.Time(1)
	m.Start(now)
	for i, step := range []struct {
		after    time.Duration
		found    int
		lap      time.Duration // 0: it goes on
		overlong int32
	}{
		{2 * time.Second, 10, 2 * time.Second, 1},
		{time.Second + 1, eventsMax - 1, time.Second + 1, 2},
		{time.Second, 0, time.Second, 0},
		{time.Millisecond, eventsMax, 0, 0},
		{time.Second, eventsMax, 0, 0},
		{time.Second, eventsMax, 2*time.Second + time.Millisecond, 1},
		{time.Second, eventsMax, 0, 1},
		{time.Second, 1, 2 * time.Second, 2},
	} {
		now += wsproto.Time(step.after)
		lap, ended := m.Look(now, step.found, step.found == eventsMax, 3*eventsMax)
		if ended {
			m.Judge(now, lap, time.Second)
		}
		if lap != step.lap || ended != (step.lap > 0) || m.overlong.Load() != step.overlong {
			t.Errorf("look %d: a lap of %v, %d are long", i, lap, m.overlong.Load())
		}
	}
}

// A reported lag is forgotten after one to two windows.
func TestLapsAreForgotten(t *testing.T) {
	var p Laps
	const begin = 10 * Window
	p.Note(wsproto.Time(begin), 3*time.Second)
	p.Note(wsproto.Time(begin+Window-1), time.Second)
	for _, c := range []struct{ at, want time.Duration }{
		{begin, 3 * time.Second}, {begin + 2*Window - 1, 3 * time.Second}, {begin + 2*Window, 0}, {begin + 20*Window, 0},
	} {
		q := p
		if q.Note(wsproto.Time(c.at), 0); q.Longest() != c.want {
			t.Errorf("at %v: %v", c.at, q.longest)
		}
	}
}

// A loop lags while a lap is long, and for as long again behind it, but no longer
// than a second; a loop that waits does not lag.
func TestBehind(t *testing.T) {
	var m Meter
	const ms = wsproto.Time(time.Millisecond)
	now := ms
	m.Start(now)
	expect := func(at wsproto.Time, want time.Duration) {
		t.Helper()
		if got := m.Behind(at); got != want {
			t.Errorf("at %v: behind by %v, want %v", time.Duration(at), got, want)
		}
	}
	expect(now+50*ms, 0)
	expect(now+51*ms, 51*time.Millisecond)
	now += 80 * ms
	took, _ := m.Look(now, 0, false, 0)
	if !m.Judge(now, took, time.Second) {
		t.Error("80 ms are not long")
	}
	expect(now, 80*time.Millisecond)
	m.Rest()
	expect(now+79*ms, 80*time.Millisecond)
	expect(now+80*ms, 0)
	expect(now+10_000*ms, 0)
	m.Judge(now, time.Minute, time.Second)
	expect(now+999*ms, time.Minute)
	expect(now+1000*ms, 0)
}

// Two laps in a row make an overload, and an overload that does not end counts as often as
// it could have.
func TestIsOverloaded(t *testing.T) {
	var m Meter
	const limit = time.Second
	now := wsproto.Time(limit)
	m.Start(now)
	if m.IsOverloaded(now+wsproto.Time(2*limit-1), limit) || !m.IsOverloaded(now+wsproto.Time(2*limit), limit) {
		t.Error("a lap under way is an overload when it has taken twice the limit")
	}
	m.Judge(now, limit+1, limit)
	if m.IsOverloaded(now+wsproto.Time(limit-1), limit) || !m.IsOverloaded(now+wsproto.Time(limit), limit) {
		t.Error("the second lap is an overload when it has taken the limit")
	}
	m.Judge(now, limit, limit)
	if m.IsOverloaded(now, limit) {
		t.Error("a short lap did not end it")
	}
}
