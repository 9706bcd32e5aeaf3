//go:build linux

package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// soakChild in the environment makes a run of this test the server of another.
const soakChild = "GODWIT_SOAK_SERVER"

// soakFigures are what a server under soak tells of itself.
type soakFigures struct {
	Conns, Descriptors, Goroutines int
	HeapBytes, ResidentBytes       int
	QueueBytes                     int
	Messages, Accepted, Panics     uint64
}

// TestSoak holds a server in a process of its own to what it had at rest: clients
// come and go, do not read, flood, send what is large, listen, vanish, speak TLS,
// and keep workers busy. GODWIT_SOAK says for how long, as 10m; make soak sets it.
func TestSoak(t *testing.T) {
	if os.Getenv(soakChild) != "" {
		soakServer(t)
		return
	}
	length, err := time.ParseDuration(os.Getenv("GODWIT_SOAK"))
	if err != nil {
		t.Skip("it takes minutes: make soak, or GODWIT_SOAK=2m")
	}
	out, _ := child(t, "TestSoak", soakChild+"=1")
	at := soakAddresses{plain: line(t, out), secure: line(t, out)}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()

	// The first tenth fills pools and tables.
	warm, end := context.WithTimeout(ctx, length/10)
	soakClients(warm, at)
	end()
	before := soakRest(t, at.plain)
	t.Logf("at rest after %v: %+v", length/10, before)

	soakClients(ctx, at)
	after := soakRest(t, at.plain)
	t.Logf("at rest after %v: %+v", length, after)
	if after.Descriptors > before.Descriptors || after.Goroutines > before.Goroutines || after.QueueBytes != 0 || after.Panics != 0 {
		t.Errorf("something is left: %+v, before %+v", after, before)
	}
	// Pools hold what was in use at once, tables have the size they grew to, and
	// neither depends on how long it goes on.
	if grown := after.HeapBytes - before.HeapBytes; grown > 2<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if grown := after.ResidentBytes - before.ResidentBytes; grown > max(16<<20, before.ResidentBytes/4) {
		t.Errorf("%d resident bytes more than after a tenth of the time", grown)
	}
	if after.Accepted-before.Accepted < uint64(length/time.Second) || after.Messages-before.Messages < 10*uint64(length/time.Second) {
		t.Errorf("that was no load: %+v, before %+v", after, before)
	}
}

// soakServer is an echo, figures for each request, and a hundred publications a
// second to the listeners, until standard input ends.
func soakServer(t *testing.T) {
	h := &soakHandler{conns: map[*engine.Conn]bool{}}
	blocking := engine.Blocking(soakWaits{h})
	s := &engine.Server{Handler: h, Loops: 2, Workers: 8, Log: slog.New(slog.DiscardHandler), HandshakeTimeout: 2 * time.Second}
	s.Options = engine.Options{Compression: &deflate.Options{}, CloseTimeout: time.Second, WriteTimeout: 2 * time.Second,
		PingInterval: time.Second, PingTimeout: 2 * time.Second, QueueBytesMax: 256 << 10, MessageBytesMax: 4 << 20}
	s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_ = json.NewEncoder(w).Encode(soakCount(s))
	})
	s.Admit = func(r *engine.Request) (a engine.Admission) {
		if r.Path() == "/waits" {
			a.Handler = blocking
		}
		return a
	}
	var listeners [2]net.Listener
	for i := range listeners {
		var err error
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		fmt.Println(listeners[i].Addr())
	}
	config := newAuthority(t).server(t)
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(listeners[0]) }()
	go func() { ended <- s.ServeTLS(listeners[1], config) }()
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	news := []byte(strings.Repeat("to all who listen ", 7))
	frame := wire.AppendFrame(nil, true, wire.Text, news)
	var err error
	if h.news, err = engine.Prepare(engine.MessageText, news); err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			h.publish(frame)
		case <-ctx.Done():
		}
	}
	_ = s.Close()
	for range listeners {
		if err := <-ended; err != engine.ErrServerClosed {
			t.Error(err)
		}
	}
}

func soakCount(s *engine.Server) (f soakFigures) {
	runtime.GC()
	runtime.GC() // the second empties what pools have kept through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.HeapBytes, f.Goroutines, f.Descriptors, f.Conns = int(m.HeapAlloc), runtime.NumGoroutine(), descriptors(), s.Len()
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size, resident int
		_, _ = fmt.Sscan(string(b), &size, &resident)
		f.ResidentBytes = resident * os.Getpagesize()
	}
	for _, l := range s.Stats() {
		f.QueueBytes += l.QueueBytes
		f.Messages += l.MessagesIn + l.MessagesOut
		f.Accepted += l.Accepted
		f.Panics += l.Panics
	}
	return f
}

// soakHandler is an echo that knows which connections want to listen.
type soakHandler struct {
	engine.NopHandler
	news *engine.Prepared

	mu    sync.Mutex            // guards conns
	conns map[*engine.Conn]bool // true: it is woken, and writes the news itself
}

// soakWaits takes a while for each message.
type soakWaits struct{ *soakHandler }

func (h soakWaits) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	<-time.After(time.Millisecond)
	h.soakHandler.OnMessage(c, typ, p)
}

func (h *soakHandler) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	said := string(p)
	if said != "join" && said != "listen" {
		_ = c.Write(typ, p) // a peer that does not keep up misses it
		return
	}
	h.mu.Lock()
	h.conns[c] = said == "join"
	h.mu.Unlock()
}

func (h *soakHandler) OnClose(c *engine.Conn, _ *engine.CloseError) {
	h.mu.Lock()
	delete(h.conns, c)
	h.mu.Unlock()
}

func (h *soakHandler) publish(frame []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c, woken := range h.conns {
		if woken {
			c.Wake()
			continue
		}
		_ = c.WriteFrames(frame) // a peer that does not keep up misses it
	}
}

// OnWake implements engine.Waker.
func (h *soakHandler) OnWake(c *engine.Conn) { _ = c.WritePrepared(h.news) }

// soakRest waits until nobody but the request that asks is connected.
func soakRest(t *testing.T, address string) soakFigures {
	t.Helper()
	ctx := within(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for pause := time.NewTicker(100 * time.Millisecond); ; {
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var f soakFigures
		err = json.NewDecoder(response.Body).Decode(&f)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if f.Conns == 0 {
			pause.Stop()
			return f
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			t.Fatalf("they do not leave: %+v", f)
		}
	}
}

// soakAddresses are where the server listens.
type soakAddresses struct{ plain, secure string }

// soakClients are all kinds of clients until ctx ends.
func soakClients(ctx context.Context, at soakAddresses) {
	var clients sync.WaitGroup
	var seed atomic.Uint64
	run := func(n int, address string, life func(context.Context, string, *rand.Rand)) {
		for range n {
			rnd := rand.New(rand.NewPCG(seed.Add(1), 3))
			clients.Go(func() {
				for ctx.Err() == nil {
					life(ctx, address, rnd)
				}
			})
		}
	}
	run(8, at.plain, func(ctx context.Context, address string, rnd *rand.Rand) { churn(ctx, address, rnd) })
	run(4, at.plain, soakAbort)
	run(4, at.plain, soakDeaf)
	run(2, at.plain, soakFlood)
	run(2, at.plain, soakLarge)
	run(40, at.plain, soakListen)
	run(8, at.secure, soakSecure)
	run(2, at.secure, soakAbort) // in the middle of a handshake
	run(4, at.plain, soakWait)
	clients.Wait()
}
