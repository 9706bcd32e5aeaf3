//go:build unix

package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/internal/jsonpointer"
	"github.com/godwit-io/godwit/server/bridge/feed"
	"github.com/godwit-io/godwit/ws"
)

// head is a message of the size of those that tell of a block.
func head(i int) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xaa","result":{"number":"0x%x","hash":"0x%064x","parentHash":"0x%064x","logsBloom":"0x%0512x","gasUsed":"0x1c9c380"}}}`, i, i, i-1, i)
}

// BenchmarkBridge is a message of 813 bytes from an upstream over loopback through a bridge to so many subscribers in the hub, whose
// pushes are taken and not sent. The one with "published" is the same without the bridge.
func BenchmarkBridge(b *testing.B) {
	for _, subscribers := range []int{0, 1000} {
		b.Run(fmt.Sprint("subscribers=", subscribers), func(b *testing.B) { benchmarkBridge(b, subscribers) })
	}
	b.Run("subscribers=1000/published", func(b *testing.B) {
		h, given, _ := someHub(b, 1000)
		message := head(1)
		data := message[strings.Index(string(message), `{"number"`) : len(message)-2]
		b.ReportAllocs()
		before := cpuTime(b)
		for b.Loop() {
			if _, _, err := h.Publish(context.Background(), hub.Message{Channel: "eth/heads", Kind: hub.JSON, Data: data}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		if given.Load() == 0 {
			b.Error("nobody was given anything")
		}
	})
}

// goal is told of publications.
type goal struct {
	left    atomic.Int64
	reached chan struct{}
}

// await waits until so many have been published.
func (g *goal) await(n int, begin func()) {
	g.left.Store(int64(n))
	begin()
	<-g.reached
}

func (g *goal) published(string, int, time.Duration) {
	if g.left.Add(-1) == 0 {
		g.reached <- struct{}{}
	}
}

// someHub is a hub with subscribers, which take what they are given.
func someHub(b *testing.B, subscribers int) (*hub.Hub, *atomic.Int64, *goal) {
	broker, err := membroker.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	g := &goal{reached: make(chan struct{}, 1)}
	h, err := hub.New(broker, &hub.Options{Observer: &hub.Observer{Published: g.published}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close() })
	given := new(atomic.Int64)
	for range subscribers {
		var s *hub.Session
		var pushes []hub.Push
		var err error
		s, err = h.Connect("bench", func() {
			if s != nil {
				pushes, _ = s.Take(pushes[:0])
				given.Add(int64(len(pushes)))
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		s.Subscribe(1, "eth/heads", hub.SubscribeOptions{})
		_, _ = s.Take(nil)
	}
	return h, given, g
}

func benchmarkBridge(b *testing.B, subscribers int) {
	h, _, goal := someHub(b, subscribers)
	begin := make(chan int)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.CloseNow()
		_, _, _ = conn.Read(r.Context())
		_ = conn.Write(r.Context(), ws.MessageText, []byte(`{"jsonrpc":"2.0","id":1,"result":"0xaa"}`))
		message := head(1)
		for n := range begin {
			for range n {
				if conn.Write(r.Context(), ws.MessageText, message) != nil {
					return
				}
			}
		}
	}))
	defer upstream.Close()
	defer close(begin)
	request, err := feed.ParseRequest(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)
	if err != nil {
		b.Fatal(err)
	}
	channel, err := feed.ParseChannel("eth/heads")
	if err != nil {
		b.Fatal(err)
	}
	bridges := New(h, nil, slog.New(slog.DiscardHandler))
	bridges.Replace([]*Spec{{
		Feed: feed.Spec{
			Name: "eth", AnswerTimeout: DefaultTimeout, RetryMin: DefaultBackoffMin, RetryMax: DefaultBackoffMax, ChannelsMax: 10,
			Subscriptions: []feed.Subscription{{Send: request, Channel: channel, Data: mustPointer(b, "/params/result")}},
		},
		URL: "ws" + strings.TrimPrefix(upstream.URL, "http"), MessageBytes: DefaultMessageBytes, Ping: DefaultPing, Timeout: DefaultTimeout,
		BackoffMin: DefaultBackoffMin, BackoffMax: DefaultBackoffMax,
	}})
	defer bridges.Close(context.Background())
	goal.await(1, bridges.Start) // the gap that it begins with
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	goal.await(b.N, func() { begin <- b.N })
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime is how long this process has had a processor.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func mustPointer(b *testing.B, text string) jsonpointer.Pointer {
	p, err := jsonpointer.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	return p
}
