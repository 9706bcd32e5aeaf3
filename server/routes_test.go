package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/ws"
)

func TestRoutes(t *testing.T) {
	s := start(t, Config{})
	for _, c := range []struct {
		method, path string
		status       int
		contentType  string
		contains     string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "<!doctype html>"},
		{"GET", "/welcome/main.js", 200, "text/javascript; charset=utf-8", ""},
		{"GET", "/welcome/nothing.js", 404, "application/problem+json", "not-found"},
		{"GET", "/docs", 308, "", ""},
		{"GET", "/docs/channels", 200, "text/html; charset=utf-8", "<!doctype html>"},
		{"GET", "/docs/channels.md", 200, "text/markdown; charset=utf-8", "# "},
		{"GET", "/docs/nothing", 404, "application/problem+json", "not-found"},
		{"GET", "/docsx", 404, "application/problem+json", "not-found"},
		{"POST", "/docs/", 405, "application/problem+json", "method-not-allowed"},
		{"GET", "/healthz", 200, "text/plain; charset=utf-8", "ok\n"},
		{"HEAD", "/healthz", 200, "text/plain; charset=utf-8", ""},
		{"GET", "/readyz", 200, "text/plain; charset=utf-8", "ok\n"},
		{"POST", "/healthz", 405, "application/problem+json", "method-not-allowed"},
		{"DELETE", "/metrics", 405, "application/problem+json", "method-not-allowed"},
		{"GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "godwit_publications_total 0\n"},
		{"GET", "/nothing", 404, "application/problem+json", `\"/nothing\"`},
		{"GET", "/healthz/", 404, "application/problem+json", "not-found"},
		{"GET", "/channels/chat", 200, "application/json", `"publications":[]`},
		{"GET", "/presence/chat", 200, "application/json", `"count":0`},
		{"POST", "/channels/chat", 201, "application/json", `"position":`},
		{"DELETE", "/channels/chat", 405, "application/problem+json", "method-not-allowed"},

		// No path is cleaned, no client redirected.
		{"GET", "/channels", 400, "application/problem+json", "bad-channel-name"},
		{"GET", "/channels/", 400, "application/problem+json", "bad-channel-name"},
		{"GET", "/channels/a//b", 400, "application/problem+json", "bad-channel-name"},
		{"GET", "/channels/a/../b", 400, "application/problem+json", "bad-channel-name"},
		{"GET", "/channels/a%2Fb", 400, "application/problem+json", "bad-channel-name"},
		{"GET", "//channels/a", 404, "application/problem+json", "not-found"},
		{"GET", "/x/../channels/a", 404, "application/problem+json", "not-found"},
		{"GET", "/Channels/a", 404, "application/problem+json", "not-found"},
	} {
		a := s.do(t, c.method, c.path, "")
		contentType := a.Header.Get("Content-Type")
		if a.StatusCode != c.status || contentType != c.contentType || !strings.Contains(strings.ToLower(a.body), c.contains) {
			t.Errorf("%s %s: %s, %s\n%s", c.method, c.path, a.Status, contentType, a.body)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") ||
			!strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || a.Header.Get("Referrer-Policy") == "" {
			t.Errorf("%s %s lacks a security header: %v", c.method, c.path, a.Header)
		}
		if c.status == 405 && a.Header.Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", c.method, c.path)
		}
		if strings.HasSuffix(contentType, "problem+json") {
			var p struct {
				Type, Title, Detail string
				Status              int
			}
			if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != c.status || p.Type == "" || p.Title == "" || p.Detail == "" {
				t.Errorf("%s %s is no problem document: %s", c.method, c.path, a.body)
			}
		}
	}
}

