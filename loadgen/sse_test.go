package loadgen

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Every stream gets every publication, and every delivery is a sample; also when
// several connections publish in turn.
func TestSSECounts(t *testing.T) {
	for _, publishers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			m := newHTTPMemory(&streamer{})
			o := Options{Connections: 20, Rate: 30, Duration: 5 * time.Second, Publishing: PublishOptions{Publishers: publishers}, dialHTTP: m.dial}
			r, err := SSE(t.Context(), "http://memory/channels/x?last=5", o)
			if err != nil {
				t.Fatal(err)
			}
			m.stop()
			if r.Latency.Count != 20*30*5 || r.Messages.Sent != 30*5 || r.Messages.Received != 20*30*5 || len(r.Errors) > 0 || len(r.Notes) > 0 || r.Connections.AtEnd != 20 {
				t.Errorf("%d samples, %+v, %+v, %+v, %v", r.Latency.Count, r.Messages, r.Errors, r.Connections, r.Notes)
			}
			if p := r.Publishing; p.Connections != publishers || p.Latency.Count != 30*5 || p.Busy != 0 || p.Reopened != 0 || r.Load.Publishers != publishers {
				t.Errorf("%+v", p)
			}
			if want := "This server holds 20 streams at 30 messages of 128 bytes a second, 600 deliveries in all, with p99 "; !strings.HasPrefix(r.Verdict, want) || r.Limit != LimitLoad {
				t.Errorf("%s: %s", r.Limit, r.Verdict)
			}
		})
	}
}

// A server that takes a second for one POST has the publications wait that are due
// meanwhile, and their latency counts from when they were due.
func TestSSEStallIsNotOmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stall := sync.OnceFunc(func() { time.Sleep(time.Second) })
		m := newHTTPMemory(&streamer{before: func(_ http.ResponseWriter, post int) bool {
			if post > 500 {
				stall()
			}
			return false
		}})
		r, err := SSE(t.Context(), "http://memory/", Options{Connections: 1, Rate: 100, Duration: 10 * time.Second, Warmup: time.Second, dialHTTP: m.dial})
		if err != nil {
			t.Fatal(err)
		}
		m.stop()
		if r.Latency.Count != 1000 || r.Latency.P99 < 850 || r.Latency.P99 > 1000 || r.Latency.P90 > 130 || r.Latency.Max < 990 || r.Latency.Max > 1010 || len(r.Errors) > 0 {
			t.Errorf("%+v, %+v", r.Latency, r.Errors)
		}
		if r.Own.Lateness.Max > 1 || r.Publishing.Latency.Max < 990 || r.Publishing.Busy < 0.09 || r.Publishing.Busy > 0.11 {
			t.Errorf("late %v, %+v", r.Own.Lateness.Max, r.Publishing)
		}
	})
}

