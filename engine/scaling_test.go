package engine_test

import (
	"io"
	"net"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// openClients opens n WebSockets, of nothing but a socket each.
func openClients(t testing.TB, address string, n int) []net.Conn {
	clients := make([]net.Conn, n)
	for i := range clients {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte(opening)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 129)); err != nil {
			t.Fatal(err)
		}
		clients[i] = c
	}
	return clients
}

// echoOnce sends frame and takes the reply, and reports whether it came.
func echoOnce(t testing.TB, c net.Conn, frame, reply []byte) bool {
	if _, err := c.Write(frame); err != nil {
		t.Error(err)
		return false
	}
	if _, err := io.ReadFull(c, reply); err != nil {
		t.Error(err)
		return false
	}
	return true
}

// echoTogether has n clients echo messages of 64 bytes through two loops, each
// client at its own pace, and returns how long that took.
func echoTogether(t testing.TB, n, messages int) time.Duration {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &engine.Server{Handler: echo{}, Loops: 2}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	defer func() { <-ended }()
	defer s.Close()
	clients := openClients(t, ln.Addr().String(), n)
	frame := masked(true, wire.Binary, strings.Repeat("x", 64))
	began := time.Now()
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			reply := make([]byte, 66)
			for range messages {
				if !echoOnce(t, c, frame, reply) {
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

// Loops share nothing that they wait for: what goroutines wait for locks while two
// of them are busy is next to nothing.
func TestLoopsDoNotContend(t *testing.T) {
	waited := func() time.Duration {
		sample := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
		metrics.Read(sample)
		return time.Duration(sample[0].Value.Float64() * float64(time.Second))
	}
	before := waited()
	took := echoTogether(t, 16, 2000)
	// Of two processors' time, one part in fifty: the runtime's own locks count, too.
	if w := waited() - before; w > 2*took/50 {
		t.Errorf("goroutines waited %v for locks in %v", w, took)
	}
}

// Two loops and two times eight clients: the profiles of -mutexprofile and
// -blockprofile show what they wait for.
func BenchmarkTwoLoops(b *testing.B) {
	took := echoTogether(b, 16, max(b.N/16, 1))
	b.ReportMetric(float64(took.Nanoseconds())/float64(max(b.N, 16)), "ns/echo")
}