// The settings reach the layers they are about.
func TestSettingsArrive(t *testing.T) {
	s := start(t, Config{
		Origins: []string{"https://app.example.com"},
		History: History{Count: new(2)},
		Limits:  Limits{PublicationBytes: 10, Channels: 2},
	})
	for _, text := range []string{"one", "two", "three"} {
		if a := s.do(t, "POST", "/channels/chat", text, "Content-Type", "text/plain"); a.StatusCode != 201 {
			t.Fatal(a.Status, a.body)
		}
	}
	if a := s.do(t, "GET", "/channels/chat", ""); strings.Contains(a.body, "one") || !strings.Contains(a.body, "two") || !strings.Contains(a.body, "three") {
		t.Errorf("history.count: %s", a.body)
	}
	if a := s.do(t, "POST", "/channels/chat", "0123456789"); a.StatusCode != 201 {
		t.Errorf("limits.publication_bytes exactly: %s", a.Status)
	}
	if a := s.do(t, "POST", "/channels/chat", "0123456789+"); a.StatusCode != 413 {
		t.Errorf("limits.publication_bytes: %s", a.Status)
	}
	if a := s.do(t, "POST", "/channels/other", "x"); a.StatusCode != 201 {
		t.Errorf("limits.channels exactly: %s", a.Status)
	}
	if a := s.do(t, "POST", "/channels/third", "x"); a.StatusCode != 503 || !strings.Contains(a.body, "too-many-channels") {
		t.Errorf("limits.channels: %s", a.Status)
	}
	for origin, want := range map[string]int{"https://app.example.com": 201, "https://evil.com": 403, s.url: 201} {
		if a := s.do(t, "POST", "/channels/chat", "x", "Origin", origin); a.StatusCode != want {
			t.Errorf("POST by a page of %s: %s", origin, a.Status)
		}
		header := http.Header{"Origin": {origin}}
		conn, p, err := ws.Dial(t.Context(), s.url+"/channels/chat", &ws.DialOptions{Header: header})
		if p == nil || (p.StatusCode == 101) != (want == 201) {
			t.Errorf("a WebSocket of a page of %s: %v", origin, err)
		}
		if conn != nil {
			conn.Close(ws.StatusNormal, "")
		}
	}
	if a := s.do(t, "GET", "/channels/chat", "", "Origin", "https://app.example.com"); a.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("CORS: %v", a.Header)
	}

	none := start(t, Config{History: History{Count: new(0)}})
	none.do(t, "POST", "/channels/chat", "x")
	if a := none.do(t, "GET", "/channels/chat", ""); !strings.Contains(a.body, `"publications":[]`) {
		t.Errorf("history.count 0: %s", a.body)
	}
}

// A panic answers 500 and is logged with an ID that the client was told; the
// server goes on.
func TestPanic(t *testing.T) {
	bug := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RawQuery {
		case "begun":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
			http.NewResponseController(w).Flush()
		case "flushed":
			http.NewResponseController(w).Flush()
		case "hijacked":
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		case "abort":
			panic(http.ErrAbortHandler)
		}
		panic("a bug")
	})
	s := startAltered(t, Config{}, func(s *Server) { s.welcome = bug })
	a := s.do(t, "GET", "/", "", "X-Request-Id", "from-proxy-1")
	if a.StatusCode != 500 || !strings.Contains(a.body, "internal-error") || !strings.Contains(a.body, "from-proxy-1") || !a.Close {
		t.Errorf("%s %v %s", a.Status, a.Header, a.body)
	}
	if strings.Contains(a.body, "a bug") {
		t.Errorf("the client is told what is inside: %s", a.body)
	}
	log := s.log.String()
	if !strings.Contains(log, `id=from-proxy-1`) || !strings.Contains(log, `panic="a bug"`) || !strings.Contains(log, "routes_test.go") {
		t.Errorf("the log does not say what happened:\n%s", log)
	}

	for _, bad := range []string{"", "two words", strings.Repeat("x", 65), "ünïcode"} {
		a := s.do(t, "GET", "/", "", "X-Request-Id", bad)
		id := regexp.MustCompile(`ID ([A-Z2-7]{26})"`).FindStringSubmatch(a.body)
		if id == nil || strings.Count(s.log.String(), id[1]) < 2 { // the panic and the request
			t.Errorf("no ID of its own instead of %q: %s", bad, a.body)
		}
	}

	for _, query := range []string{"begun", "flushed", "hijacked", "abort"} {
		nc, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, "GET /?"+query+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		all, err := io.ReadAll(nc)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", query, err)
		}
		if strings.Contains(string(all), "500") || strings.HasSuffix(string(all), "0\r\n\r\n") {
			t.Errorf("%s: looks like a whole response: %q", query, all)
		}
		nc.Close()
	}
	if n := strings.Count(s.log.String(), "handler panicked"); n != 1+4+3 {
		t.Errorf("%d panics were logged", n)
	}
	if a := s.do(t, "GET", "/metrics", ""); !strings.Contains(a.body, "\ngodwit_panics_total 8\n") {
		t.Error("panics are not counted")
	}
}

