package ratelimit_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/time/rate"

	"github.com/godwit-io/godwit/internal/ratelimit"
)

var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestBucket(t *testing.T) {
	var b ratelimit.Bucket
	limit := ratelimit.PerSecond(10, 3)
	for _, step := range []struct {
		at   time.Duration
		n    int
		ok   bool
		wait time.Duration
	}{
		{0, 1, true, 0},
		{0, 1, true, 0},
		{0, 1, true, 0},
		{0, 1, false, 100 * time.Millisecond},
		{40 * time.Millisecond, 1, false, 60 * time.Millisecond},
		{100 * time.Millisecond, 1, true, 0},
		{100 * time.Millisecond, 2, false, 200 * time.Millisecond},
		{300 * time.Millisecond, 2, true, 0},
		{300 * time.Millisecond, 4, false, ratelimit.Never},
		{time.Hour, 3, true, 0}, // no more than three however long it was quiet
		{time.Hour, 1, false, 100 * time.Millisecond},
	} {
		if ok, wait := b.AllowN(start.Add(step.at), limit, step.n); ok != step.ok || wait != step.wait {
			t.Errorf("%d at %v: %v after %v, want %v after %v", step.n, step.at, ok, wait, step.ok, step.wait)
		}
	}
	if b.IsFull(start.Add(time.Hour)) || !b.IsFull(start.Add(time.Hour+300*time.Millisecond)) {
		t.Error("it is full at another time than 300 ms after it was emptied")
	}
	if size := unsafe.Sizeof(b); size != 16 {
		t.Errorf("it has %d bytes", size)
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limit ratelimit.Limit
		most  int
		wait  time.Duration
	}{
		"none":                  {ratelimit.Limit{}, 0, ratelimit.Never},
		"rate 0":                {ratelimit.PerSecond(0, 5), 0, ratelimit.Never},
		"rate below 0":          {ratelimit.PerSecond(-1, 5), 0, ratelimit.Never},
		"no number":             {ratelimit.PerSecond(math.NaN(), 5), 0, ratelimit.Never},
		"burst 0":               {ratelimit.PerSecond(2, 0), 1, time.Second / 2},
		"burst below 0":         {ratelimit.Every(time.Minute, -3), 1, time.Minute},
		"slow":                  {ratelimit.PerSecond(0.001, 2), 2, 1000 * time.Second},
		"slower than anything":  {ratelimit.PerSecond(1e-300, 9), 1, 1 << 61},
		"more than can be told": {ratelimit.PerSecond(1e12, 7), 7, 1},
		"unlimited":             {ratelimit.Unlimited, 100, 0},
		"rate infinite":         {ratelimit.PerSecond(math.Inf(1), 1), 100, 0},
		"interval 0":            {ratelimit.Every(0, 1), 100, 0},
	} {
		var b ratelimit.Bucket
		n := 0
		var wait time.Duration
		for ok := true; n < 100; n++ {
			if ok, wait = b.Allow(start, c.limit); !ok {
				break
			}
		}
		if n != c.most || wait != c.wait {
			t.Errorf("%s: %d at once, then %v, want %d, then %v", name, n, wait, c.most, c.wait)
		}
	}
}

// A clock that is set back, even by years, neither locks anybody out nor fills a bucket.
func TestClockSetBack(t *testing.T) {
	limit := ratelimit.PerSecond(1, 5)
	var b ratelimit.Bucket
	table := ratelimit.NewTable[string](10)
	now := time.Now()
	for range 5 {
		b.Allow(now, limit)
		table.Allow(now, "a", limit)
	}
	for _, step := range []struct {
		after time.Duration
		ok    bool
		wait  time.Duration
	}{{0, false, time.Second}, {999 * time.Millisecond, false, time.Millisecond}, {time.Second, true, 0}, {time.Second, false, time.Second}} {
		at := setBack(now.Add(step.after), 5*365*24*time.Hour)
		if ok, wait := b.Allow(at, limit); ok != step.ok || wait != step.wait {
			t.Errorf("after %v: %v after %v, want %v after %v", step.after, ok, wait, step.ok, step.wait)
		}
		if ok, wait := table.Allow(at, "a", limit); ok != step.ok || wait != step.wait {
			t.Errorf("table, after %v: %v after %v, want %v after %v", step.after, ok, wait, step.ok, step.wait)
		}
	}
}

// setBack is what time.Now returns in place of now if the clock was set back: the
// monotonic reading is the same.
func setBack(now time.Time, by time.Duration) time.Time {
	// A Time with both begins with the seconds and nanoseconds of the clock; 30 bits are for those.
	*(*uint64)(unsafe.Pointer(&now)) -= uint64(by/time.Second) << 30
	return now
}

func TestSetBack(t *testing.T) {
	now := time.Now()
	back := setBack(now, time.Hour)
	if back.Sub(now) != 0 || now.Round(0).Sub(back.Round(0)) != time.Hour {
		t.Errorf("%v set back by an hour is %v", now, back)
	}
}

