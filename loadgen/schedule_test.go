package loadgen

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		rate   float64
		within time.Duration
		want   int64
	}{
		{100, 0, 0}, {100, 1, 1}, {100, time.Second, 100}, {100, time.Second + 1, 101}, {3, time.Second, 3}, {3, 10 * time.Second, 30}, {0.5, 10 * time.Second, 5},
		{7, time.Hour, 25200}, {1e7, time.Second, 1e7}, {0.001, time.Second, 1}, {1.0 / 3, time.Minute, 20},
	} {
		s := schedule{c.rate}
		if got := s.before(c.within); got != c.want {
			t.Errorf("at %v a second, %d are due before %v, want %d", c.rate, got, c.within, c.want)
		}
		for i := range min(c.want, 1000) {
			if due := s.due(i); due >= c.within || i > 0 && due <= s.due(i-1) {
				t.Errorf("at %v a second, number %d of %d before %v is due at %v", c.rate, i, c.want, c.within, due)
			}
		}
		if due := s.due(c.want); due < c.within {
			t.Errorf("at %v a second, number %d is due at %v, before %v", c.rate, c.want, due, c.within)
		}
	}
	// After a week it is exact still.
	if due, want := (schedule{1000}).due(7*24*3600*1000), 7*24*time.Hour; due != want {
		t.Errorf("after a week it is %v, want %v", due, want)
	}
}

func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a alarm
		began := time.Now()
		for range 3 {
			if !a.wait(t.Context(), time.Second) {
				t.Fatal("ended")
			}
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("three seconds took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if a.wait(ctx, time.Minute) || time.Since(began) != 4*time.Second {
			t.Errorf("the end of its context did not wake it at once, but after %v", time.Since(began))
		}
		if a.wait(ctx, 0) || !a.wait(t.Context(), -1) {
			t.Error("without a wait it must only look at its context")
		}
	})
}

// In real time an exact alarm is not early, and obeys its context.
func TestExactAlarm(t *testing.T) {
	a := alarm{exact: true}
	for _, d := range []time.Duration{-1, 10 * time.Microsecond, 3 * time.Millisecond} {
		began := time.Now()
		if !a.wait(t.Context(), d) || time.Since(began) < d {
			t.Errorf("a wait of %v took %v", d, time.Since(began))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a.wait(ctx, time.Millisecond) || a.wait(ctx, time.Hour) {
		t.Error("it waited after the end of its context")
	}
}

func TestTicks(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		tickMin: tickMin, time.Second: tickMin, 16 * time.Second: 200 * time.Millisecond, time.Hour: tickMax, 2000 * time.Hour: time.Hour,
	} {
		if got := tickOf(d); got != want {
			t.Errorf("%v is cut into stretches of %v, want %v", d, got, want)
		}
	}
}
