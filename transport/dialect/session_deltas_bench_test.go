package dialect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// BenchmarkDeltaFanout publishes rows of prices, of which a clock and a few change, to a
// thousand sessions: one publication is an operation, with everything but the sockets.
func BenchmarkDeltaFanout(b *testing.B) {
	for _, rows := range []int{5, 25, 250} {
		for _, wantsDeltas := range []bool{false, true} {
			b.Run(fmt.Sprintf("rows=%d/deltas=%t", rows, wantsDeltas), func(b *testing.B) { benchmarkFanout(b, rows, wantsDeltas) })
		}
	}
}

func benchmarkFanout(b *testing.B, rows int, wantsDeltas bool) {
	broker, err := membroker.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	h, err := hub.New(broker, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	const sessions = 1000
	edges := make([]*hub.Session, sessions)
	dialects := make([]*Session, sessions)
	var pushes []hub.Push
	var out Effects
	for i := range edges {
		edges[i], err = h.Connect("session", func() {})
		if err != nil {
			b.Fatal(err)
		}
		dialects[i] = NewSession(testSessionOptions())
		edges[i].Subscribe(1, "prices", hub.SubscribeOptions{Deltas: wantsDeltas})
	}
	bytes := 0
	take := func() {
		for i, edge := range edges {
			out.Reset()
			if pushes, err = edge.Take(pushes[:0]); err != nil {
				b.Fatal(err)
			}
			dialects[i].Push(epoch, pushes, &out)
			for _, frame := range out.Frames {
				bytes += len(frame)
			}
		}
	}
	take()
	payloads := make([][]byte, 64)
	for i := range payloads {
		var text strings.Builder
		fmt.Fprintf(&text, `{"time":%d,"rows":[`, int64(1_796_031_000_000)+int64(i)*250)
		for j := range rows {
			price := 10_000 + j*37
			if (i+j)%(1+rows/4) == 0 {
				price += i
			}
			fmt.Fprintf(&text, `{"symbol":"SYM%d","price":%d.%02d,"volume":%d},`, j, price/100, price%100, 5000+j)
		}
		payloads[i] = []byte(strings.TrimSuffix(text.String(), ",") + "]}")
	}
	next := 0
	publish := func() {
		next++
		if _, _, err := h.Publish(b.Context(), hub.Message{Channel: "prices", Kind: hub.JSON, Data: payloads[next%len(payloads)]}); err != nil {
			b.Fatal(err)
		}
		take()
	}
	publish()
	bytes = 0
	begin := time.Now()
	n := 0
	for b.Loop() {
		publish()
		n++
	}
	b.ReportMetric(float64(bytes)/float64(n)/sessions, "B/delivery")
	b.ReportMetric(float64(time.Since(begin).Nanoseconds())/float64(n)/sessions, "ns/delivery")
	b.ReportMetric(float64(len(payloads[1])), "B/payload")
}
