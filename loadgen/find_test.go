package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// queueing answers after the time that a server needs for a message: it does one
// at a time, so it can do one for each of that.
func queueing(each time.Duration) func(int, *ws.Conn) {
	turn := make(chan struct{}, 1)
	return func(_ int, conn *ws.Conn) {
		echoing(func() {
			turn <- struct{}{}
			time.Sleep(each)
			<-turn
		})(0, conn)
	}
}

// A server that needs 10 ms for a message holds 100 a second. Every value that is
// found holds, the value that missed does not, and they are near each other.
func TestFindRate(t *testing.T) {
	for _, start := range []float64{0, 10, 400} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{handle: queueing(10 * time.Millisecond)}
			phases := map[string]bool{}
			r, err := Find(t.Context(), KindEcho, "ws://memory/", Options{
				Connections: 5, Rate: start, Duration: time.Second, Drain: time.Minute, dial: m.dial,
				Progress: func(p Progress) { phases[p.Phase] = true },
			}, Goal{Find: FindRate, P99: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			m.conns.Wait()
			s := r.Search
			if s.Found < 94 || s.Found > 100 || s.Missed <= s.Found || s.Missed > 110 || r.Load.Rate != s.Found || s.P99 != 100 {
				t.Errorf("from %v: found %v, missed %v: %+v", start, s.Found, s.Missed, s.Steps)
			}
			if first := s.Steps[0]; start > 0 && first.Value != start || start == 0 && first.Value != DefaultEchoRate {
				t.Errorf("from %v: the first was %v", start, first.Value)
			}
			if r.Latency.P99 > 100 || len(r.Errors) > 0 || r.Seconds != 1 {
				t.Errorf("from %v: %+v in %v s", start, r.Latency, r.Seconds)
			}
			if want := fmt.Sprintf("This server keeps up with %v messages of 128 bytes a second on 5 connections with p99 ", s.Found); !strings.HasPrefix(r.Verdict, want) {
				t.Errorf("from %v: %s", start, r.Verdict)
			}
			if want := fmt.Sprintf(" With %v a second it does not: ", s.Missed); !strings.Contains(r.Verdict, want) {
				t.Errorf("from %v: %s", start, r.Verdict)
			}
			if c := s.Closed; c == nil || c.PerSecond < 99 || c.PerSecond > 101 || !phases["closed loop: measuring"] || !strings.Contains(r.Verdict, " In a closed loop, where the next waits for the answer to the last, it is ") {
				t.Errorf("from %v: %+v, %s", start, s.Closed, r.Verdict)
			}
			if !phases[Count(s.Found)+" a second: measuring"] {
				t.Errorf("from %v: phases %v", start, phases)
			}
			// A value that missed was tried twice, one after the other, and a value that met once. The
			// limit was tried again at the end.
			steps, last := s.Steps[:len(s.Steps)-1], s.Steps[len(s.Steps)-1]
			if last.Value != s.Missed || last.Missed == "" {
				t.Errorf("from %v: the last was %+v, want %v again", start, last, s.Missed)
			}
			for i, step := range steps {
				again := i > 0 && steps[i-1].Value == step.Value || i+1 < len(steps) && steps[i+1].Value == step.Value
				if (step.Missed != "") != again {
					t.Errorf("from %v: step %d of %+v", start, i, s.Steps)
				}
			}
			if sorted := s.SortedSteps(); !slices.IsSortedFunc(sorted, func(a, b Step) int { return int(a.Value - b.Value) }) || len(sorted) != len(s.Steps) {
				t.Errorf("%+v", sorted)
			}
		})
	}
}

// A server that delivers to one subscriber after the other takes longer the more
// there are, so the latency is the limit and not the rate.
func TestFindSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broadcaster{}
		b.before = func() {
			b.mu.Lock()
			n := len(b.conns) // the publisher is one of them
			b.mu.Unlock()
			time.Sleep(time.Duration(n) * 100 * time.Microsecond)
		}
		m := &memory{handle: b.handle}
		r, err := Find(t.Context(), KindFanout, "ws://memory/", Options{Connections: 4, Rate: 20, Duration: 2 * time.Second, dial: m.dial}, Goal{Find: FindConnections, P99: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if s := r.Search; s.Found < 47 || s.Found > 49 || s.Missed > 51 || r.Connections.Opened != int(s.Found) || !strings.HasPrefix(s.Why, "p99 5.") {
			t.Errorf("%+v", s)
		}
		if !strings.HasPrefix(r.Verdict, "This server holds 4") || !strings.Contains(r.Verdict, " subscribers it does not: p99 5.") {
			t.Error(r.Verdict)
		}
	})
}

