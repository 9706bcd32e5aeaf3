package report

import (
	"fmt"
	"math"
	"testing"
)

// Axes hold what they are for, with a few round ticks, whatever the figures.
func TestAxes(t *testing.T) {
	label := func(v float64) string { return fmt.Sprint(v) }
	for _, to := range []float64{0, 1e-9, 0.3, 0.99, 1, 1.01, 7, 10, 12, 100, 999, 1001, 25e6, 3e12, math.NaN(), math.Inf(1)} {
		a := linear(to, label)
		if n := len(a.Ticks); n < 3 || n > 7 || a.To < to && !math.IsInf(to, 1) || a.Ticks[0].At != 0 {
			t.Errorf("linear(%v) is %+v", to, a)
		}
		if s := seconds(max(to, 1)); !math.IsNaN(to) && !math.IsInf(to, 0) && (len(s.Ticks) < 2 || s.Ticks[len(s.Ticks)-1].At > s.To*1.001) {
			t.Errorf("seconds(%v) is %+v", to, s)
		}
	}
	for _, c := range [][2]float64{{0, 0}, {0.02, 0.02}, {0.02, 90}, {1, 1}, {1, 10}, {4.9, 5.1}, {0.001, 3.6e6}, {1e-9, 1e12}} {
		a := decades(c[0], c[1])
		if n := len(a.Ticks); n < 2 || n > 11 || !(a.From < a.To) || a.To < min(c[1], 3.6e6) || a.From > max(c[0], 1e-3) {
			t.Errorf("decades(%v) is %+v", c, a)
		}
		if lo, hi := a.share(a.From), a.share(a.To); lo != 0 || hi != 1 {
			t.Errorf("decades(%v): the ends are at %v and %v", c, lo, hi)
		}
	}
	if v := (axis{}).share(5); v != 0 {
		t.Errorf("an axis of no length has %v", v)
	}
}

// No label has the digits that floating point adds to a round number.
func TestLabels(t *testing.T) {
	for to := 0.1; to < 5000; to *= 1.07 {
		axes := map[string]axis{"seconds": seconds(to), "count": linear(to, short), "latencies": decades(to/100, to), "search": doubling(to, 40*to), "narrow search": doubling(to, to)}
		for name, a := range axes {
			if len(a.Ticks) < 2 {
				t.Errorf("%s to %v has %+v", name, to, a.Ticks)
			}
			for _, tick := range a.Ticks {
				if len(tick.Label) > 7 {
					t.Errorf("%s to %v has a label %q", name, to, tick.Label)
				}
			}
			if lo, hi := a.share(a.Ticks[0].At), a.share(a.Ticks[len(a.Ticks)-1].At); hi-lo < 0.3 {
				t.Errorf("%s to %v: the labels are from %v to %v", name, to, lo, hi)
			}
		}
	}
}

// Of many points, few can be pointed at.
func TestDots(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, dotsMax: dotsMax, dotsMax + 1: dotsMax/2 + 1, 10 * dotsMax: dotsMax} {
		if got := len((&chart{}).Dots(line{Points: make([]point, n)})); got != want {
			t.Errorf("%d dots of %d points, want %d", got, n, want)
		}
	}
}
