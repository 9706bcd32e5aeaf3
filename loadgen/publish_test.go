package loadgen

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// taking answers each POST after what before does.
func taking(before func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		before()
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"position":"e:1"}`)
	}
}

// The schedule is kept over any number of connections, and every request of it is
// a sample.
func TestPublishCounts(t *testing.T) {
	for _, connections := range []int{1, 7} {
		synctest.Test(t, func(t *testing.T) {
			var posts atomic.Int64
			m := newHTTPMemory(taking(func() { posts.Add(1); time.Sleep(time.Millisecond) }))
			r, err := Publish(t.Context(), "http://memory/channels/x", Options{Connections: connections, Rate: 100, Duration: 5 * time.Second, Warmup: time.Second, dialHTTP: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.stop()
			if r.Latency.Count != 500 || r.Messages.Sent != 500 || r.Messages.Received != 500 || posts.Load() != 601 || len(r.Errors) > 0 || len(r.Notes) > 0 || r.Connections.AtEnd != connections {
				t.Errorf("%d samples of %d posts, %+v, %+v, %+v, %v", r.Latency.Count, posts.Load(), r.Messages, r.Errors, r.Connections, r.Notes)
			}
			if want := "This server keeps up with 100 requests with 128 bytes a second on "; !strings.HasPrefix(r.Verdict, want) || r.Limit != LimitLoad || r.Latency.Max > 1.1 {
				t.Errorf("%s: %s", r.Limit, r.Verdict)
			}
		})
	}
}

// A server that stalls has the requests wait that are due meanwhile. In an open
// loop all of them are counted, and in a closed loop one for each connection.
func TestPublishStallIsNotOmitted(t *testing.T) {
	for _, rate := range []float64{100, 0} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			turn := make(chan struct{}, 1)
			stall := sync.OnceFunc(func() { time.Sleep(time.Second) })
			m := newHTTPMemory(taking(func() {
				turn <- struct{}{} // one at a time
				defer func() { <-turn }()
				time.Sleep(time.Millisecond)
				if time.Since(began) > 5*time.Second {
					stall()
				}
			}))
			r, err := Publish(t.Context(), "http://memory/", Options{Connections: 4, Rate: rate, Duration: 10 * time.Second, Warmup: time.Second, dialHTTP: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.stop()
			if len(r.Errors) > 0 || r.Latency.Max < 990 || r.Latency.Max > 1110 {
				t.Errorf("rate %v: %+v, max %v", rate, r.Errors, r.Latency.Max)
			}
			if rate == 0 {
				if r.Latency.P99 > 5 || r.Latency.Count < 8000 {
					t.Errorf("closed: %+v", r.Latency)
				}
				return
			}
			if r.Latency.Count != 1000 || r.Latency.P99 < 850 || r.Latency.P90 > 200 || r.Own.Lateness.Max > 1 {
				t.Errorf("open: %+v, late %v", r.Latency, r.Own.Lateness.Max)
			}
		})
	}
}

// A refused publication is counted with what the server says, and is no sample.
func TestPublishFailures(t *testing.T) {
	for _, rate := range []float64{20, 0} {
		synctest.Test(t, func(t *testing.T) {
			var posts atomic.Int64
			m := newHTTPMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch n := posts.Add(1); {
				case n > 1 && n%10 == 5:
					http.Error(w, "slow\ndown", http.StatusTooManyRequests)
				case n > 1 && n%10 == 7:
					panic(http.ErrAbortHandler)
				default:
					taking(func() { time.Sleep(50 * time.Millisecond) })(w, r)
				}
			}))
			r, err := Publish(t.Context(), "http://memory/", Options{Connections: 1, Rate: rate, Duration: 10 * time.Second, Warmup: NoWarmup, dialHTTP: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.stop()
			kinds, n := errorsOf(r), (posts.Load()+5)/10
			refused, lost := kinds["not taken: the server answered 429"], kinds["connection lost: ended by the server"]
			if refused < n-2 || refused > n+2 || lost < n-2 || lost > n+2 || len(kinds) != 2 {
				t.Errorf("rate %v: %+v of %d posts", rate, r.Errors, posts.Load())
			}
			for _, e := range r.Errors {
				if strings.Contains(e.Kind, "429") && e.Example != "the server answered 429 Too Many Requests: slow down" {
					t.Errorf("%q", e.Example)
				}
			}
			if r.Latency.Count+refused+lost != r.Messages.Sent || r.Latency.Min < 49 || r.Connections.AtEnd != 1 {
				t.Errorf("rate %v: %d samples of %+v, %+v", rate, r.Latency.Count, r.Messages, r.Connections)
			}
		})
	}
}

// A server that does not answer is waited for as long as was said, and what is
// missing is counted.
func TestPublishNoAnswer(t *testing.T) {
	for _, rate := range []float64{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var posts atomic.Int64
			m := newHTTPMemory(taking(func() {
				time.Sleep(time.Millisecond)
				if posts.Add(1) > 4 {
					<-release
				}
			}))
			began := time.Now()
			r, err := Publish(t.Context(), "http://memory/", Options{Connections: 2, Rate: rate, Warmup: NoWarmup, Duration: 4 * time.Second, Drain: 7 * time.Second, dialHTTP: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < 11*time.Second || took > 12*time.Second {
				t.Errorf("it took %v, want 4 s and the drain time of 7 s", took)
			}
			close(release)
			m.stop()
			kinds := errorsOf(r)
			if kinds["no answer in time"] != 2 || rate > 0 && kinds["not sent in time"] != 20-3-2 || r.Messages.Received != 3 {
				t.Errorf("rate %v: %+v with %d received", rate, r.Errors, r.Messages.Received)
			}
		})
	}
}

// An interrupt ends a run with what was measured, whatever is in flight.
func TestPublishInterrupted(t *testing.T) {
	for _, rate := range []float64{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			m := newHTTPMemory(taking(func() { time.Sleep(30 * time.Millisecond) }))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			r, err := Publish(ctx, "http://memory/", Options{Connections: 2, Rate: rate, Duration: time.Hour, Warmup: time.Second, dialHTTP: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.stop()
			if !r.Interrupted || r.Seconds < 3.9 || r.Seconds > 4.1 || r.Latency == nil || len(r.Errors) > 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// On real sockets, every kind of answer is understood.
func TestPublishOfEveryKind(t *testing.T) {
	plain := serveHTTP(t, httptest.NewServer, taking(func() {}))
	secure := serveHTTP(t, httptest.NewTLSServer, taking(func() {}))
	closing := serveHTTP(t, httptest.NewServer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		taking(func() {})(w, r)
	}))
	chunked := serveHTTP(t, httptest.NewServer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range 3 {
			_, _ = io.WriteString(w, "and so on ")
			_ = http.NewResponseController(w).Flush()
		}
	}))
	for name, c := range map[string]struct {
		url    string
		change func(*Options)
	}{
		"length":       {plain, func(*Options) {}},
		"one byte":     {plain, func(o *Options) { o.Size = 1 }},
		"large":        {plain, func(o *Options) { o.Size, o.Connections = 5_000_000, 2 }}, // more than the sockets hold
		"open":         {plain, func(o *Options) { o.Rate = 500 }},
		"ramp":         {plain, func(o *Options) { o.Ramp = 100 }},
		"chunked":      {chunked, func(*Options) {}},
		"closing":      {closing, func(*Options) {}},
		"closing, due": {closing, func(o *Options) { o.Rate = 200 }},
		"TLS":          {secure, func(o *Options) { o.TLS = &tls.Config{InsecureSkipVerify: true} }},
		"TLS, large":   {secure, func(o *Options) { o.TLS, o.Size = &tls.Config{InsecureSkipVerify: true}, 1_000_000 }},
		"Godwit":       {channels(t), func(*Options) {}},
		"Godwit, open": {channels(t), func(o *Options) { o.Rate = 300 }},
	} {
		if testing.Short() && name != "Godwit" && name != "closing" && name != "large" {
			continue // each takes its third of a second
		}
		o := short()
		c.change(&o)
		r, err := Publish(t.Context(), c.url, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// One large request may take a busy machine longer than is measured.
		if len(r.Errors) > 0 || o.Size < 1_000_000 && (r.Latency == nil || r.Messages.Sent == 0) || r.Opening.Count != int64(o.Connections) {
			t.Errorf("%s: %+v, %+v, %+v", name, r.Errors, r.Messages, r.Connections)
		}
		if o.Rate > 0 && r.Latency.Count != int64(o.Rate*o.Duration.Seconds()) {
			t.Errorf("%s: %d samples, want %v", name, r.Latency.Count, o.Rate*o.Duration.Seconds())
		}
		if closes := strings.HasPrefix(name, "closing"); (len(r.Notes) > 0) != closes || closes && !strings.Contains(r.Notes[0], "they were opened again") {
			t.Errorf("%s: %v", name, r.Notes)
		}
	}
}

// A search finds what a server does that takes one request at a time, 10 ms each.
func TestFindPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1)
		m := newHTTPMemory(taking(func() {
			turn <- struct{}{}
			time.Sleep(10 * time.Millisecond)
			<-turn
		}))
		r, err := Find(t.Context(), KindPublish, "http://memory/", Options{Connections: 50, Duration: time.Second, Drain: time.Minute, dialHTTP: m.dial}, Goal{Find: FindRate, P99: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		m.stop()
		if s := r.Search; s.Found < 94 || s.Found > 100 || s.Missed > 110 {
			t.Errorf("%+v", s)
		}
	})
}

// A socket sends what there is no room for later, in order, from a loop as from a
// goroutine.
func TestSocketSends(t *testing.T) {
	for _, loops := range []bool{true, false} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		all, err := newSockets(loops)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		heard := &recorded{end: make(chan error, 1)}
		c, err := all.adopt(conn, heard)
		if err != nil {
			t.Fatal(err)
		}
		const parts, size = 400, 25_000
		for i := range parts {
			c.send([]byte(strings.Repeat(string(rune('a'+i%26)), size)))
		}
		got := make([]byte, parts*size)
		if _, err := io.ReadFull(peer, got); err != nil {
			t.Fatal(err)
		}
		for i := range parts {
			if c := string(rune('a' + i%26)); strings.Count(string(got[i*size:][:size]), c) != size {
				t.Fatalf("part %d is not all %q", i, c)
			}
		}
		if _, err := io.WriteString(peer, "hello"); err != nil {
			t.Fatal(err)
		}
		_ = peer.Close()
		if err := <-heard.end; err != io.EOF || heard.text != "hello" {
			t.Errorf("%v, %q", err, heard.text)
		}
		c.send([]byte("too late"))
		if c.close() {
			t.Error("it was open still")
		}
		all.close()
		late, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all.adopt(late, heard); err == nil {
			t.Error("sockets that are closed took one more")
		}
		_ = ln.Close()
	}
}

// recorded keeps what it is told.
type recorded struct {
	text string
	end  chan error
}

func (r *recorded) receive(b []byte) error { r.text += string(b); return nil }
func (r *recorded) ended(err error)        { r.end <- err }

// A request and its answer cost no memory.
func TestAllocPerPost(t *testing.T) {
	r, err := prepare(KindPublish, "http://h/", Options{Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := &publish{run: r, payloads: newPayloads(r.o.Size, "")}
	p.until = time.Hour
	p.ending, p.end = context.WithCancel(t.Context())
	defer p.end()
	request, err := p.o.publication("http://h/", p.payloads)
	if err != nil {
		t.Fatal(err)
	}
	c := &publishConn{publish: p, request: request, shard: p.latency.shard(0), socket: &socket{closed: true}}
	c.goOn()
	answer := fmt.Appendf(nil, "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello")
	if n := testing.AllocsPerRun(1000, func() {
		if err := c.receive(answer); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for each request", n)
	}
	if c.number != 1002 {
		t.Errorf("%d were sent", c.number)
	}
}