// A server that is full is the limit, and a hiccup is not: what misses once and
// then does not counts as met.
func TestFindRefusedAndHiccup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: echoing(func() {})}
		var hiccups atomic.Int32
		r, err := Find(t.Context(), KindEcho, "ws://memory/", Options{Connections: 10, Rate: 10, Duration: time.Second, dial: func(ctx context.Context, i int) (opened, error) {
			if i >= 100 || i == 15 && hiccups.Add(1) == 1 {
				return opened{}, errors.New("full")
			}
			return m.dial(ctx, i)
		}}, Goal{Find: FindConnections})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if s := r.Search; s.Found < 97 || s.Found > 100 || s.Missed <= 100 || s.P99 != 20 || s.Steps[1].Missed == "" || s.Steps[2].Value != 20 || s.Steps[2].Missed != "" {
			t.Errorf("%+v", s)
		}
		if r.Limit != LimitRefused || !strings.Contains(r.Verdict, "it does not: it took 100 of 1") || !strings.HasSuffix(r.Verdict, " connections: opening: other.") {
			t.Errorf("%s: %s", r.Limit, r.Verdict)
		}
	})
}

// A machine that is busy for a while is not the limit of the server: at the end
// the value that missed then is tried again, and the search goes on.
func TestFindBadLuck(t *testing.T) {
	s := &finder{kind: KindEcho, goal: Goal{Find: FindRate, P99: time.Second}, most: rateMax, search: &Search{}}
	n := 0
	s.try = func(v float64) (*Report, error) {
		n++
		p99 := Millis(1)
		if v > 1000 || n == 3 || n == 4 { // at 400
			p99 = 2000
		}
		return &Report{Kind: KindEcho, Load: Load{Rate: v}, Messages: &Messages{PerSecond: v}, Latency: &Latency{P99: p99}}, nil
	}
	if err := s.run(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if s.search.Steps[2].Value != 400 || s.search.Steps[2].Missed == "" || s.search.Found < 950 || s.search.Found > 1000 || s.search.Missed > 1100 {
		t.Errorf("%+v", s.search)
	}
}

func TestFindNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: echoing(func() { time.Sleep(100 * time.Millisecond) })}
		r, err := Find(t.Context(), KindEcho, "ws://memory/", Options{Connections: 2, Rate: 8, Duration: time.Second, dial: m.dial}, Goal{Find: FindRate})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if s := r.Search; s.Found != 0 || s.Missed != 1 || len(s.Steps) != 8 || !strings.HasPrefix(r.Verdict, "No value that was tried met the goal (p99 20.0 ms at most), down to 1 a second. This server ") {
			t.Errorf("%+v: %s", s, r.Verdict)
		}
		// A server that is not there is an error, and the first try says so.
		if _, err := Find(t.Context(), KindEcho, "ws://memory/", Options{dial: func(context.Context, int) (opened, error) { return opened{}, errors.New("nobody") }}, Goal{Find: FindRate}); err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Error(err)
		}
	})
}

