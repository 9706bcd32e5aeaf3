package natsbroker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/natstest"
)

// BenchmarkPublish compares a publication through the broker with one through
// nats.go's asynchronous publisher, as it is in its documentation: the same stream, IDs,
// payload and number without an answer. cpu-ns/op is CPU time of this process, and
// server-cpu-ns/op that of nats-server.
func BenchmarkPublish(b *testing.B) {
	const channels, atOnce, payload = 100, 1000, 128
	s := natstest.Start(b, natstest.Config{})
	data := []byte(strings.Repeat("x", payload))
	b.Run("through=broker", func(b *testing.B) {
		broker := newBroker(b, Options{URLs: []string{s.URL()}, HistoryBytesMax: 64 << 20})
		if err := broker.Start(receiverFunc(func(*hub.Publication) {})); err != nil {
			b.Fatal(err)
		}
		defer broker.Close()
		names := make([]string, channels)
		for i := range names {
			names[i] = fmt.Sprint("chat/room-", i)
		}
		c := &semaphore{free: make(chan struct{}, atOnce), b: b}
		m := hub.Message{Channel: names[0], Kind: hub.Text, Data: data}
		broker.Publish(m, hub.Retention{Count: 1000, Age: 10 * time.Minute}, c.take(), 0)
		c.wait()
		measure(b, s, func() {
			for i := range b.N {
				m.Channel = names[i%channels]
				broker.Publish(m, hub.Retention{Count: 1000, Age: 10 * time.Minute}, c.take(), uint64(i))
			}
			c.wait()
		})
		if err := broker.js.DeleteStream(b.Context(), broker.names.stream); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("through=nats.go", func(b *testing.B) {
		broker := newBroker(b, Options{URLs: []string{s.URL()}, HistoryBytesMax: 64 << 20}) // for its configuration
		nc, err := nats.Connect(s.URL())
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(atOnce))
		if err != nil {
			b.Fatal(err)
		}
		broker.nc = nc
		if _, err := js.CreateStream(b.Context(), broker.made()); err != nil {
			b.Fatal(err)
		}
		names := make([]string, channels)
		for i := range names {
			names[i] = broker.names.subject(fmt.Sprint("chat/room-", i))
		}
		measure(b, s, func() {
			var wg sync.WaitGroup
			futures := make(chan jetstream.PubAckFuture, atOnce)
			wg.Go(func() {
				for f := range futures {
					select {
					case <-f.Ok():
					case err := <-f.Err():
						b.Error(err)
					}
				}
			})
			for i := range b.N {
				f, err := js.PublishMsgAsync(&nats.Msg{Subject: names[i%channels], Data: data, Header: nats.Header{metaHeader: {"1 t 1000 600000"}}},
					jetstream.WithMsgID("AAAAAAAAAAAA."+strconv.Itoa(i)), jetstream.WithStallWait(patience))
				if err != nil {
					b.Fatal(err)
				}
				futures <- f
			}
			close(futures)
			wg.Wait()
		})
		if err := js.DeleteStream(b.Context(), broker.names.stream); err != nil {
			b.Fatal(err)
		}
		if err := broker.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

// semaphore is a Completer that lets so many publications be without an outcome.
type semaphore struct {
	free chan struct{}
	b    *testing.B
}

func (s *semaphore) take() *semaphore {
	s.free <- struct{}{}
	return s
}

func (s *semaphore) wait() {
	for range cap(s.free) {
		s.free <- struct{}{}
	}
	for range cap(s.free) {
		<-s.free
	}
}

// Published implements hub.Completer.
func (s *semaphore) Published(_ uint64, p hub.Published) {
	if p.Err != nil {
		s.b.Error(p.Err)
	}
	<-s.free
}

// measure runs do and reports what it took of both processes.
func measure(b *testing.B, s *natstest.Server, do func()) {
	b.ReportAllocs()
	own, other := processCPU("self"), processCPU(strconv.Itoa(s.PID()))
	b.ResetTimer()
	do()
	b.StopTimer()
	b.ReportMetric(float64(processCPU("self")-own)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(processCPU(strconv.Itoa(s.PID()))-other)/float64(b.N), "server-cpu-ns/op")
}

// processCPU is the CPU time of a process, in steps of 10 ms; 0 where there is no /proc.
func processCPU(pid string) time.Duration {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
