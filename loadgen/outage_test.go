package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// island is a server in memory, which is killed and started again, with a channel.
type island struct {
	starts time.Duration // how long it takes to listen
	fails  int           // start fails from this one on; 0: never
	full   int           // how many are sent away after each start
	change func(to, number int, h heard) []heard

	mu        sync.Mutex // guards what follows
	epoch     int
	isUp      bool
	texts     []string
	followers map[*islander]bool
	sent      int
}

func (s *island) start(ctx context.Context) error {
	if !new(alarm).wait(ctx, s.starts) {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	if s.epoch == s.fails {
		return errors.New("it does not start")
	}
	s.isUp, s.texts, s.sent, s.followers = true, nil, 0, map[*islander]bool{}
	return nil
}

func (s *island) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isUp = false
	for f := range s.followers {
		f.end(io.ErrUnexpectedEOF)
	}
}

func (s *island) position(offset int) string { return fmt.Sprintf("e%d:%d", s.epoch, offset) }

func (s *island) publish(_ context.Context, text string) (place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isUp {
		return place{}, syscall.ECONNREFUSED
	}
	s.texts = append(s.texts, text)
	for f := range s.followers {
		f.hear(s.publication(f, len(s.texts)))
	}
	return parsePlace(s.position(len(s.texts))), nil
}

// publication is what f hears of one.
func (s *island) publication(f *islander, offset int) []heard {
	h := heard{text: s.texts[offset-1], position: s.position(offset)}
	if s.change == nil {
		return []heard{h}
	}
	digits := h.text[strings.LastIndexByte(h.text, ' ')+1:]
	var number int
	_, _ = fmt.Sscan(digits, &number)
	return s.change(f.index, number, h)
}

func (s *island) pause(_ int, told time.Duration) time.Duration {
	return cmp.Or(told, 300*time.Millisecond)
}

func (s *island) follow(_ context.Context, i int, position string) (follower, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.isUp:
		return nil, syscall.ECONNREFUSED
	case s.epoch > 1 && s.sent < s.full:
		s.sent++
		return nil, &sentAway{5 * time.Second, errors.New("full")}
	}
	f := &islander{island: s, index: i, told: time.Second + time.Duration(i)*100*time.Millisecond, more: make(chan struct{}, 1)}
	s.followers[f] = true
	from := len(s.texts)
	if at := parsePlace(position); at.epoch == fmt.Sprintf("e%d", s.epoch) {
		from = int(at.offset)
	} else if position != "" {
		f.hear([]heard{{isGap: true, position: s.position(from)}})
	}
	for offset := from + 1; offset <= len(s.texts); offset++ {
		f.hear(s.publication(f, offset))
	}
	return f, nil
}

// islander is a follower of it.
type islander struct {
	island *island
	index  int
	told   time.Duration
	more   chan struct{}

	mu    sync.Mutex // guards what follows
	queue []heard
	err   error
}

func (f *islander) wake() {
	select {
	case f.more <- struct{}{}:
	default:
	}
}

func (f *islander) hear(h []heard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, h...)
	f.wake()
}

func (f *islander) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.wake()
}

func (f *islander) next() (heard, error) {
	for {
		f.mu.Lock()
		if len(f.queue) > 0 {
			h := f.queue[0]
			f.queue = f.queue[1:]
			f.mu.Unlock()
			return h, nil
		}
		err := f.err
		f.mu.Unlock()
		if err != nil {
			return heard{}, err
		}
		<-f.more
	}
}

func (f *islander) retry() time.Duration { return f.told }

func (f *islander) close() {
	f.end(io.ErrClosedPipe)
	f.wake()
}

// stormOf plays a storm whose server is s, in virtual time.
func stormOf(t *testing.T, s *island, o Options) (r *Report, err error) {
	t.Helper()
	o.Storm.Server = "in memory"
	synctest.Test(t, func(t *testing.T) {
		run, problem := prepare(KindStorm, "http://memory/channels/x", o)
		if problem != nil {
			t.Fatal(problem)
		}
		outage := &outage{run: run, server: s, carrier: s, publish: s.publish, feed: newFeed("run")}
		r, err = outage.play(t.Context())
	})
	return r, err
}