// The end of the context ends a search with what was found.
func TestFindInterrupted(t *testing.T) {
	for _, within := range []time.Duration{500 * time.Millisecond, 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{handle: echoing(func() {})}
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			r, err := Find(ctx, KindEcho, "ws://memory/", Options{Connections: 2, Rate: 10, Duration: 2 * time.Second, Warmup: NoWarmup, dial: m.dial}, Goal{Find: FindRate})
			m.conns.Wait()
			if within < time.Second {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%+v, %v", r, err)
				}
				return
			}
			if err != nil || !r.Interrupted || r.Search.Found < 40 || r.Search.Missed != 0 || r.Seconds != 2 || !strings.HasSuffix(r.Verdict, " The search was interrupted, so the limit may be higher.") {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// A server that takes whatever there is: the machine of the generator ends it.
func TestFindCapped(t *testing.T) {
	s := &finder{kind: KindEcho, goal: Goal{Find: FindConnections, P99: time.Second}, most: 700, search: &Search{}}
	var tried []float64
	s.try = func(v float64) (*Report, error) {
		tried = append(tried, v)
		return &Report{Kind: KindEcho, Connections: Population{int(v), int(v), int(v), 1}, Messages: &Messages{}, Latency: &Latency{}, Verdict: "Good."}, nil
	}
	if err := s.run(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	r := s.finish(t.Context())
	if !slices.Equal(tried, []float64{100, 200, 400, 700}) || r.Limit != LimitGenerator || r.Verdict != "Good. More cannot be opened from here: ulimit -n allows 740 open files." {
		t.Errorf("%v: %s: %s", tried, r.Limit, r.Verdict)
	}
}

// What limited the first value that missed is said of the search.
func TestFindBeyond(t *testing.T) {
	for want, change := range map[string]func(*Report){
		"p99 30 ms; the limit is its CPU (0.98 cores).":                                                                             func(r *Report) { r.Server = &Server{Cores: 0.98, CoresMax: 1} },
		"p99 30 ms. The generator was the limit (97 % of its CPU), so the server can do more than this.":                            func(r *Report) { r.Own.Share = 0.97 },
		"p99 30 ms. Other programs used 50 % of this machine meanwhile, so neither the server nor the generator had what it needs.": func(r *Report) { r.Own.Others, r.Own.Machine = 0.5, 0.95 },
		"p99 30 ms; server and generator share the processors and used them up (0.90 cores and 1.00 core).":                         func(r *Report) { r.Server, r.Own.Machine = &Server{Cores: 0.9, CoresMax: 2, Local: true}, 0.95 },
		"p99 30 ms. The limit is not CPU: the server used 0.20 cores and the generator 50 % of its own.":                            func(r *Report) { r.Server = &Server{Cores: 0.2, CoresMax: 2} },
		"p99 30 ms. What the limit is is not known without the server's CPU: give its process ID or its metrics.":                   func(*Report) {},
		"p99 30 ms.": func(r *Report) { r.Connections.AtEnd = 1 },
	} {
		worst := &Report{Kind: KindFanout, Connections: Population{100, 100, 100, 1}, Own: Generator{Share: 0.5, Processors: 2, Machine: 0.5}, Load: Load{Rate: 50}}
		change(worst)
		s := &finder{kind: KindFanout, goal: Goal{Find: FindConnections}, best: &Report{}, worst: worst, search: &Search{Missed: 12_500, Why: "p99 30 ms"}}
		if got := s.beyond(); got != " With 12,500 subscribers it does not: "+want {
			t.Errorf("%q, want %q", got, want)
		}
		if s.best.Limit == "" {
			t.Errorf("%q: no limit is set", want)
		}
	}
}

// A closed loop does more than the rate that was found, and what a message costs
// says why.
func TestFindBesideClosedLoop(t *testing.T) {
	closed := func(kind Kind, perSecond float64) *Report {
		return &Report{Kind: kind, Connections: Population{Opened: 100}, Messages: &Messages{PerSecond: perSecond}, Latency: &Latency{P99: 2}, Own: Generator{Share: 0.4, Processors: 2}, Server: &Server{CPUPerItem: 5.25}}
	}
	best := closed(KindEcho, 20_000)
	best.Server.CPUPerItem = 14
	if got, want := beside(best, closedLoop(closed(KindEcho, 80_000))), " In a closed loop, where the next waits for the answer to the last, it is 80,000 a second with p99 2.00 ms; each costs the server 5 µs of CPU there and 14 µs here, and the generator 10 µs and 40 µs."; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	best.Kind = KindSSE
	if got, want := beside(best, closedLoop(closed(KindSSE, 80_000))), " In a closed loop, where the next publication waits until all have the last, it is 800 a second with p99 2.00 ms; each"; !strings.HasPrefix(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	bare := &Report{Kind: KindEcho, Messages: &Messages{PerSecond: 10}, Latency: &Latency{P99: 2}, Own: Generator{Share: -1}}
	if got := beside(bare, closedLoop(bare)); !strings.HasSuffix(got, "it is 10 a second with p99 2.00 ms.") {
		t.Error(got)
	}
}

func TestFindMistakes(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		o    Options
		g    Goal
		want string
	}{
		{KindStorm, Options{}, Goal{Find: FindRate}, `the limit of "rate" cannot be looked for with "storm"`},
		{KindHandshakes, Options{Rate: 5}, Goal{Find: FindConnections}, `the limit of "connections" cannot be looked for with "handshakes"`},
		{KindEcho, Options{}, Goal{Find: "more"}, `the limit of "more" cannot be looked for`},
		{KindFanout, Options{}, Goal{Find: FindConnections}, "the most connections depend on the rate: give one"},
		{KindEcho, Options{}, Goal{Find: FindRate, P99: -1}, "option P99: -1ns is negative"},
		{KindEcho, Options{Rate: 0.5}, Goal{Find: FindRate}, "a search cannot begin with 0.5"},
		{KindEcho, Options{Rate: 5, Connections: -1}, Goal{Find: FindConnections}, "a search cannot begin with -1"},
	} {
		if _, err := Find(t.Context(), c.kind, "ws://h/", c.o, c.g); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestBetween(t *testing.T) {
	for _, c := range []struct{ low, high, want float64 }{{100, 200, 140}, {1, 2, 1}, {12_000, 24_000, 17_000}, {900, 1000, 950}, {3, 9, 5}, {51_200, 102_400, 72_000}} {
		if got := between(c.low, c.high); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("between %v and %v is %v, want %v", c.low, c.high, got, c.want)
		}
	}
}
