package hub_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// TestClosedChannelsCostNothing uses 100,000 channels and lets them go.
func TestClosedChannelsCostNothing(t *testing.T) {
	channels, perSession := 100_000, 1000
	if testing.Short() {
		channels = 3000 // too few for the last of the bounds on memory
	}
	synctest.Test(t, func(t *testing.T) {
		broker := newBroker()
		h := newHub(t, broker, nil)
		heap := func() uint64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		var sessions []*hub.Session
		for i := range channels {
			if i%perSession == 0 {
				s, err := h.Connect("test", nil)
				if err != nil {
					t.Fatal(err)
				}
				sessions = append(sessions, s)
			}
			channel := fmt.Sprint("some/channel/", i)
			s := sessions[len(sessions)-1]
			s.Subscribe(0, channel, hub.SubscribeOptions{})
			s.Publish(0, hub.Message{Channel: channel, Data: []byte("x"), IdempotencyKey: "k"})
		}
		during := heap()
		if got := h.Stats(); got.Publications != uint64(channels) || got.Subscriptions != channels {
			t.Errorf("not everything succeeded: %+v", got)
		}
		for _, s := range sessions {
			s.Close()
		}
		sessions = nil
		if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 || len(got.Sessions) != 0 {
			t.Errorf("the hub still has %+v", got)
		}
		if got := broker.Stats().Channels; got != channels {
			t.Errorf("the broker has %d channels, want all while their history is held", got)
		}
		time.Sleep(hub.DefaultRetentionAge + 2*time.Second)
		synctest.Wait()
		if got := broker.Stats(); got != (membroker.Stats{}) {
			t.Errorf("the broker still has %+v", got)
		}
		after := heap()
		t.Logf("heap: %d KiB before, %d KiB in use, %d KiB after", before>>10, during>>10, after>>10)
		if during < before+uint64(channels)*100 {
			t.Errorf("the heap hardly grew: this measures nothing")
		}
		// The broker remembers how far each had come, see membroker.
		if !testing.Short() && after > before+1<<20+uint64(channels)*48 {
			t.Errorf("%d KiB stayed", (after-before)>>10)
		}
		runtime.KeepAlive(h)
	})
}

// subscribers connects n sessions to channel "c" which take whenever take is called.
func subscribers(t testing.TB, h *hub.Hub, n int) (take func()) { return subscribersOf(t, h, "c", n) }

// subscribersOf is subscribers of any channel.
func subscribersOf(t testing.TB, h *hub.Hub, channel string, n int) (take func()) {
	sessions := make([]*hub.Session, n)
	for i := range sessions {
		s, err := h.Connect("test", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		s.Subscribe(0, channel, hub.SubscribeOptions{})
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

// TestPublishAllocations: what a publication costs does not depend on the
// number of its subscribers.
func TestPublishAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector; .ci/run budgets runs this without")
	}
	for _, n := range []int{0, 1, 100} {
		h := newHub(t, nil, nil)
		take := subscribers(t, h, n)
		data := []byte("payload")
		for range 2000 { // the history is full, all arrays have their size
			publishOne(t, h, data)
			take()
		}
		got := testing.AllocsPerRun(500, func() {
			publishOne(t, h, data)
			take()
		})
		// The Publication, and the Delivery when there is anybody.
		if budget := float64(min(n, 1) + 1); got > budget {
			t.Errorf("%d subscribers: %v allocations for a publication, want at most %v", n, got, budget)
		}
	}
}

// TestSessionPublishAllocations: an outcome that nobody asked for costs nothing.
func TestSessionPublishAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector; .ci/run budgets runs this without")
	}
	h := newHub(t, nil, nil)
	s, err := h.Connect("test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	data := []byte("payload")
	publish := func() { s.Publish(0, hub.Message{Channel: "c", Data: data}) }
	for range 2000 {
		publish()
	}
	if got := testing.AllocsPerRun(500, publish); got > 1 { // the Publication
		t.Errorf("%v allocations for a publication, want 1", got)
	}
}

func publishOne(t testing.TB, h *hub.Hub, data []byte) {
	if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "c", Data: data}); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{0, 1, 10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint("subscribers=", n), func(b *testing.B) {
			h := newHub(b, nil, nil)
			take := subscribers(b, h, n)
			data := make([]byte, 128)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				publishOne(b, h, data)
				if i++; i%64 == 0 {
					b.StopTimer()
					take()
					b.StartTimer()
				}
			}
			if n > 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
			}
		})
	}
}

// BenchmarkPublishParallel is many publishers to one channel and to many.
func BenchmarkPublishParallel(b *testing.B) {
	for _, channels := range []int{1, 1000} {
		b.Run(fmt.Sprint("channels=", channels), func(b *testing.B) {
			h := newHub(b, nil, nil)
			data := make([]byte, 128)
			names := make([]string, channels)
			for i := range names {
				names[i] = fmt.Sprint("channel/", i)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, _, err := h.Publish(b.Context(), hub.Message{Channel: names[i%channels], Kind: hub.Binary, Data: data}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkPublishApart is each publisher in a channel of its own, with subscribers of its own:
// with -cpu 1,2 it shows what cores have in common. Where each has a hub of its own, too, they
// have nothing in common but the machine, which is what the others are to be compared with.
func BenchmarkPublishApart(b *testing.B) {
	for _, n := range []int{0, 10, 100} {
		for _, isShared := range []bool{true, false} {
			b.Run(fmt.Sprintf("subscribers=%d/shared=%v", n, isShared), func(b *testing.B) { publishApart(b, n, isShared) })
		}
	}
}

func publishApart(b *testing.B, subscribers int, isShared bool) {
	shared := newHub(b, nil, nil)
	data := make([]byte, 128)
	var publishers atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		h := shared
		if !isShared {
			h = newHub(b, nil, nil)
		}
		name := fmt.Sprint("channel/", publishers.Add(1))
		take := subscribersOf(b, h, name, subscribers)
		for i := 1; pb.Next(); i++ {
			if _, _, err := h.Publish(b.Context(), hub.Message{Channel: name, Kind: hub.Binary, Data: data}); err != nil {
				b.Fatal(err)
			}
			if i%32 == 0 { // before a session's queue is full and history has to be read
				take()
			}
		}
	})
}

// BenchmarkSubscribe adds and removes one of many subscribers.
func BenchmarkSubscribe(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprint("subscribers=", n), func(b *testing.B) {
			h := newHub(b, nil, nil)
			subscribers(b, h, n)
			s, err := h.Connect("test", nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				s.Subscribe(0, "c", hub.SubscribeOptions{})
				s.Unsubscribe(0, "c")
			}
		})
	}
}
