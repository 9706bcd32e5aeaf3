package loadgen

import (
	"context"
	"time"
)

// rateMax is the highest rate: one event each 100 ns, which no machine keeps up.
const rateMax = 10_000_000

// schedule is when things are due: number i at i/rate after its beginning. It
// is fixed before the run and does not wait for anybody.
type schedule struct{ rate float64 }

// due is exact to a nanosecond after days: a product, not a sum.
func (s schedule) due(i int64) time.Duration {
	return time.Duration(float64(i) * (float64(time.Second) / s.rate))
}

// before is how many are due before d.
func (s schedule) before(d time.Duration) int64 {
	n := int64(d.Seconds() * s.rate)
	for n > 0 && s.due(n-1) >= d {
		n--
	}
	for s.due(n) < d {
		n++
	}
	return n
}

// alarm wakes one goroutine again and again.
type alarm struct {
	timer *time.Timer

	// exact makes the last part of a wait a system call: the runtime's timers are up
	// to a millisecond late on Linux while the process has nothing else to do, as
	// that is the unit in which its poller waits. It costs a thread while it waits,
	// so it is for few goroutines.
	exact bool
}

// wait waits for d, and reports false when ctx ended first.
func (a *alarm) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	if !a.exact || napMax == 0 {
		return a.doze(ctx, d)
	}
	end := time.Now().Add(d)
	if d > napMax && !a.doze(ctx, d-napMax) {
		return false
	}
	nap(time.Until(end))
	return ctx.Err() == nil
}

// doze waits by a timer.
func (a *alarm) doze(ctx context.Context, d time.Duration) bool {
	if a.timer == nil {
		a.timer = time.NewTimer(d)
	} else {
		a.timer.Reset(d)
	}
	select {
	case <-a.timer.C:
		return true
	case <-ctx.Done():
		a.timer.Stop()
		return false
	}
}
