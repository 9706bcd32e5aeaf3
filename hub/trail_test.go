package hub_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// runsOf shows the taken pushes as runs: "[a b c] d".
func runsOf(t testing.TB, s *hub.Session) string {
	t.Helper()
	pushes, err := s.TakeRuns(nil)
	if err != nil {
		t.Fatal("TakeRuns:", err)
	}
	shown := make([]string, len(pushes))
	for i, p := range pushes {
		if p.Run == nil {
			shown[i] = describe([]hub.Push{p})
			continue
		}
		shown[i] = "[" + describe(p.Run.AppendTo(nil, p.Channel)) + "]"
	}
	return strings.Join(shown, " ")
}

// TestRuns: what comes to a session that was woken and has not taken is a run, unless
// something of it is not for this session, or something else comes between.
func TestRuns(t *testing.T) {
	var other *edge
	tests := map[string]struct {
		options hub.SubscribeOptions
		do      func(e *edge, publish func(data ...string))
		want    string
	}{
		"one":          {do: func(_ *edge, publish func(...string)) { publish("1") }, want: "1"},
		"two":          {do: func(_ *edge, publish func(...string)) { publish("1", "2") }, want: "1 2"},
		"the rest":     {do: func(_ *edge, publish func(...string)) { publish("1", "2", "3", "4") }, want: "1 [2 3 4]"},
		"its own":      {do: func(e *edge, publish func(...string)) { publish("1", "2"); say(e, "own"); publish("3") }, want: "1 [2 own 3]"},
		"its own, not": {hub.SubscribeOptions{ExcludeSelf: true}, func(e *edge, publish func(...string)) { publish("1", "2"); say(e, "own"); publish("3") }, "1 2 3"},
		"with a key": {do: func(e *edge, publish func(...string)) {
			publish("1")
			sayWith(e, "2", hub.Attributes{Key: "k"})
			publish("3")
		}, want: "1 [2 3]"},
		"excluded": {do: func(e *edge, publish func(...string)) {
			publish("1")
			sayWith(e, "2", hub.Attributes{Exclude: e.ID()})
			publish("3")
		}, want: "1 3"},
		"other excluded": {do: func(e *edge, publish func(...string)) {
			publish("1")
			sayWith(e, "2", hub.Attributes{Exclude: other.ID()})
			publish("3")
		}, want: "1 2 3"},
		"expires": {do: func(e *edge, publish func(...string)) {
			publish("1")
			sayWith(e, "2", hub.Attributes{Expires: time.Now().Add(time.Hour)})
			publish("3", "4")
		}, want: "1 2 3 4"},
		"expired": {do: func(e *edge, publish func(...string)) {
			publish("1")
			sayWith(e, "2", hub.Attributes{Expires: time.Now().Add(-time.Hour)})
			publish("3")
		}, want: "1 gap(1-2) 3"},
		"an outcome": {do: func(e *edge, publish func(...string)) {
			publish("1", "2", "3")
			e.Unsubscribe(7, "else")
			publish("4", "5")
		}, want: "1 2 3 outcome(7 3 <nil>) 4 5"},
		"two channels": {do: func(e *edge, publish func(...string)) {
			publish("1", "2", "3")
			e.subscribe("else", hub.SubscribeOptions{})
			if _, err := e.Session.Take(nil); err != nil {
				e.t.Error(err)
			}
			publish("4", "5")
			say(other, "else 1")
			publish("6", "7")
		}, want: "4 5 else 1 6 7"},
		"all that fits": {do: func(_ *edge, publish func(...string)) { publish(counting(1, 66)...) }, want: "1 [" + strings.Join(counting(2, 65), " ") + "] 66"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, nil, nil)
			e := connect(t, h)
			other = connect(t, h)
			e.subscribe("c", tt.options)
			tt.do(e, func(data ...string) { publish(t, h, "c", data...) })
			got := runsOf(t, e.Session)
			if rest := runsOf(t, e.Session); rest != "" {
				got += " " + rest
			}
			if name == "all that fits" { // deliveries fetched when the trail was full are taken one by one
				got = strings.NewReplacer("[", "", "]", "").Replace(got)
				tt.want = strings.NewReplacer("[", "", "]", "").Replace(tt.want)
			}
			if got != tt.want {
				t.Errorf("took %q, want %q", got, tt.want)
			}
			publish(t, h, "c", "again")
			if got := runsOf(t, e.Session); got != "again" {
				t.Errorf("then took %q", got)
			}
		})
	}
}

func counting(from, to int) (s []string) {
	for i := from; i <= to; i++ {
		s = append(s, fmt.Sprint(i))
	}
	return s
}

// say publishes as e, in the channel that its data begins with, or "c".
func say(e *edge, data string) {
	channel := "c"
	if strings.HasPrefix(data, "else") {
		channel = "else"
	}
	e.Publish(0, hub.Message{Channel: channel, Data: []byte(data)})
}

func sayWith(e *edge, data string, a hub.Attributes) {
	e.Publish(0, hub.Message{Channel: "c", Data: []byte(data), Attributes: &a})
}

// TestRunsAreShared: sessions that are owed the same are given the same, with one encoding.
func TestRunsAreShared(t *testing.T) {
	h := newHub(t, nil, nil)
	encoded := 0
	form := hub.NewForm(func(p *hub.Publication) []byte { encoded++; return append(p.Data[:len(p.Data):len(p.Data)], ';') })
	var all []*edge
	for range 10 {
		e := connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		all = append(all, e)
	}
	publish(t, h, "c", "a", "b", "c", "d")
	var first *hub.Run
	for i, e := range all {
		pushes, err := e.TakeRuns(nil)
		if err != nil || len(pushes) != 2 || pushes[1].Run == nil {
			t.Fatalf("session %d took %s, %v", i, describe(pushes), err)
		}
		run := pushes[1].Run
		if first == nil {
			first = run
		}
		if run != first {
			t.Errorf("session %d has a run of its own", i)
		}
		if got := string(hub.Join(form, run)); got != "b;c;d;" {
			t.Errorf("joined as %q", got)
		}
	}
	if encoded != 3 {
		t.Errorf("encoded %d times, want once for each", encoded)
	}
}

