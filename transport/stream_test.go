package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/transport/reconnect"
)

// readUntil reads a stream until it has read marker.
func readUntil(t *testing.T, body io.Reader, marker string) string {
	t.Helper()
	var got []byte
	one := make([]byte, 1)
	for !strings.HasSuffix(string(got), marker) {
		if _, err := io.ReadFull(body, one); err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, one...)
	}
	return string(got)
}

// streamDialogue opens streams and shows what arrives: what is replayed, and
// one publication of each kind.
func streamDialogue(t *testing.T, accept, end string) string {
	var all strings.Builder
	for _, test := range []struct {
		about, query, lastEventID string
		replay                    bool
	}{
		{"from now", "", "", false},
		{"the newest", "?last=1", "", true},
		{"since a position", "?since=EPOCH:3", "", true},
		{"since the newest", "?since=EPOCH:4", "", false},
		{"since what is gone", "?since=EPOCH:1", "", true},
		{"since another epoch", "?since=other:7", "", true},
		{"Last-Event-ID over since", "?since=EPOCH:1", "EPOCH:3", true},
		{"Last-Event-ID over last", "?last=2", "EPOCH:4", false},
		{"Last-Event-ID that is gone", "", "EPOCH:1", true},
		{"Last-Event-ID that is none", "", "nonsense", true},
	} {
		if accept != "text/event-stream" && test.lastEventID != "" {
			continue
		}
		s := newSite(t, siteOptions{hub: keepTwo})
		s.count("chat", 4)
		epoch := s.epoch()
		header := fields{"Accept", accept}
		shown := ""
		if test.lastEventID != "" {
			header = append(header, "Last-Event-ID", strings.ReplaceAll(test.lastEventID, "EPOCH", epoch))
			shown = "> Last-Event-ID: " + test.lastEventID + "\n"
		}
		response := s.open("/channels/chat"+strings.ReplaceAll(test.query, "EPOCH", epoch), header)
		// One at a time, so that none leaves a history of two before it is read.
		body := ""
		if test.replay {
			body = readUntil(t, response.Body, strings.ReplaceAll(end, "end", "4"))
		}
		for _, p := range []struct {
			kind hub.Kind
			data string
		}{
			{hub.Text, "two\r\nlines"}, {hub.JSON, "{\n\"a\": [1, 2]\n}"}, {hub.Binary, "\x00\x01\x02"}, {hub.Text, "end"},
		} {
			at := s.publish("chat", p.kind, p.data)
			body += readUntil(t, response.Body, at.String())
		}
		body += readUntil(t, response.Body, end)
		fmt.Fprintf(&all, "# %s\n> GET /channels/chat%s\n%s%s\n", test.about, test.query, shown, s.normalise(dialogue(response, body)))
		response.Body.Close()
		s.expectEnd(EndClient)
		s.expectGone()
	}
	return all.String()
}

func TestEventStreamDialogue(t *testing.T) {
	golden.Compare(t, "testdata/sse.txt", streamDialogue(t, "text/event-stream", "data: end\n\n"))
}

func TestLineStreamDialogue(t *testing.T) {
	golden.Compare(t, "testdata/ndjson.txt", streamDialogue(t, "application/x-ndjson", `"data":"end"}`+"\n"))
}

