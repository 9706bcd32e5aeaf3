package hub_test

import (
	"fmt"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

// patternSubscribers connects n sessions that subscribe to name, and returns what takes
// from all of them.
func patternSubscribers(t testing.TB, h *hub.Hub, n int, name string) (take func()) {
	t.Helper()
	sessions := make([]*hub.Session, n)
	for i := range sessions {
		s, err := h.Connect("test", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		s.Subscribe(0, name, hub.SubscribeOptions{})
		sessions[i] = s
	}
	var pushes []hub.Push
	return func() {
		for _, s := range sessions {
			var err error
			if pushes, err = s.Take(pushes[:0]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func publishIn(t testing.TB, h *hub.Hub, channel string, data []byte) {
	if _, _, err := h.Publish(t.Context(), hub.Message{Channel: channel, Data: data}); err != nil {
		t.Fatal(err)
	}
}

// TestPatternPublishAllocations: a publication costs the same through a pattern as
// through a channel, and where there are patterns that do not match.
func TestPatternPublishAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector; .ci/run budgets runs this without")
	}
	for _, name := range []string{"c/*", "c/d", "other/*"} {
		h := newHub(t, nil, nil)
		take := patternSubscribers(t, h, 50, name)
		data := []byte("payload")
		publish := func() {
			publishIn(t, h, "c/d", data)
			take()
		}
		for range 2000 {
			publish()
		}
		budget := 2.0
		if name == "other/*" {
			budget = 1
		}
		if got := testing.AllocsPerRun(500, publish); got > budget {
			t.Errorf("%s: %v allocations for a publication, want at most %v", name, got, budget)
		}
	}
}

// BenchmarkPatterns is a publication that one of many patterns matches, in one channel
// and in one of many.
func BenchmarkPatterns(b *testing.B) {
	for _, patterns := range []int{1, 1000, 100_000} {
		for _, channels := range []int{1, 500} {
			b.Run(fmt.Sprintf("patterns=%d/channels=%d", patterns, channels), func(b *testing.B) {
				h := newHub(b, nil, nil)
				var sessions []*hub.Session
				for i := range patterns {
					if i%1000 == 0 {
						s, err := h.Connect("test", nil)
						if err != nil {
							b.Fatal(err)
						}
						b.Cleanup(s.Close)
						sessions = append(sessions, s)
					}
					sessions[len(sessions)-1].Subscribe(0, fmt.Sprintf("room/%d/*", i), hub.SubscribeOptions{})
				}
				names := make([]string, channels)
				for i := range names {
					names[i] = fmt.Sprintf("room/0/%d", i)
				}
				data := make([]byte, 128)
				var pushes []hub.Push
				for _, name := range names {
					publishIn(b, h, name, data)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					publishIn(b, h, names[i%channels], data)
					if i++; i%64 == 0 {
						pushes, _ = sessions[0].Take(pushes[:0])
					}
				}
			})
		}
	}
}

// BenchmarkPatternFanout is a publication to many: by the name of the channel, and by a
// pattern.
func BenchmarkPatternFanout(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		for _, name := range []string{"c/d", "c/*"} {
			b.Run(fmt.Sprintf("subscribers=%d/to=%s", n, map[string]string{"c/d": "channel", "c/*": "pattern"}[name]), func(b *testing.B) {
				h := newHub(b, nil, nil)
				take := patternSubscribers(b, h, n, name)
				data := make([]byte, 128)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					publishIn(b, h, "c/d", data)
					if i++; i%64 == 0 {
						b.StopTimer()
						take()
						b.StartTimer()
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
			})
		}
	}
}