// In a closed loop the window bounds the publications under way, and the publishers' own
// requests may be what there is least of.
func TestSSEWindow(t *testing.T) {
	for publishers, want := range map[int]int64{1: 200, 4: 600} {
		synctest.Test(t, func(t *testing.T) {
			m := newHTTPMemory(&streamer{before: func(http.ResponseWriter, int) bool { time.Sleep(5 * time.Millisecond); return false }})
			r, err := SSE(t.Context(), "http://memory/", Options{Connections: 5, Window: 3, Duration: 2 * time.Second, Publishing: PublishOptions{Publishers: publishers}, dialHTTP: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.stop()
			// A POST takes 5 ms, and three are under way if there are as many publishers.
			if n := r.Latency.Count / 5 / 2; n < want-10 || n > want+10 || r.Latency.Max > 11 || len(r.Errors) > 0 {
				t.Errorf("%d publishers: %d publications a second, %+v, %+v", publishers, n, r.Latency, r.Errors)
			}
			if busy := r.Publishing.Busy; publishers == 1 && busy < 0.99 || publishers == 4 && (busy < 0.7 || busy > 0.8) {
				t.Errorf("%d publishers are busy for %v of the time", publishers, busy)
			}
		})
	}
}

// What does not arrive as it should is counted for what it is, and what the server
// did not take is nobody's loss.
func TestSSEFaults(t *testing.T) {
	one := func(body string) []string { return []string{"data: " + body + "\n\n"} }
	odd := func(stream, post int) bool { return stream == 2 && post%10 == 5 && post > 5 } // streams are counted from 1, as one was tried
	for name, c := range map[string]struct {
		server *streamer
		kind   string
		count  int64
		note   string
	}{
		"left out": {&streamer{events: func(stream, post int, body string) []string {
			if odd(stream, post) {
				return nil
			}
			return one(body)
		}}, "publication left out", 9, ""},
		"announced": {&streamer{events: func(stream, post int, body string) []string {
			if odd(stream, post) {
				return []string{"event: gap\ndata: {\"from\":\"e:1\",\"to\":\"e:2\"}\n\n"}
			}
			return one(body)
		}}, "publication left out, as the server announced", 9, "The server announced 9 gaps: "},
		"repeated": {&streamer{events: func(stream, post int, body string) []string {
			if odd(stream, post) {
				return append(one(body), one(body)...)
			}
			return one(body)
		}}, "repeated publication", 9, ""},
		"damaged": {&streamer{events: func(stream, post int, body string) []string {
			if odd(stream, post) {
				return one(body[:100] + "~" + body[101:])
			}
			return one(body)
		}}, ErrorDamaged, 9, ""},
		"two in one event": {&streamer{events: func(stream, post int, body string) []string {
			return []string{`data: ["` + body + `",` + "\ndata: \"x\"]\nevent: things\n\n", ":\n\n", "event: ping\ndata: {}\n\n"}
		}}, "", 0, ""},
		"another run": {&streamer{events: func(stream, post int, body string) []string {
			other := string(*newPayloads(200, publishMarker).take(0, uint64(post)+50))
			return append(one(other), one(body)...)
		}}, "", 0, " messages of other runs came in between and do not count."},
		"ended": {&streamer{events: func(stream, post int, body string) []string {
			if stream == 2 && post == 50 {
				return append(one(body), "")
			}
			return one(body)
		}}, "connection lost: ended by the server", 1, ""},
		"refused": {&streamer{before: func(w http.ResponseWriter, post int) bool {
			if post%10 == 5 && post > 5 {
				http.Error(w, "too fast", http.StatusTooManyRequests)
				return true
			}
			return false
		}}, "publishing: the server answered 429", 9, ""},
		"held back": {&streamer{events: func(stream, post int, body string) []string {
			if stream == 2 && post > 80 {
				return nil
			}
			return one(body)
		}}, "not delivered in time", 20, ""},
	} {
		for _, rate := range []float64{20, 0} {
			if rate == 0 && (name == "held back" || name == "left out" || name == "announced" || name == "damaged") {
				continue // in a closed loop what one stream lacks holds up all until the next that it has
			}
			synctest.Test(t, func(t *testing.T) {
				m := newHTTPMemory(&streamer{events: c.server.events, before: func(w http.ResponseWriter, post int) bool {
					if rate == 0 {
						time.Sleep(50 * time.Millisecond)
					}
					return c.server.before != nil && c.server.before(w, post)
				}})
				r, err := SSE(t.Context(), "http://memory/", Options{Connections: 3, Rate: rate, Duration: 5 * time.Second, Warmup: NoWarmup, dialHTTP: m.dial})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				m.stop()
				kinds := errorsOf(r)
				if name == "ended" && kinds["not delivered, as the connection was lost"] > 0 {
					delete(kinds, "not delivered, as the connection was lost")
				}
				if got := kinds[c.kind]; got != c.count && got != c.count+1 || c.kind == "" && len(kinds) > 0 || len(kinds) > 1 {
					t.Errorf("%s at %v: %+v, want %d times %q", name, rate, r.Errors, c.count, c.kind)
				}
				if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, c.note) || c.note == "" && notes != "" {
					t.Errorf("%s at %v: %q, want %q", name, rate, notes, c.note)
				}
				if r.Latency == nil || r.Latency.Count < 200 {
					t.Errorf("%s at %v: %+v", name, rate, r.Latency)
				}
			})
		}
	}
}

// On real sockets, streams of every framing get every publication.
func TestSSEOfEveryKind(t *testing.T) {
	plain := serveHTTP(t, httptest.NewServer, &streamer{})
	secure := serveHTTP(t, httptest.NewTLSServer, &streamer{})
	// As Mercure has it: the publication is a field of a form.
	form := &streamer{events: func(_, _ int, body string) []string {
		return []string{"id: urn:uuid:x\ndata: " + strings.TrimPrefix(body, "topic=bench&data=") + "\n\n"}
	}}
	other := serveHTTP(t, httptest.NewServer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && (r.Method != http.MethodPut || r.URL.Path != "/pub" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Header.Get("X-Both") != "1" || r.Header.Get("X-Publish") != "1") {
			http.Error(w, "not like this", http.StatusBadRequest)
			return
		}
		form.ServeHTTP(w, r)
	}))
	for name, c := range map[string]struct {
		url    string
		change func(*Options)
	}{
		"chunked":      {plain, func(*Options) {}},
		"unframed":     {unframed(t), func(*Options) {}},
		"window":       {plain, func(o *Options) { o.Window, o.Publishing.Publishers = 16, 4 }},
		"open":         {plain, func(o *Options) { o.Rate = 100 }},
		"large":        {plain, func(o *Options) { o.Size = 200_000 }},
		"ramp":         {plain, func(o *Options) { o.Ramp = 100 }},
		"TLS":          {secure, func(o *Options) { o.TLS = &tls.Config{InsecureSkipVerify: true} }},
		"Godwit":       {channels(t), func(o *Options) { o.Window, o.Connections = 8, 20 }},
		"Godwit, open": {channels(t), func(o *Options) { o.Rate = 200 }},
		"other ways in": {other, func(o *Options) {
			o.Header = http.Header{"X-Both": {"1"}}
			o.Publishing = PublishOptions{URL: strings.Replace(other, "/channels/bench", "/pub", 1), Method: "PUT", Body: "topic=bench&data={payload}",
				Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Publish": {"1"}}}
		}},
	} {
		if testing.Short() && name != "Godwit" && name != "unframed" {
			continue // each takes its third of a second
		}
		o := short()
		c.change(&o)
		var r *Report
		var err error
		for ; o.Duration < 20*time.Second; o.Duration *= 4 { // on a busy machine nothing may happen in a third of a second
			if r, err = SSE(t.Context(), c.url, o); err != nil || len(r.Errors) > 0 || r.Messages.Received > 0 && r.Publishing.Latency != nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := max(o.Connections, 4)
		if len(r.Errors) > 0 || r.Latency == nil || r.Messages.Received == 0 || r.Connections.AtEnd != n || r.Opening.Count != int64(n) || r.Publishing.Latency == nil {
			t.Errorf("%s: %+v, %+v, %+v", name, r.Errors, r.Messages, r.Connections)
		}
		if o.Rate > 0 && r.Latency.Count != int64(o.Rate*o.Duration.Seconds())*int64(n) {
			t.Errorf("%s: %d samples, want %v", name, r.Latency.Count, o.Rate*o.Duration.Seconds()*float64(n))
		}
	}
}

// A publication that is decided on in the measured time is waited for, however long its publisher takes to come to it.
func TestDrainWaitsForPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{o: Options{Connections: 1, Window: 1, Size: 128, Drain: time.Minute}, began: time.Now(), latency: newRecorder()}
		b := newBroadcast(r, 1)
		b.audience.begin(0, []*membership{{}})
		b.measuring.Store(0)
		b.until = time.Second
		if !b.publishWhenFree(nil, 0, nil) {
			t.Fatal("an empty window has no room")
		}
		time.Sleep(time.Second)
		var drained atomic.Bool
		go func() {
			b.drain(t.Context())
			drained.Store(true)
		}()
		time.Sleep(time.Second)
		if drained.Load() {
			t.Error("it was not waited for")
		}
		if b.publishWhenFree(nil, 0, nil) {
			t.Error("another is published after the end")
		}
		b.working[0].Store(false) // as the publisher does that ends
		time.Sleep(time.Second)
		if !drained.Load() {
			t.Error("it is waited for what is over")
		}
	})
}