func TestStormOfServer(t *testing.T) {
	r, err := stormOf(t, &island{starts: 250 * time.Millisecond}, Options{Connections: 20, Rate: 10, Storm: StormOptions{Rounds: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) > 0 || len(r.Rounds) != 2 {
		t.Fatalf("%+v", r)
	}
	for _, round := range r.Rounds {
		// Each comes back when it was told: after 1 to 2.9 s, half of them in the first second.
		want := Round{
			Dropped: 20, Back: 20, Attempts: 20, HalfBack: 1900, MostBack: 2900, AllBack: 2900,
			Down: 250, MostBackAt: 10, MostTried: 10,
		}
		round.PeakCores, round.MeanOpened = 0, 0
		if round != want {
			t.Errorf("a round is\n%+v, want\n%+v", round, want)
		}
	}
	// A client that comes back later missed more of what was published meanwhile, and was told.
	f := r.Feed
	if f.Lost != 0 || f.Repeated != 0 || f.Unanswered != 0 || f.Published < 100 {
		t.Errorf("%+v", f)
	}
	if f.Deliveries+f.Announced != 20*int64(f.Published) || f.Announced < 20 {
		t.Errorf("what was published is neither delivered nor announced as missing: %+v", f)
	}
	if r.Connections.AtEnd != 20 || !strings.HasPrefix(r.Verdict, "After the server of 20 clients was killed, all were back within 2.90 s in each of 2 rounds, 250 ms of them without a server; 10 in the largest second. Nothing was lost without a word") {
		t.Errorf("%d at the end: %s", r.Connections.AtEnd, r.Verdict)
	}
}

// A server that forgets or repeats something without a word is found out.
func TestStormFindsWhatIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		change         func(to, number int, h heard) []heard
		lost, repeated int64
	}{
		"one lost": {func(to, n int, h heard) []heard {
			if to == 3 && n == 5 {
				return nil
			}
			return []heard{h}
		}, 1, 0},
		"the first lost": {func(to, n int, h heard) []heard {
			if n == 1 {
				return nil
			}
			return []heard{h}
		}, 10, 0},
		"one twice": {func(to, n int, h heard) []heard {
			if to == 3 && n == 5 {
				return []heard{h, h}
			}
			return []heard{h}
		}, 0, 1},
		"a gap instead": {func(to, n int, h heard) []heard {
			if n == 5 {
				return []heard{{isGap: true, position: h.position}}
			}
			return []heard{h}
		}, 0, 0},
		"a gap that ends too early": {func(to, n int, h heard) []heard {
			if n == 5 {
				return []heard{{isGap: true, position: "e1:4"}}
			}
			return []heard{h}
		}, 10, 0},
	} {
		r, err := stormOf(t, &island{change: c.change}, Options{Connections: 10, Rate: 5})
		if err != nil {
			t.Fatal(name, err)
		}
		if r.Feed.Lost != c.lost || r.Feed.Repeated != c.repeated {
			t.Errorf("%s: %+v", name, r.Feed)
		}
		if isFound := strings.Contains(r.Verdict, "were lost without a word"); isFound != (c.lost+c.repeated > 0) {
			t.Errorf("%s: %s", name, r.Verdict)
		}
	}
}

// Clients that are sent away come back when they are told to, and it is counted.
func TestStormIsSentAway(t *testing.T) {
	r, err := stormOf(t, &island{starts: 100 * time.Millisecond, full: 4}, Options{Connections: 10, Rate: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Rounds[0]; got.SentAway != 4 || got.Attempts != 14 || got.Back != 10 || got.AllBack != 6300 || got.HalfBack != 1800 {
		t.Errorf("%+v", got)
	}
	if len(r.Errors) != 0 {
		t.Errorf("%+v", r.Errors)
	}
}

// While the server is away, clients try again after what they were told, each time.
func TestStormOfServerThatStartsSlowly(t *testing.T) {
	r, err := stormOf(t, &island{starts: 3500 * time.Millisecond}, Options{Connections: 2, Rate: 1})
	if err != nil {
		t.Fatal(err)
	}
	// The first after 1, 2, 3 and 4 s, the second after 1.1, 2.2, 3.3 and 4.4.
	if got := r.Rounds[0]; got.Attempts != 8 || got.HalfBack != 4000 || got.AllBack != 4400 || got.Down != 3500 || got.MostTried != 2 {
		t.Errorf("%+v", got)
	}
}

func TestStormOfServerThatStaysAway(t *testing.T) {
	if _, err := stormOf(t, &island{fails: 2}, Options{Connections: 2}); err == nil || err.Error() != "it does not start" {
		t.Errorf("%v", err)
	}
	r, err := stormOf(t, &island{full: 1000}, Options{Connections: 3, Duration: 20 * time.Second})
	if err != nil || r.Rounds[0].Back != 0 || r.Rounds[0].AllBack != 0 || !strings.Contains(r.Verdict, "up to 3 did not come back in time") {
		t.Errorf("%+v %v", r, err)
	}
}

func TestFullJitter(t *testing.T) {
	c := &socketCarrier{random: func() float64 { return 0.5 }}
	for n, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 15_000, 15_000} {
		if got := c.pause(n, 0); got != want*time.Millisecond {
			t.Errorf("before attempt %d: %v, want %v", n, got, want*time.Millisecond)
		}
	}
	if got := c.pause(1<<30, 0); got != 15*time.Second {
		t.Errorf("much later: %v", got)
	}
}

func TestPlaces(t *testing.T) {
	for text, want := range map[string]place{
		"e:17": {"e", 17}, "a:b:3": {"a:b", 3}, "": {}, "e": {}, "e:": {}, "e:x": {}, "e:-1": {}, "?:0": {"?", 0},
	} {
		if got := parsePlace(text); got != want {
			t.Errorf("%q is %+v, want %+v", text, got, want)
		}
	}
	f := newFeed("r")
	for text, want := range map[string]int{f.text(12): 12, "godwit-storm r x": 0, "godwit-storm q 12": 0, "godwit-storm r 0": 0, "": 0} {
		if got, ok := f.number(text); ok && got != want || ok != (want > 0) {
			t.Errorf("%q is number %d %v", text, got, ok)
		}
	}
}

// The publications that a gap of one epoch announces are not those of a later one.
func TestGapsOfEpochs(t *testing.T) {
	f := newFeed("r")
	for _, at := range []place{{"a", 1}, {"a", 2}, {}, {"b", 1}, {"b", 2}, {"c", 1}} {
		if n := f.begin(); at != (place{}) {
			f.settle(n, at)
		}
	}
	for _, c := range []struct {
		gap             place
		announced, lost int
	}{
		{place{}, 0, 5}, {place{"a", 0}, 0, 5}, {place{"a", 1}, 1, 4}, {place{"a", 9}, 2, 3}, {place{"b", 1}, 3, 2},
		{place{"c", 0}, 4, 1}, {place{"c", 1}, 5, 0}, {place{"d", 0}, 5, 0},
	} {
		if announced, lost := f.between(0, f.end(), c.gap); announced != c.announced || lost != c.lost {
			t.Errorf("a gap until %v: %d announced, %d lost", c.gap, announced, lost)
		}
	}
}