// Requests are logged at debug level only.
func TestRequestLog(t *testing.T) {
	s := start(t, Config{})
	s.do(t, "GET", "/nothing", "", "X-Request-Id", "abc")
	for !strings.Contains(s.log.String(), "msg=request") { // it is written after the answer
	}
	line := regexp.MustCompile(`(?m)^.*level=DEBUG msg=request id=abc method=GET path=/nothing status=404 remote=127\.0\.0\.1:\d+ client=127\.0\.0\.1 took=\S+$`)
	if !line.MatchString(s.log.String()) {
		t.Errorf("log:\n%s", s.log)
	}
}

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		log    Log
		debug  bool
		begins string
	}{
		{Log{"text", "info"}, false, "time="}, {Log{"json", "info"}, false, `{"time":`}, {Log{"text", "debug"}, true, "time="},
	} {
		b := new(logBuffer)
		l := newLogger(b, c.log.Format, levelOf(c.log))
		l.Debug("hidden")
		l.Info("shown")
		if got := b.String(); strings.Contains(got, "hidden") != c.debug || !strings.Contains(got, "shown") || !strings.HasPrefix(got, c.begins) {
			t.Errorf("%+v: %s", c.log, got)
		}
	}
	b := new(logBuffer)
	newLogger(b, "text", slog.LevelError).Warn("hidden")
	if b.String() != "" {
		t.Error("warnings at level error")
	}
}

// What an http.ResponseController does still reaches the connection.
func TestRecorder(t *testing.T) {
	var _ interface {
		http.Hijacker
		FlushError() error
		Unwrap() http.ResponseWriter
	} = new(recorder)
	var _ func() (net.Conn, *bufio.ReadWriter, error) = new(recorder).Hijack

	inner := new(countingWriter)
	r := &recorder{ResponseWriter: inner}
	r.WriteHeader(http.StatusEarlyHints)
	if r.status != 0 {
		t.Error("an informational response counts as the response")
	}
	r.Write(nil)
	r.WriteHeader(http.StatusTeapot)
	if inner.headers != 2 {
		t.Errorf("%d headers arrived", inner.headers)
	}
}

type countingWriter struct{ headers int }

func (c *countingWriter) Header() http.Header         { return make(http.Header) }
func (c *countingWriter) Write(p []byte) (int, error) { return len(p), nil }
func (c *countingWriter) WriteHeader(int)             { c.headers++ }

// ailing is a broker that says that it cannot be used.
type ailing struct{ hub.Broker }

func (ailing) Health(context.Context) error { return errors.New("the network is gone") }

// A server whose broker cannot be used is alive, and not ready.
func TestReadinessAsksTheBroker(t *testing.T) {
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(ailing{broker}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := startAltered(t, Config{}, func(s *Server) {
		_ = s.hub.Close()
		s.hub = h
	})
	if a := s.do(t, "GET", "/readyz", ""); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "broker-unavailable") {
		t.Errorf("/readyz: %s %s", a.Status, a.body)
	}
	if a := s.do(t, "GET", "/healthz", ""); a.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %s %s", a.Status, a.body)
	}
}

// What asks for a WebSocket and gets none is the last request on its connection: a
// proxy may have made a tunnel of it, and what follows is not the proxy's word.
func TestUpgradeThatIsNotGrantedIsTheLast(t *testing.T) {
	for _, driver := range drivers {
		s := start(t, Config{Driver: driver})
		for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/nothing", "/presence/chat", "/channels/a//b", "/welcome/main.js", "/docs/"} {
			nc, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"+
				"POST /channels/smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
			all, _ := io.ReadAll(nc) // a reset, where what followed was not read
			nc.Close()
			if n := strings.Count(string(all), "HTTP/1.1 "); n != 1 || strings.HasPrefix(string(all), "HTTP/1.1 101") {
				t.Errorf("%s, %s: %d answers: %.300s", driver, path, n, all)
			}
		}
		if a := s.do(t, "GET", "/channels/smuggled", ""); !strings.Contains(a.body, `"publications":[]`) {
			t.Errorf("%s: what followed was served: %s", driver, a.body)
		}
	}
}
