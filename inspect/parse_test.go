package inspect

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/handshake"
)

func TestParseTarget(t *testing.T) {
	for _, c := range []struct {
		text, url, dial, host, origin string
		guessed                       bool
	}{
		{"ws://h", "ws://h/", "h:80", "h", "http://h", false},
		{"wss://h/p?q=1", "wss://h/p?q=1", "h:443", "h", "https://h", false},
		{"HTTP://H:8080", "ws://H:8080/", "H:8080", "H:8080", "http://H:8080", false},
		{"https://h:443/", "wss://h:443/", "h:443", "h", "https://h", false},
		{"ws://h:80/", "ws://h:80/", "h:80", "h", "http://h", false},
		{"wss://h:80/", "wss://h:80/", "h:80", "h:80", "https://h:80", false},
		{"ws://[::1]:9/", "ws://[::1]:9/", "[::1]:9", "[::1]:9", "http://[::1]:9", false},
		{"ws://[fe80::1%25eth0]/", "ws://[fe80::1%25eth0]/", "[fe80::1%eth0]:80", "[fe80::1]", "http://[fe80::1]", false},
		{"example.com", "wss://example.com/", "example.com:443", "example.com", "https://example.com", true},
		{"example.com/chat", "wss://example.com/chat", "example.com:443", "example.com", "https://example.com", true},
		{"example.com:443", "wss://example.com:443/", "example.com:443", "example.com", "https://example.com", true},
		{"example.com:8000", "ws://example.com:8000/", "example.com:8000", "example.com:8000", "http://example.com:8000", true},
		{"localhost", "ws://localhost/", "localhost:80", "localhost", "http://localhost", true},
		{"localhost:3000/ws", "ws://localhost:3000/ws", "localhost:3000", "localhost:3000", "http://localhost:3000", true},
		{"127.0.0.1", "ws://127.0.0.1/", "127.0.0.1:80", "127.0.0.1", "http://127.0.0.1", true},
		{"::1", "ws://[::1]/", "[::1]:80", "[::1]", "http://[::1]", true},
		{"::1/ws", "ws://[::1]/ws", "[::1]:80", "[::1]", "http://[::1]", true},
		{"[::1]:8000", "ws://[::1]:8000/", "[::1]:8000", "[::1]:8000", "http://[::1]:8000", true},
		{"ws://u:p@h/", "ws://u:...@h/", "h:80", "h", "http://h", false},
	} {
		got, _, err := parseTarget(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got.String() != c.url || got.hostPort() != c.dial || got.hostField() != c.host || got.origin() != c.origin || got.guessed != c.guessed {
			t.Errorf("%s: %s %s %s %s %v", c.text, got, got.hostPort(), got.hostField(), got.origin(), got.guessed)
		}
	}
	for text, want := range map[string]string{
		"":                  "no host",
		"ws://":             "no host",
		"ftp://h":           "scheme must be",
		"ws://h/#f":         "fragment",
		"ws://h/#":          "fragment",
		"ws://h:0/":         "not a port",
		"ws://h:65536/":     "not a port",
		"ws://münchen.test": "xn--",
		"ws://h\x1b[2J/":    "",
		"ws://[::1/":        "",
		"ws://%zz/":         "",
	} {
		_, _, err := parseTarget(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%q: %v does not say %q", text, err, want)
		}
	}
}

// A parsed target can be dialled, and means the same when written out.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"ws://h", "wss://h:1/p?q#f", "example.com:443", "::1/x", "[::1]:80", "http://u:p@h/%41", "ws://%zz", "//", "a:b:c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, _, err := parseTarget(text)
		if err != nil {
			if !isPrintable(err.Error()) {
				t.Errorf("%q", err)
			}
			return
		}
		if _, _, err := net.SplitHostPort(target.hostPort()); err != nil || !isPrintable(target.String()) {
			t.Errorf("%q became %q, %v", text, target, err)
		}
		again, _, err := parseTarget(target.url.String())
		if err != nil || again.hostPort() != target.hostPort() || again.url.RequestURI() != target.url.RequestURI() {
			t.Errorf("%q became %q and then %v, %v", text, target.url, again, err)
		}
	})
}

func isPrintable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }) < 0
}