// TestTrailIsBounded: a session that never takes makes neither its channel hold more than
// its queue may, nor the hub keep its deliveries once it is gone.
func TestTrailIsBounded(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueBytesMax: 1 << 20, QueueCountMax: 200})
	slow := connect(t, h)
	slow.subscribe("c", hub.SubscribeOptions{})
	fast := connect(t, h)
	fast.subscribe("c", hub.SubscribeOptions{})
	var l ledger
	l.t = t
	for i := range 5000 {
		publish(t, h, "c", fmt.Sprint(i))
		if i%3 == 0 {
			for _, p := range fast.drain() {
				l.add(p)
			}
		}
	}
	for _, p := range fast.drain() {
		l.add(p)
	}
	if l.n != 5000 || l.gaps != 0 {
		t.Errorf("the fast one took %d publications and %d gaps", l.n, l.gaps)
	}
	if drops := h.Stats().QueueDrops; drops < 200 {
		t.Errorf("the slow one was given back %d publications", drops)
	}
	l = ledger{t: t}
	for _, p := range slow.drain() {
		l.add(p)
	}
	if l.last.Offset != 5000 || l.gaps > 1 {
		t.Errorf("the slow one came to %v, with %d gaps", l.last, l.gaps)
	}
}

// TestTrailRace: publications of several publishers to sessions that take at any moment
// come once each, in order, and the last one comes, too: its loss would not be repaired.
func TestTrailRace(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	h := newHub(t, nil, nil)
	const sessions = 8
	type counted struct {
		e *edge
		l ledger
	}
	var all [sessions]counted
	for i := range all {
		all[i].e = connect(t, h)
		all[i].e.subscribe("c", hub.SubscribeOptions{})
		all[i].l.t = t
	}
	published := 0
	for round := range rounds {
		random := rand.New(rand.NewPCG(uint64(round), 1))
		bursts := make([]int, 2+random.IntN(2))
		for i := range bursts {
			bursts[i] = random.IntN(100)
			published += bursts[i]
		}
		var publishing, taking sync.WaitGroup
		for _, n := range bursts {
			publishing.Go(func() {
				for i := range n {
					if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "c", Data: []byte{'0' + byte(i%10)}}); err != nil {
						t.Error(err)
					}
					if i%7 == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		for i := range all {
			c := &all[i]
			taking.Go(func() {
				c.e.await(func(pushes []hub.Push) bool {
					for ; c.e.counted < len(pushes); c.e.counted++ {
						c.l.add(pushes[c.e.counted])
					}
					return c.l.n == published
				})
				c.e.counted = 0
			})
		}
		publishing.Wait()
		taking.Wait()
		if t.Failed() {
			return
		}
	}
}

// TestTrailEnds has a session take at the moment of a publication that it trails for. The
// session takes the publication, or is woken again.
func TestTrailEnds(t *testing.T) {
	rounds := 100_000
	if testing.Short() || raceEnabled {
		rounds = 20_000
	}
	h := newHub(t, nil, nil)
	var wakes atomic.Int64
	s, err := h.Connect("test", func() { wakes.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Subscribe(0, "c", hub.SubscribeOptions{})
	var begun, done atomic.Int64
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for round := range int64(rounds) {
			for done.Load() < round && !t.Failed() {
				runtime.Gosched()
			}
			publishOne(t, h, nil)
			begun.Store(round + 1)
			publishOne(t, h, nil)
			begun.Store(-round - 1)
		}
	})
	var pushes []hub.Push
	taken := 0
	take := func() {
		if pushes, err = s.TakeRuns(pushes[:0]); err != nil {
			t.Error(err)
		}
		for _, p := range pushes {
			if taken++; p.Run != nil {
				taken += len(p.Run.Deliveries) - 1
			}
		}
	}
	for round := range int64(rounds) {
		for begun.Load() != round+1 && begun.Load() != -round-1 {
			runtime.Gosched()
		}
		for range round % 64 { // some nanoseconds later each time
			_ = begun.Load()
		}
		take()
		for begun.Load() != -round-1 {
			runtime.Gosched()
		}
		for before := wakes.Swap(0); before > 0; before = wakes.Swap(0) {
			take()
		}
		if taken != 2 {
			t.Errorf("round %d: %d publications were taken, and nobody says that there are more", round, taken)
			break
		}
		taken = 0
		done.Store(round + 1)
	}
	publishing.Wait()
}

// BenchmarkTrail is a burst of 64 publications to sessions that take when it is over.
func BenchmarkTrail(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		for _, runs := range []bool{false, true} {
			b.Run(fmt.Sprintf("subscribers=%d/runs=%v", n, runs), func(b *testing.B) {
				h := newHub(b, nil, nil)
				sessions := make([]*hub.Session, n)
				for i := range sessions {
					sessions[i] = connect(b, h).Session
					sessions[i].Subscribe(0, "c", hub.SubscribeOptions{})
				}
				data := make([]byte, 128)
				var pushes []hub.Push
				for b.Loop() {
					for range 64 {
						publishOne(b, h, data)
					}
					for _, s := range sessions {
						if runs {
							pushes, _ = s.TakeRuns(pushes[:0])
						} else {
							pushes, _ = s.Take(pushes[:0])
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n)/64, "ns/delivery")
			})
		}
	}
}