// A server that sends no publication is recognised.
func TestSSEOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newHTTPMemory(&streamer{events: func(int, int, string) []string { return nil }})
		_, err := SSE(t.Context(), "http://memory/", Options{Connections: 3, dialHTTP: m.dial})
		if err == nil || !strings.HasPrefix(err.Error(), "loadgen: 3 of 3 streams got nothing of 40 publications: ") {
			t.Errorf("%v", err)
		}
		m.stop()
		refusing := newHTTPMemory(&streamer{before: func(w http.ResponseWriter, _ int) bool {
			http.Error(w, "no token", http.StatusForbidden)
			return true
		}})
		_, err = SSE(t.Context(), "http://memory/", Options{Connections: 3, dialHTTP: refusing.dial})
		if err == nil || err.Error() != "loadgen: cannot publish: the server answered 403 Forbidden: no token" {
			t.Errorf("%v", err)
		}
		refusing.stop()
	})
}

// On Linux no stream has a goroutine of its own.
func TestSSELoops(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("loops are for Linux")
	}
	url := serveHTTP(t, httptest.NewServer, &streamer{})
	r, err := prepare(KindSSE, url, Options{Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := &sse{broadcast: newBroadcast(r, 1), streams: make([]*stream, 1)}
	if err := s.prepare(url); err != nil {
		t.Fatal(err)
	}
	if s.sockets, err = newSockets(true); err != nil {
		t.Fatal(err)
	}
	s.ending, s.end = t.Context(), func() {}
	if err := s.openStream(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	s.sockets.mu.Lock()
	for c := range s.sockets.open {
		if c.loop == nil {
			t.Error("a stream has no loop")
		}
	}
	s.sockets.mu.Unlock()
	s.close()
}

// The cost of a delivery must not grow with the number of deliveries.
func TestAllocPerDelivery(t *testing.T) {
	r, err := prepare(KindSSE, "http://h/", Options{Connections: 1, Rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	s := &sse{broadcast: newBroadcast(r, 1)}
	s.measuring.Store(0)
	s.until = time.Hour
	stream := s.newStream(0)
	if _, _, _, err := stream.reader.Next([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")); err != nil || stream.reader.Response().Status != 200 {
		t.Fatal(err)
	}
	number := uint64(0)
	var b []byte
	if n := testing.AllocsPerRun(1000, func() {
		payload := s.payloads.take(s.sender(0), number)
		b = fmt.Appendf(b[:0], "%x\r\nid: e:1\ndata: %s\n\n\r\n", len("id: e:1\ndata: \n\n")+len(*payload), *payload)
		s.payloads.give(payload)
		if err := stream.receive(b); err != nil {
			t.Fatal(err)
		}
		number++
	}); n > 2 { // those of Appendf
		t.Errorf("%v allocations for each delivery", n)
	}
	if got := stream.next[0].Load(); got != number || stream.reader.Idle() {
		t.Errorf("%d of %d have arrived", got, number)
	}
}

// Requests that a slow server kept from being sent count from when they were due,
// and what could not be sent at all is an error; so is the request that is under
// way when a closed loop gives up waiting.
func TestSSESlowPublishingIsNotOmitted(t *testing.T) {
	for name, c := range map[string]struct {
		rate           float64
		pause, drain   time.Duration
		due, unsent    int64
		latencyAtLeast Millis
	}{
		"open loop, all is sent after the end": {100, 20 * time.Millisecond, 20 * time.Second, 500, 0, 4900},
		"open loop, some is not":               {100, 20 * time.Millisecond, 2005 * time.Millisecond, 500, 150, 3400},
		"closed loop, the last is answered":    {0, 3 * time.Second, 5 * time.Second, 2, 0, 2900},
		"closed loop, the last is not":         {0, 3 * time.Second, 500 * time.Millisecond, 2, 1, 2900},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newHTTPMemory(&streamer{before: func(http.ResponseWriter, int) bool { time.Sleep(c.pause); return false }})
			r, err := SSE(t.Context(), "http://memory/", Options{Connections: 1, Rate: c.rate, Duration: 5 * time.Second, Warmup: NoWarmup, Drain: c.drain, dialHTTP: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.stop()
			unsent := errorsOf(r)["not sent in time"]
			if r.Messages.Sent != c.due || max(unsent-c.unsent, c.unsent-unsent) > c.unsent/50 || c.unsent == 0 && len(r.Errors) > 0 {
				t.Errorf("%s: %d sent, %+v", name, r.Messages.Sent, r.Errors)
			}
			if r.Latency.Count != c.due-unsent || r.Latency.Max < c.latencyAtLeast {
				t.Errorf("%s: %+v", name, r.Latency)
			}
		})
	}
}