func TestStreamsShutDown(t *testing.T) {
	s := newSite(t, siteOptions{})
	sse := s.open("/channels/chat", fields{"Accept", "text/event-stream"})
	lines := s.open("/channels/chat", fields{"Accept", "application/x-ndjson"})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.hub.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	// Ended in good order: what a stream cut off would give is an error.
	for _, stream := range []*http.Response{sse, lines} {
		if _, err := io.ReadAll(stream.Body); err != nil {
			t.Errorf("%s: %v", stream.Header.Get("Content-Type"), err)
		}
		s.expectEnd(EndShutdown)
	}
	// An EventSource that comes meanwhile is sent away in the way it understands.
	response, body := s.do("GET", "/channels/chat", fields{"Accept", "text/event-stream"}, "")
	if response.StatusCode != 200 || body != "retry: 2000\n\n" || !response.Close {
		t.Errorf("SSE during shutdown: %s %q", response.Status, body)
	}
	golden.Compare(t, "testdata/shutdown.txt", s.play([]step{
		{"a stream of lines", "GET", "/channels/chat", fields{"Accept", "application/x-ndjson"}, ""},
		{"publishing", "POST", "/channels/chat", nil, "x"},
		{"a page is still served", "GET", "/channels/chat", nil, ""},
		{"a long poll", "GET", "/channels/chat", fields{"Prefer", "wait=10"}, ""},
	}))
}

func TestStreamsWhoseBrokerFails(t *testing.T) {
	for _, broker := range []*faulty{
		{Broker: newBroker(), listen: errBroken, publish: errBroken},
		{Broker: newBroker(), history: errBroken},
		{Broker: newBroker(), listen: hub.ErrTooManyChannels, publish: hub.ErrTooManyChannels},
	} {
		s := newSite(t, siteOptions{broker: broker})
		response, body := s.do("GET", "/channels/chat?last=1", fields{"Accept", "text/event-stream"}, "")
		if response.StatusCode != 200 || body != "retry: 2000\n\n" {
			t.Errorf("SSE: %s %q", response.Status, body)
		}
		s.expectEnd(EndFailure)
		want := ProblemBroker
		if errors.Is(broker.listen, hub.ErrTooManyChannels) {
			want = ProblemTooManyChannels
		}
		for _, header := range []fields{{"Accept", "application/x-ndjson"}, {"Prefer", "wait=5"}} {
			response, body = s.do("GET", "/channels/chat?last=1", header, "")
			if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || !strings.Contains(body, want.Type()) {
				t.Errorf("%v: %s %q", header, response.Status, body)
			}
		}
		if broker.publish != nil {
			response, body = s.do("POST", "/channels/chat", nil, "x")
			if response.StatusCode != 503 || !strings.Contains(body, want.Type()) {
				t.Errorf("POST: %s %q", response.Status, body)
			}
		}
		s.expectGone()
	}
}

// A replay that the broker fails at is told of, and the stream stays.
func TestReplayThatFails(t *testing.T) {
	broker := &faulty{Broker: newBroker(), history: errBroken}
	s := newSite(t, siteOptions{broker: broker})
	for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
		response := s.open("/channels/chat?since=some:1", fields{"Accept", accept})
		readUntil(t, response.Body, `"is":true`)
		response.Body.Close()
		s.expectEnd(EndClient)
	}
}

func TestHTTP2(t *testing.T) {
	s := newSite(t, siteOptions{http2: true})
	response := s.open("/channels/chat", fields{"Accept", "text/event-stream"})
	if response.ProtoMajor != 2 || response.Header.Get("Connection") != "" {
		t.Fatalf("%s with Connection %q", response.Proto, response.Header.Get("Connection"))
	}
	at := s.publish("chat", hub.Text, "over HTTP/2")
	readUntil(t, response.Body, "id: "+at.String()+"\ndata: over HTTP/2\n\n")
	posted, body := s.do("POST", "/channels/chat", fields{"Content-Type", "text/plain"}, "posted")
	if posted.StatusCode != 201 {
		t.Error(posted.Status, body)
	}
	readUntil(t, response.Body, "data: posted\n\n")
	response.Body.Close()
	s.expectEnd(EndClient)

	// RFC 9113 has no Upgrade, and no Connection field to close with.
	refused, body := s.do("GET", "/channels/chat", fields{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, "")
	if refused.StatusCode != 505 || !strings.Contains(body, `"status":505`) || refused.Header.Get("Connection") != "" {
		t.Error(refused.Status, refused.Header, body)
	}
	s.expectGone()
}

// memory is a response in memory that can be watched while it is written. It
// has no deadlines and no sockets, so it works in virtual time.
type memory struct {
	mu      sync.Mutex
	header  http.Header
	status  int
	written strings.Builder
	flushed int
}

func (m *memory) Header() http.Header { return m.header }
func (m *memory) WriteHeader(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}
func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.written.Write(p)
}
func (m *memory) Flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flushed = m.written.Len()
}

