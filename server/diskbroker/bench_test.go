package diskbroker

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// window is a publisher that has so many publications without an answer at a time.
type window struct {
	room   chan struct{}
	failed atomic.Pointer[error]
}

func (w *window) Published(_ uint64, p hub.Published) {
	if p.Err != nil {
		w.failed.Store(&p.Err)
	}
	<-w.room
}

type nobody struct{}

func (nobody) Receive(*hub.Publication) {}
func (nobody) Lost(string)              {}

// BenchmarkPublish is what a publication costs in memory, and beside it in a directory: by one publisher that waits for
// each answer, and by several that have many without an answer.
func BenchmarkPublish(b *testing.B) {
	brokers := []struct {
		name string
		make func(b *testing.B) (hub.Broker, error)
	}{
		{"memory", func(*testing.B) (hub.Broker, error) { return membroker.New(nil) }},
		{"interval", func(b *testing.B) (hub.Broker, error) { return New(&Options{Dir: b.TempDir()}) }},
		{"always", func(b *testing.B) (hub.Broker, error) { return New(&Options{Dir: b.TempDir(), SyncAlways: true}) }},
	}
	for _, publishers := range []struct{ count, window int }{{1, 1}, {1, 256}, {2, 256}, {64, 64}} {
		for _, broker := range brokers {
			b.Run(fmt.Sprintf("%dx%d/%s", publishers.count, publishers.window, broker.name), func(b *testing.B) {
				broker, err := broker.make(b)
				if err != nil {
					b.Fatal(err)
				}
				if err := broker.Start(nobody{}); err != nil {
					b.Fatal(err)
				}
				defer broker.Close()
				publish(b, broker, publishers.count, publishers.window)
			})
		}
	}
}

func publish(b *testing.B, broker hub.Broker, publishers, room int) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("rooms/%07d/chat", i)
	}
	data := make([]byte, 128)
	retention := hub.Retention{Count: 100, Age: time.Hour}
	b.ReportAllocs()
	began := cpuTime()
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range publishers {
		all.Go(func() {
			w := &window{room: make(chan struct{}, room)}
			for n := i; n < b.N; n += publishers {
				w.room <- struct{}{}
				broker.Publish(hub.Message{Channel: names[n%len(names)], Data: data}, retention, w, 0)
			}
			for range room {
				w.room <- struct{}{}
			}
			if err := w.failed.Load(); err != nil {
				b.Error(*err)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-began)/float64(b.N), "cpu-ns/op")
}

// BenchmarkOpen is how long it takes until a directory of 1,000,000 channels with a publication each can be used, from the
// log that was left and from the state; and how much memory they take then.
func BenchmarkOpen(b *testing.B) {
	if testing.Short() {
		b.Skip("a million channels take a while to be made")
	}
	const channels = 1_000_000
	for _, from := range []string{"log", "state"} {
		b.Run(from, func(b *testing.B) {
			o := Options{Dir: b.TempDir(), LogBytes: 1 << 40}
			o.Memory.HistoryBytesMax = 1 << 40
			broker, err := New(&o)
			if err != nil {
				b.Fatal(err)
			}
			if err := broker.Start(nobody{}); err != nil {
				b.Fatal(err)
			}
			w := &window{room: make(chan struct{}, 1024)}
			data := make([]byte, 128)
			for n := range channels {
				w.room <- struct{}{}
				broker.Publish(hub.Message{Channel: fmt.Sprintf("rooms/%07d/chat", n), Data: data}, hub.Retention{Count: 100, Age: time.Hour}, w, 0)
			}
			for range cap(w.room) {
				w.room <- struct{}{}
			}
			if from == "state" {
				if err := broker.renewState(); err != nil {
					b.Fatal(err)
				}
			}
			if err := broker.Close(); err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := cpuTime()
			b.ResetTimer()
			for range b.N {
				if broker, err = New(&o); err != nil {
					b.Fatal(err)
				}
				if err := broker.Start(nobody{}); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&after)
				if n := broker.Stats().Channels; n != channels {
					b.Fatalf("there are %d channels", n)
				}
				if err := broker.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(cpuTime()-began)/float64(b.N)/1e9, "cpu-s/op")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
		})
	}
}
