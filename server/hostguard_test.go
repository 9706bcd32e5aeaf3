package server

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

var hostCases = []struct {
	host string
	want bool
}{
	{"localhost", true},
	{"localhost:8000", true},
	{"LocalHost:8000", true},
	{"localhost:", true}, // RFC 3986 §3.2.3: a port may be empty
	{"app.localhost", true},
	{"a.b.localhost:1", true},
	{"127.0.0.1", true},
	{"127.0.0.1:8000", true},
	{"127.255.255.254:1", true},
	{"[::1]", true},
	{"[::1]:8000", true},
	{"[0:0:0:0:0:0:0:1]:8000", true},
	{"[::ffff:127.0.0.1]", true},
	{"[::FFFF:7f00:1]:8000", true},

	{"", false},
	{":8000", false},
	{"evil.com", false},
	{"127.0.0.1.evil.com", false},
	{"127.0.0.1.evil.com:8000", false},
	{"localhost.evil.com", false},
	{"evil-localhost", false},
	{"evillocalhost", false},
	{".localhost", false},
	{"localhost.", false},
	{"127.0.0.1.", false},
	{"0x7f.1", false},
	{"0x7f000001", false},
	{"2130706433", false},
	{"127.1", false},
	{"127.0.0.01", false},
	{"0177.0.0.1", false},
	{"0.0.0.0", false},
	{"[::]", false},
	{"10.0.0.1", false},
	{"128.0.0.1", false},
	{"[::2]", false},
	{"[::ffff:10.0.0.1]", false},
	{"[::1%lo]", false},
	{"[::1%25lo]", false},
	{"::1", false},
	{"::1:8000", false},
	{"[::1", false},
	{"[::1]x", false},
	{"[::1]:x", false},
	{"[::1]:8000:1", false},
	{"[127.0.0.1]", false},
	{"[localhost]", false},
	{"localhost:80:80", false},
	{"localhost:65536", false},
	{"localhost:-1", false},
	{"localhost:+1", false},
	{"localhost:http", false},
	{"user@localhost", false},
	{"user:pass@127.0.0.1", false},
	{"evil.com@127.0.0.1", false},
	{"localhost@evil.com", false},
	{"127.0.0.1/", false},
	{"127.0.0.1\\", false},
	{"localhost#", false},
	{"localhost?x", false},
	{" localhost", false},
	{"localhost ", false},
	{"localhost\x00", false},
	{"localhost,evil.com", false},
	{"ⅼocalhost", false}, // a Roman numeral
	{"１27.0.0.1", false}, // a full-width digit
}

func TestHostAllowed(t *testing.T) {
	for _, c := range hostCases {
		if got := hostAllowed(c.host, nil); got != c.want {
			t.Errorf("Host %q: %v, want %v", c.host, got, c.want)
		}
	}
}

func TestHostAllowedByOrigins(t *testing.T) {
	o, err := handshake.ParseOrigins([]string{"https://app.example.com", "http://*.dev.example:3000"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"app.example.com": true, "APP.example.com": true, "x.dev.example:3000": true,
		"evil.com": false, "app.example.com.evil.com": false, "example.com": false, "user@app.example.com": false, "127.0.0.1:1": true,
	} {
		if got := hostAllowed(host, o); got != want {
			t.Errorf("Host %q: %v, want %v", host, got, want)
		}
	}
}

// A host that passes cannot be a name that somebody else may own.
func FuzzHostAllowed(f *testing.F) {
	for _, c := range hostCases {
		f.Add(c.host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !hostAllowed(host, nil) {
			return
		}
		name, ok := hostName(host)
		lower := strings.ToLower(name)
		if !ok || strings.ContainsAny(name, "@/\\?#%") ||
			lower != "localhost" && !strings.HasSuffix(lower, ".localhost") && !strings.HasPrefix(lower, "127.") && !strings.Contains(lower, ":") {
			t.Errorf("Host %q passes as %q", host, name)
		}
	})
}

// The guard is in front of everything, upgrades included.
func TestHostGuard(t *testing.T) {
	s := start(t, Config{Origins: []string{"https://app.example.com"}})
	for _, path := range []string{"/", "/welcome/main.js", "/docs/", "/channels/chat", "/presence/chat", "/healthz", "/readyz", "/metrics", "/nothing"} {
		a := s.do(t, http.MethodGet, path, "", "Host", "evil.com:8000")
		if a.StatusCode != http.StatusMisdirectedRequest || a.Header.Get("Content-Type") != "application/problem+json" || !a.Close {
			t.Errorf("GET %s: %s %s", path, a.Status, a.body)
		}
		if !strings.Contains(a.body, `\"evil.com:8000\"`) || !strings.Contains(a.body, "--origin") {
			t.Errorf("the detail of GET %s does not help: %s", path, a.body)
		}
	}
	upgrade := []string{
		"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==",
		"Origin", "http://evil.com", "Host", "evil.com",
	}
	if a := s.do(t, http.MethodGet, "/channels/chat", "", upgrade...); a.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("an upgrade: %s", a.Status)
	}
	if a := s.do(t, http.MethodPost, "/channels/chat", "x", "Host", "evil.com"); a.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a POST: %s", a.Status)
	}
	for _, host := range []string{"localhost", "127.0.0.1:1", "app.example.com"} {
		if a := s.do(t, http.MethodGet, "/healthz", "", "Host", host); a.StatusCode != http.StatusOK {
			t.Errorf("Host %s: %s", host, a.Status)
		}
	}
}

// A name that is refused ends a stream of HTTP/2 and not the connection, on which there
// may be others.
func TestHostGuardHTTP2(t *testing.T) {
	files, trust := certificate(t)
	s := start(t, Config{TLS: files})
	client := httpsClient(t, trust, true)
	for i := range 20 {
		isReused := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { isReused = c.Reused }})
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+strings.TrimPrefix(s.url, "http://")+"/channels/c", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		q.Host = "evil.example"
		p, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p.Body)
		p.Body.Close()
		if err != nil || p.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(string(text), "evil.example") {
			t.Fatalf("%s, %v: %s", p.Status, err, text)
		}
		if i > 0 && !isReused {
			t.Fatalf("request %d has a connection of its own", i)
		}
	}
	if hint := "--origin https://evil.example"; !strings.Contains(s.log.String(), hint) {
		t.Errorf("the log does not say %s", hint)
	}
}
