//go:build unix

package engine_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// feed is a handler whose connections all get the same, each in its own time: a
// connection that is woken writes what has come since it was woken last. What all
// of them have written is nobody's any more.
type feed struct {
	engine.NopHandler
	open chan *engine.Conn

	mu     sync.Mutex // guards what follows
	newest *entry     // never nil
	batch  [][]byte   // memory for OnWake
}

// entry is a frame of a feed.
type entry struct {
	frame []byte
	next  *entry
}

// reader is what a connection has written of a feed.
type reader struct{ last *entry }

func (f *feed) OnOpen(c *engine.Conn) {
	f.mu.Lock()
	c.SetValue(&reader{f.newest})
	f.mu.Unlock()
	f.open <- c
}

func (f *feed) OnWake(c *engine.Conn) {
	r := c.Value().(*reader)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batch = f.batch[:0]
	for e := r.last.next; e != nil; e = e.next {
		f.batch, r.last = append(f.batch, e.frame), e
	}
	_ = c.WriteFrames(f.batch...)
}

func (f *feed) add(frame []byte) {
	f.mu.Lock()
	f.newest.next = &entry{frame: frame}
	f.newest = f.newest.next
	f.mu.Unlock()
}

// fan is a server with members that read whatever comes.
type fan struct {
	server  *engine.Server
	feed    *feed
	members []*engine.Conn
	read    atomic.Int64 // bytes, of all members
	moved   chan struct{}
	clients []net.Conn
	readers sync.WaitGroup
}

func newFan(tb testing.TB, members int, options engine.Options) *fan {
	r := &feed{open: make(chan *engine.Conn, members), newest: &entry{}}
	f := &fan{feed: r, server: &engine.Server{Handler: r, Loops: 1, Options: options, Log: slog.New(slog.DiscardHandler)}, moved: make(chan struct{}, 1)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.server.Serve(ln) }()
	tb.Cleanup(func() {
		_ = f.server.Close()
		<-ended
		for _, c := range f.clients {
			c.Close()
		}
		f.readers.Wait()
	})
	for range members {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		f.clients = append(f.clients, c)
		if _, err := c.Write([]byte(opening)); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 129)); err != nil {
			tb.Fatal(err)
		}
		f.members = append(f.members, <-r.open)
		f.readers.Go(func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				f.read.Add(int64(n))
				select {
				case f.moved <- struct{}{}:
				default:
				}
			}
		})
	}
	return f
}

// await waits until the members have read so many bytes together.
func (f *fan) await(bytes int64) {
	for f.read.Load() < bytes {
		<-f.moved
	}
}

// publish tells all members of one more frame.
func (f *fan) publish(frame []byte) {
	f.feed.add(frame)
	for _, c := range f.members {
		c.Wake()
	}
}

// cpuTime is what this process has used of processors, in nanoseconds.
func cpuTime(tb testing.TB) int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// BenchmarkFanout sends windows of messages to all members, and waits until all
// have read them: each writes what it is owed when it is woken, or everything is
// written to each. The members read in this process, so its processor time is
// theirs, too.
func BenchmarkFanout(b *testing.B) {
	for _, members := range []int{10, 100, 1000} {
		for _, shape := range []struct{ size, window int }{{63, 1}, {63, 64}, {1024, 16}, {16 << 10, 4}} {
			payload := []byte(strings.Repeat("x", shape.size))
			m := prepare(b, engine.MessageBinary, string(payload))
			options := engine.Options{QueueBytesMax: 64 << 20}
			run := func(name string, publish func(f *fan)) {
				b.Run(fmt.Sprintf("%d members/%d B by %d/%s", members, shape.size, shape.window, name), func(b *testing.B) {
					f := newFan(b, members, options)
					frame := 2
					if shape.size > 125 {
						frame = 4
					}
					turn := int64((shape.size + frame) * shape.window * members)
					var sent int64
					b.ReportAllocs()
					began := cpuTime(b)
					for b.Loop() {
						for range shape.window {
							publish(f)
						}
						sent += turn
						f.await(sent)
					}
					deliveries := float64(b.N) * float64(shape.window*members)
					b.ReportMetric(float64(cpuTime(b)-began)/deliveries, "cpu-ns/delivery")
					b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
				})
			}
			frame := wire.AppendFrame(nil, true, wire.Binary, payload)
			run("woken", func(f *fan) { f.publish(frame) })
			run("prepared", func(f *fan) {
				for _, c := range f.members {
					if err := c.WritePrepared(m); err != nil {
						b.Fatal(err)
					}
				}
			})
			run("write", func(f *fan) {
				for _, c := range f.members {
					if err := c.Write(engine.MessageBinary, payload); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// Telling all of a message allocates its place in the feed, however many there are.
func TestFanoutAllocations(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second or more")
	}
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, members := range []int{1, 50} {
		for name, messages := range map[string][]int{"one small": {63}, "burst": {63, 63, 1000, 63}, "large": {20_000}, "burst of large ones": {40_000, 20_000, 100, 40_000}} {
			t.Run(fmt.Sprintf("%d members, %s", members, name), func(t *testing.T) {
				f := newFan(t, members, engine.Options{})
				var frames [][]byte
				turn := 0
				for _, size := range messages {
					frames = append(frames, wire.AppendFrame(nil, true, wire.Binary, []byte(strings.Repeat("x", size))))
					turn += members * len(frames[len(frames)-1])
				}
				sent := int64(0)
				publish := func() {
					for _, frame := range frames {
						f.publish(frame)
					}
					sent += int64(turn)
					f.await(sent)
				}
				for range 100 { // pools fill
					publish()
				}
				if got := testing.AllocsPerRun(200, publish); got > float64(len(messages)) {
					t.Errorf("%v allocations for %d messages", got, len(messages))
				}
			})
		}
	}
}