// take returns what was flushed since the last take.
func (m *memory) take() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	got := m.written.String()[:m.flushed]
	rest := m.written.String()[m.flushed:]
	m.written.Reset()
	m.written.WriteString(rest)
	m.flushed = 0
	return got
}

// bubble runs test in virtual time with a hub and a function that serves a
// request in memory; leave ends the request as a client that goes does.
func bubble(t *testing.T, o Options, test func(t *testing.T, h *hub.Hub, serve func(path string, header fields) (m *memory, leave func()))) {
	synctest.Test(t, func(t *testing.T) {
		h, err := hub.New(newBroker(), nil)
		if err != nil {
			t.Fatal(err)
		}
		o.Logger = slog.New(slog.DiscardHandler)
		transport := newTransport(h, &o)
		var handlers sync.WaitGroup
		serve := func(path string, header fields) (*memory, func()) {
			ctx, cancel := context.WithCancel(context.Background())
			r := httptest.NewRequestWithContext(ctx, "GET", path, nil)
			for i := 0; i+1 < len(header); i += 2 {
				r.Header.Add(header[i], header[i+1])
			}
			m := &memory{header: http.Header{}}
			handlers.Go(func() {
				defer func() {
					if v := recover(); v != nil && v != http.ErrAbortHandler { // which net/http takes for an end without an answer
						panic(v)
					}
				}()
				transport.ServeHTTP(m, r)
			})
			synctest.Wait()
			return m, func() {
				t.Helper()
				cancel()
				synctest.Wait()
				if left := h.Stats().Sessions; len(left) != 0 {
					t.Errorf("the client has gone, and its session is left: %v", left)
				}
			}
		}
		test(t, h, serve)
		handlers.Wait()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// elapse lets virtual time pass, and everything happen that happens by then.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func publishTo(t *testing.T, h *hub.Hub, data string) hub.Position {
	t.Helper()
	at, _, err := h.Publish(context.Background(), hub.Message{Channel: "chat", Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return at
}

func TestHeartbeats(t *testing.T) {
	for accept, beat := range map[string]string{"text/event-stream": ":\n\n", "application/x-ndjson": "{}\n"} {
		bubble(t, Options{Heartbeat: 15 * time.Second}, func(t *testing.T, h *hub.Hub, serve func(string, fields) (*memory, func())) {
			m, leave := serve("/channels/chat", fields{"Accept", accept})
			m.take()
			expect := func(after time.Duration, want string) {
				t.Helper()
				elapse(after)
				if got := m.take(); got != want {
					t.Errorf("%s: after %v: %q, want %q", accept, after, got, want)
				}
			}
			expect(15*time.Second-1, "")
			expect(1, beat)
			expect(15*time.Second-1, "")
			expect(1, beat)
			// What was delivered is a sign of life too.
			expect(10*time.Second, "")
			publishTo(t, h, "x")
			if !strings.Contains(m.take(), "x") {
				t.Error("nothing was delivered")
			}
			expect(15*time.Second-1, "")
			expect(1, beat)
			leave()
		})
	}
}

func TestRetry(t *testing.T) {
	bubble(t, Options{Reconnect: reconnect.Spread{DelayMin: 1234 * time.Millisecond, WindowMin: time.Microsecond}}, func(t *testing.T, h *hub.Hub, serve func(string, fields) (*memory, func())) {
		m, leave := serve("/channels/chat", fields{"Accept", "text/event-stream"})
		if got := m.take(); !strings.HasPrefix(got, "retry: 1234\n") {
			t.Errorf("the stream begins with %q", got)
		}
		leave()
	})
}
