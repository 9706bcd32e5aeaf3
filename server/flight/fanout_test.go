package flight

import (
	"fmt"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// BenchmarkFanout publishes to many sessions that take it, with and without a Recorder:
// what the second costs more is what recording costs.
func BenchmarkFanout(b *testing.B) {
	for _, n := range []int{100, 1000} {
		for _, bytes := range []int{0, DefaultBytes} {
			b.Run(fmt.Sprintf("subscribers=%d/recorded=%v", n, bytes > 0), func(b *testing.B) {
				broker, err := membroker.New(nil)
				if err != nil {
					b.Fatal(err)
				}
				var o hub.Observer
				New(bytes).Observe(&o)
				h, err := hub.New(broker, &hub.Options{Observer: &o})
				if err != nil {
					b.Fatal(err)
				}
				defer h.Close()
				sessions := make([]*hub.Session, n)
				for i := range sessions {
					sessions[i] = connect(b, h, "ann")
					sessions[i].Subscribe(0, "chat", hub.SubscribeOptions{})
				}
				data := make([]byte, 128)
				var pushes []hub.Push
				b.ReportAllocs()
				for b.Loop() {
					publish(b, h, hub.Message{Channel: "chat", Data: data})
					for _, s := range sessions {
						if pushes, err = s.Take(pushes[:0]); err != nil || len(pushes) != 1 {
							b.Fatal(pushes, err)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
			})
		}
	}
}