// A goroutine that has read the clock and was not run for long after that is refused only if
// nothing is left, and gives nothing back to the bucket.
func TestLateReading(t *testing.T) {
	const burst = 32
	limit := ratelimit.PerSecond(burst, burst)
	for _, late := range []time.Duration{time.Nanosecond, time.Second / 2, time.Second, time.Minute, time.Hour} {
		for name, allow := range allowers(limit) {
			now := start
			for round, left := range []int{burst, 3, 1} { // after so long a pause that it has so many
				now = now.Add(time.Hour + time.Duration(left)*time.Second/burst)
				if round > 0 {
					now = now.Add(-time.Hour)
				}
				if ok, _ := allow(now, 1); !ok {
					t.Fatalf("%s: on time, with %d left: refused", name, left)
				}
				for i := range left - 1 {
					if ok, wait := allow(now.Add(-late), 1); !ok {
						t.Fatalf("%s: late by %v, with %d left: refused for %v", name, late, left-1-i, wait)
					}
				}
				for range 3 {
					if ok, wait := allow(now.Add(-late), 1); ok || wait <= 0 || wait > time.Second/burst {
						t.Errorf("%s: late by %v, with none left: %v, %v", name, late, ok, wait)
					}
					if ok, wait := allow(now, 1); ok || wait != time.Second/burst {
						t.Errorf("%s: on time, with none left: %v, %v", name, ok, wait)
					}
				}
			}
		}
	}
}

// After a larger limit the bucket counts as empty.
func TestSmallerLimit(t *testing.T) {
	large, small := ratelimit.Every(time.Hour, 10), ratelimit.PerSecond(1, 2)
	var b ratelimit.Bucket
	table := ratelimit.NewTable[string](10)
	for i, allow := range []func(time.Time, ratelimit.Limit) (bool, time.Duration){
		b.Allow,
		func(now time.Time, l ratelimit.Limit) (bool, time.Duration) { return table.Allow(now, "a", l) },
	} {
		for range 10 {
			allow(start, large)
		}
		if ok, wait := allow(start, small); ok || wait != time.Second {
			t.Errorf("%d, at once: %v, %v", i, ok, wait)
		}
		if ok, _ := allow(start.Add(time.Second), small); !ok {
			t.Errorf("%d: not after a second", i)
		}
	}
}

// allowers are a Bucket and a key of a Table.
func allowers(limit ratelimit.Limit) map[string]func(time.Time, int) (bool, time.Duration) {
	var b ratelimit.Bucket
	table := ratelimit.NewTable[string](10)
	return map[string]func(time.Time, int) (bool, time.Duration){
		"bucket": func(now time.Time, n int) (bool, time.Duration) { return b.AllowN(now, limit, n) },
		"table":  func(now time.Time, n int) (bool, time.Duration) { return table.AllowN(now, "a", limit, n) },
	}
}

// However many take at once, as many get something as there is.
func TestBucketTakenByMany(t *testing.T) {
	var b ratelimit.Bucket
	var got atomic.Int64
	var all sync.WaitGroup
	limit := ratelimit.PerSecond(1, 1000)
	for range 8 {
		all.Go(func() {
			for range 500 {
				if ok, _ := b.Allow(start, limit); ok {
					got.Add(1)
				}
			}
		})
	}
	all.Wait()
	if got.Load() != 1000 {
		t.Errorf("%d of 1000", got.Load())
	}
}

// model is the token bucket of the textbooks, in nanoseconds.
type model struct {
	level, interval, window int64
	last                    time.Time
}

func (m *model) allow(now time.Time, n int64) (bool, time.Duration) {
	m.level = min(m.window, m.level+now.Sub(m.last).Nanoseconds())
	m.last = now
	need := n * m.interval
	switch {
	case need > m.window:
		return false, ratelimit.Never
	case need > m.level:
		return false, time.Duration(need - m.level)
	}
	m.level -= need
	return true, 0
}

// A Bucket, and a Table of one key, do what the textbook's bucket does.
func FuzzBucket(f *testing.F) {
	f.Add(uint32(1000), uint8(3), []byte{0, 1, 0, 1, 5, 2, 200, 3, 0, 0})
	f.Add(uint32(1), uint8(0), []byte{255, 255})
	f.Fuzz(func(t *testing.T, interval uint32, burst uint8, steps []byte) {
		limit := ratelimit.Every(time.Duration(interval)+1, int(burst))
		m := model{interval: int64(interval) + 1, last: start}
		m.window = m.interval * int64(max(burst, 1))
		m.level = m.window
		var b ratelimit.Bucket
		table := ratelimit.NewTable[int](1)
		now := start
		for i := 0; i+1 < len(steps); i += 2 {
			now = now.Add(time.Duration(steps[i]) * time.Duration(m.interval) / 16)
			n := int(steps[i+1]%8) + 1
			want, wantWait := m.allow(now, int64(n))
			if ok, wait := b.AllowN(now, limit, n); ok != want || wait != wantWait {
				t.Fatalf("step %d, %d at %v: %v after %v, want %v after %v", i/2, n, now.Sub(start), ok, wait, want, wantWait)
			}
			if ok, wait := table.AllowN(now, 7, limit, n); ok != want || wait != wantWait {
				t.Fatalf("table, step %d, %d at %v: %v after %v, want %v after %v", i/2, n, now.Sub(start), ok, wait, want, wantWait)
			}
		}
	})
}

func TestBucketAllocs(t *testing.T) {
	var b ratelimit.Bucket
	now, limit := start, ratelimit.PerSecond(10, 3)
	if n := testing.AllocsPerRun(100, func() { now = now.Add(time.Millisecond); b.Allow(now, limit) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBucket(b *testing.B) {
	var bucket ratelimit.Bucket
	limit := ratelimit.PerSecond(1e6, 100)
	b.ReportAllocs()
	for b.Loop() {
		bucket.Allow(time.Now(), limit)
	}
}

// Beside the limiter of the Go team, which can also wait.
func BenchmarkRateLimiter(b *testing.B) {
	l := rate.NewLimiter(1e6, 100)
	b.ReportAllocs()
	for b.Loop() {
		l.AllowN(time.Now(), 1)
	}
}