func TestParseHead(t *testing.T) {
	for _, c := range []struct {
		text   string
		status int
		faults int
		field  string // of X
	}{
		{"HTTP/1.1 101 Switching Protocols\r\nX: a\r\n\r\n", 101, 0, "a"},
		{"HTTP/1.1 200 \r\nx:a\r\nX: b\r\n\r\n", 200, 0, "a|b"},
		{"HTTP/1.1 200\r\nX: \t a \t\r\n\r\n", 200, 1, "a"},
		{"HTTP/1.1 200 OK\nX: a\n\n", 200, 1, "a"},
		{"HTTP/1.1 200 OK\r\nX : a\r\n\r\n", 200, 1, "a"},
		{"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", 200, 1, "a b"},
		{"HTTP/1.1 200 OK\r\nnone\r\n\r\n", 200, 1, ""},
		{"HTTP/1.1 200 OK\r\nX\x00: a\r\n\r\n", 200, 2, ""},
		{"HTTP/1.1 200 OK\r\n: a\r\n\r\n", 200, 1, ""},
		{"HTTP/11 200 OK\r\n\r\n", 200, 1, ""},
		{"HTTP/1.1  200 OK\r\n\r\n", 200, 0, ""},
		{"HTTP/1.1 20 OK\r\n\r\n", 0, 0, ""},
		{"HTTP/1.1 2000 OK\r\n\r\n", 0, 0, ""},
		{"HTTP/1.1 -20 OK\r\n\r\n", 0, 0, ""},
		{"HTTP/1.1\r\n\r\n", 0, 0, ""},
		{"\r\n\r\n", 0, 0, ""},
		{"SSH-2.0\r\n\r\n", 0, 0, ""},
	} {
		h, err := parseHead([]byte(c.text))
		if c.status == 0 {
			if err == nil {
				t.Errorf("%q: %+v", c.text, h)
			}
			continue
		}
		if err != nil || h.status != c.status || len(h.faults) != c.faults || strings.Join(h.values("x"), "|") != c.field {
			t.Errorf("%q: %+v, %v", c.text, h, err)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	for _, seed := range []string{"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\nrest", "HTTP/1.0 200\nA : b\n c\n\n", "\r\n", "HTTP/1.1 101 \x1b\r\n:\r\n\r\n", "HTTP/1.1 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := headEnd(b)
		for i := range b { // no prefix ends earlier or elsewhere
			if m := headEnd(b[:i]); m != 0 && m != n {
				t.Fatalf("%q ends at %d and its first %d bytes at %d", b, n, i, m)
			}
		}
		h, err := parseHead(b[:n])
		if err != nil {
			if !isPrintable(err.Error()) {
				t.Errorf("%q", err)
			}
			return
		}
		if h.status < 100 || h.status > 999 {
			t.Errorf("status %d", h.status)
		}
		for name := range h.fields {
			if !isToken(name) {
				t.Errorf("the field %q", name)
			}
		}
		for _, s := range append(showLines(h.lines), h.faults...) {
			if !isPrintable(s) {
				t.Errorf("%q", s)
			}
		}
	})
}

func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "a", "\x1b[2J", "\xff", "\u202e", "a\r\nb\tc", "\u009b", "é"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, s string, max int) {
		max = min(max&0xff, len(s)+1)
		for _, got := range []string{printable(s, max), printableLines(s, max), quote(s), showValue("Set-Cookie", printable(s, max)), showValue("Cookie", printable(s, max))} {
			if !isPrintable(got) {
				t.Errorf("%q became %q", s, got)
			}
		}
	})
}

// The text of a refusal is fit to print and of one line, whatever it is.
func FuzzReason(f *testing.F) {
	for _, seed := range []string{"", "no", "no\n", "a\nb", `{"title":"T","detail":"d\u001b."}`, `{"type":"https://godwit.io/problems/x"}`, `{"title":1}`, "\x1b[2J", "\xff"} {
		f.Add(seed, "application/problem+json")
		f.Add(seed, "text/plain")
	}
	f.Fuzz(func(t *testing.T, body, media string) {
		a := &attempt{raw: []byte(body), head: &head{fields: map[string][]string{"Content-Type": {media}}}}
		if got := reason(a); !isPrintable(got) || strings.Contains(got, "\n") || len(got) > 5*reasonBytesMax {
			t.Errorf("%q became %q", body, got)
		}
	})
}

