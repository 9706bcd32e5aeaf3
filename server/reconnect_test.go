package server

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// Sessions that are too many are refused on every front, counted and told to the log once;
// a reload lets them in.
func TestSessionsPerSecond(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		c := configured(t, "listen: 127.0.0.1:0\ndemo: false\nlimits: {sessions_per_second: 1}\n")
		c.Driver = driver
		s := start(t, c)
		socket := func() (*ws.Conn, *http.Response, error) { return ws.Dial(t.Context(), s.url+"/channels/chat", nil) }
		first, _, err := socket()
		if err != nil {
			t.Fatal(err)
		}
		defer first.CloseNow()
		refused := 0
		for range 20 { // one more may begin each second
			conn, response, err := socket()
			if err == nil {
				conn.CloseNow()
				continue
			}
			refused++
			if after, _ := strconv.Atoi(response.Header.Get("Retry-After")); response.StatusCode != 503 || after < 1 {
				t.Fatalf("a handshake too many: %s, Retry-After %q", response.Status, response.Header.Get("Retry-After"))
			}
		}
		if refused < 10 {
			t.Errorf("%d of 20 handshakes were refused", refused)
		}
		if a := s.do(t, "GET", "/channels/chat?last=0", "", "Accept", "application/json"); a.StatusCode != 200 {
			t.Errorf("a page: %s %s", a.Status, a.body)
		}
		metrics := s.do(t, "GET", "/metrics", "").body
		if want := "godwit_rate_limited_total{kind=\"sessions\"} " + strconv.Itoa(refused) + "\n"; !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %q", want)
		}
		if !strings.Contains(metrics, "\ngodwit_reconnect_window_seconds 2\n") {
			t.Error("the metrics do not say over which time clients come back")
		}
		if n := strings.Count(s.log.String(), "more sessions begin than limits.sessions_per_second"); n != 1 {
			t.Errorf("the log says it %d times", n)
		}
		c = configured(t, "listen: 127.0.0.1:0\ndemo: false\nlimits: {sessions_per_second: 1000}\nreconnect: {window_min: 8s}\n")
		c.Driver = driver
		if needs, err := s.Reload(t.Context(), c); err != nil || len(needs) > 0 {
			t.Fatal(needs, err)
		}
		if _, after := eventStream(t, s); after < time.Second || after >= 9*time.Second {
			t.Errorf("after the reload: %v", after)
		}
		if !strings.Contains(s.do(t, "GET", "/metrics", "").body, "\ngodwit_reconnect_window_seconds 8\n") {
			t.Error("the window is as before the reload")
		}
	})
}

// A server that stops tells event streams when to come back: its drain spreads them
// already.
func TestDrainSaysWhenToComeBack(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		c := configured(t, "listen: 127.0.0.1:0\ndemo: false\nreconnect: {delay_min: 1h, window_min: 1ms}\n")
		c.Driver = driver
		s := start(t, c)
		stream, after := eventStream(t, s)
		if after != time.Hour {
			t.Errorf("told to come back after %v", after)
		}
		rest := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(stream)
			rest <- string(b)
		}()
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if got := <-rest; !strings.HasSuffix(got, "retry: 3600000\n\n") {
			t.Errorf("the stream ends with %q", got)
		}
	})
}

// eventStream opens one, and returns what the client is told to wait.
func eventStream(t *testing.T, s *running) (io.Reader, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/channels/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Accept", "text/event-stream")
	p, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Body.Close() })
	b := make([]byte, 200)
	n, err := p.Body.Read(b)
	found := regexp.MustCompile(`^retry: (\d+)\n`).FindSubmatch(b[:n])
	if found == nil {
		t.Fatalf("%s: %q %v", p.Status, b[:n], err)
	}
	ms, _ := strconv.Atoi(string(found[1]))
	return p.Body, time.Duration(ms) * time.Millisecond
}
