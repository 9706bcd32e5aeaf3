package diskbroker

import (
	"fmt"
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