func TestShowValue(t *testing.T) {
	for _, c := range [][3]string{
		{"Authorization", "Bearer abc", "Bearer (3 bytes, not shown)"},
		{"Authorization", "abc", "(3 bytes, not shown)"},
		{"Cookie", "a=xyz; b=q", "a=(3 bytes, not shown); b=(1 bytes, not shown)"},
		{"Cookie", "xyz", " (3 bytes, not shown)"},
		{"Set-Cookie", "a=xyz; Secure; SameSite=Lax", "a=(3 bytes, not shown); Secure; SameSite=Lax"},
		{"Set-Cookie", "xyz", "(3 bytes, not shown)"},
		{"X-Api-Key", "xyz", "(3 bytes, not shown)"},
		{"X-Access-Token", "xyz", "(3 bytes, not shown)"},
		{"Sec-Websocket-Key", "xyz", "xyz"},
		{"Www-Authenticate", "Bearer realm=x", "Bearer realm=x"},
		{"Location", "/login?ticket=xyz", "/login?ticket=..."},
	} {
		if got := showValue(c[0], c[1]); got != c[2] {
			t.Errorf("%s: %s became %q", c[0], c[1], got)
		}
	}
}

func TestExplainAccept(t *testing.T) {
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	want := handshake.AcceptKey(key)
	for _, c := range [][2]string{
		{key, "the key itself"},
		{strings.TrimRight(want, "="), "padding"},
		{`"` + want + `"`, "quotes"},
		{strings.ToUpper(want), "upper and lower case"},
		{handshake.AcceptKey(""), "empty key"},
		{handshake.AcceptKey(key + "\r\n"), ""},
		{handshake.AcceptKey(" " + key), "white space"},
		{handshake.AcceptKey(strings.TrimRight(key, "=")), "without its padding"},
		{handshake.AcceptKey("the sample nonce"), "the decoded key"},
		{"nonsense", ""},
	} {
		if got := explainAccept(c[0], key); !strings.Contains(got, c[1]) || (c[1] == "") != (got == "") && c[0] == "nonsense" {
			t.Errorf("%q: %q", c[0], got)
		}
	}
}

func TestDistribution(t *testing.T) {
	for n := 1; n <= 25; n++ {
		var p Pings
		for i := n; i > 0; i-- {
			p.All = append(p.All, time.Duration(i))
		}
		p.summarize()
		p90 := time.Duration((9*n + 9) / 10)
		if p.Min != 1 || p.Max != time.Duration(n) || p.Median != time.Duration((n+1)/2) || p.P90 != p90 {
			t.Errorf("%d: %+v", n, p)
		}
		if !slices.IsSortedFunc(p.All, func(a, b time.Duration) int { return int(b - a) }) {
			t.Error("All lost its order")
		}
	}
}

// Whatever a server sends, a run ends, and what it reports can be printed.
// Time is virtual, so that every timeout is reached at once.
func FuzzRun(f *testing.F) {
	open := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
	f.Add([]byte(open + "\r\n\x81\x02hi\x88\x02\x03\xe8"))
	f.Add([]byte(open + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x89\x00"))
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\x1b[2Jx\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 301 X\r\nLocation: /a\r\n\r\n"))
	f.Add([]byte("\x15\x03\x03\x00\x02\x02\x46"))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	f.Add([]byte(open + "\r\n\x01\x7e\x01\x00" + strings.Repeat("a", 256) + "\x80\x00\x8a\x00"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		synctest.Test(t, func(t *testing.T) {
			o := &Options{
				Pings: 2, Sample: true,
				Proxy:  func(*http.Request) (*url.URL, error) { return nil, nil },
				Lookup: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{netip.IPv6Loopback()}, nil },
				Dial: func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go serveBytes(far, answer)
					return near, nil
				},
			}
			r, err := Run(t.Context(), "ws://h.test/", o)
			if err != nil {
				t.Fatal(err)
			}
			checkReport(t, r)
		})
	})
}

// serveBytes answers a request with bytes, in which ACCEPT stands for what
// answers its key, and reads until the end.
func serveBytes(nc net.Conn, answer []byte) {
	defer nc.Close()
	b := make([]byte, 4096)
	n, err := nc.Read(b)
	if err != nil {
		return
	}
	_, key, _ := strings.Cut(string(b[:n]), "Sec-WebSocket-Key: ")
	key, _, _ = strings.Cut(key, "\r\n")
	done := make(chan struct{})
	go func() { defer close(done); io.Copy(io.Discard, nc) }()
	nc.Write([]byte(strings.Replace(string(answer), "ACCEPT", handshake.AcceptKey(key), 1)))
	<-done
}
