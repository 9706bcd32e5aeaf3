package engine_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// scalingChild in the environment makes a run of TestScalingClients the clients of
// a benchmark: an address, and how many.
const scalingChild = "GODWIT_SCALING"

// TestScalingClients is the other process of BenchmarkConns.
func TestScalingClients(t *testing.T) {
	var address string
	var n int
	if _, err := fmt.Sscan(os.Getenv(scalingChild), &address, &n); err != nil {
		t.Skip("it is the other process of BenchmarkConns")
	}
	clients := openClients(t, address, n)
	fmt.Println("ready")
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	// As many messages are under way however many connections there are: each of
	// a hundred goroutines goes through its share of them.
	const together = 100
	frame := masked(true, wire.Binary, strings.Repeat("x", 64))
	var all sync.WaitGroup
	for first := range together {
		all.Go(func() {
			reply := make([]byte, 66)
			for i := first; ; i += together {
				select {
				case <-stop:
					return
				default:
				}
				if !echoOnce(t, clients[i%n], frame, reply) {
					return
				}
			}
		})
	}
	all.Wait()
}

// What a message costs with so many connections, however many are busy at a time.
// The clients are another process; cpu-ns/echo is the processor time of this one.
func BenchmarkConns(b *testing.B) {
	for _, n := range []int{1000, 5000, 10_000, 19_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(n+200) {
				b.Skipf("the limit of open files is %d", limit.Cur)
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			s := &engine.Server{Handler: echo{}}
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(ln) }()
			defer func() { <-ended }()
			defer s.Close()
			out, end := child(b, "TestScalingClients", fmt.Sprintf("%s=%s %d", scalingChild, ln.Addr(), n))
			if said := line(b, out); said != "ready" {
				b.Fatal(said)
			}
			echoes := func() (sum uint64) {
				for _, l := range s.Stats() {
					sum += l.MessagesIn
				}
				return sum
			}
			pause := time.NewTicker(time.Millisecond)
			defer pause.Stop()
			until := func(target uint64) uint64 {
				for {
					if now := echoes(); now >= target {
						return now
					}
					<-pause.C
				}
			}
			first := until(uint64(n)) // everybody has had a turn
			b.ResetTimer()
			began := processorTime(b)
			last := until(first + uint64(b.N))
			spent := processorTime(b) - began
			b.StopTimer()
			b.ReportMetric(float64(spent.Nanoseconds())/float64(last-first), "cpu-ns/echo")
			end()
			_, _ = io.Copy(io.Discard, out) // the clients leave before the server does
		})
	}
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
