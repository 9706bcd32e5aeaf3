package inspect

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// echo is a server of our own library.
func echo(t *testing.T, o *ws.AcceptOptions) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, o)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			typ, message, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			if err := conn.Write(context.Background(), typ, message); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// Our own server has nothing to complain about.
func TestOwnServer(t *testing.T) {
	t.Parallel()
	for _, compressed := range []bool{false, true} {
		var accept ws.AcceptOptions
		accept.Subprotocols = []string{"v1"}
		if compressed {
			accept.Compression = &deflate.Options{}
		}
		s := echo(t, &accept)
		o := direct()
		o.Timeout, o.Pings, o.Sample, o.Subprotocols = 5*time.Second, 5, true, []string{"v0", "v1"}
		r := look(t, "ws"+strings.TrimPrefix(s.URL, "http"), o)
		wants(t, r, "tcp-ok", "handshake-ok", "subprotocol-ok", "session-quiet", "pings-ok", "close-ok", "origin-checked", "compression-benefit")
		if !r.Works || r.Summary != "This endpoint works." || r.Count(Warning) > 0 {
			t.Errorf("%s", r.Summary)
		}
		session := r.Session
		if session.Subprotocol != "v1" || session.Pings.Sent != 5 || session.Pings.Answered != 5 || session.Pings.Min > session.Pings.Median || session.Pings.P90 > session.Pings.Max {
			t.Errorf("%+v", session)
		}
		if c := session.Close; c.By != "inspect" || c.Code != 1000 || c.Sent != 1000 || c.TCP != "closed" {
			t.Errorf("%+v", c)
		}
		if sample := session.Sample; !sample.Echoed || (sample.EchoBytes < sample.Bytes/2) != compressed || (session.Compression != nil) != compressed {
			t.Errorf("compressed %v: %+v", compressed, sample)
		}
	}
}

// The JSON form is a golden file, with what changes from run to run replaced.
func TestJSON(t *testing.T) {
	t.Parallel()
	s := echo(t, &ws.AcceptOptions{Options: ws.Options{Compression: &deflate.Options{}}})
	o := direct()
	o.Timeout, o.Header = 5*time.Second, http.Header{"Authorization": {"Bearer abc"}}
	r := look(t, s.URL, o)
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for pattern, with := range map[string]string{
		`127\.0\.0\.1:\d+`:                "HOST",
		`(_ns": )\d+`:                     "${1}1",
		`"started": "[^"]*"`:              `"started": "TIME"`,
		`[A-Za-z0-9+/]{22}==`:             "KEY",
		`[A-Za-z0-9+/]{27}=`:              "ACCEPT",
		`\d[\d.]*(µs|ms|s)\b`:             "TIME",
		`"(header|payload)": "[0-9a-f]*"`: `"$1": "HEX"`,
		`(?s)("all_ns": \[)[^\]]*\]`:      "$1]",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, with)
	}
	const file = "testdata/report.json"
	golden.Compare(t, file, text+"\n")
	if strings.Contains(string(b), "abc") {
		t.Error("a credential is in the report")
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil || back.Findings[0].Grade != r.Findings[0].Grade {
		t.Errorf("it does not read back: %v", err)
	}
}

// Redirects are followed, without the credentials where they do not belong.
func TestRedirects(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 20)
	end := listen(t, nil, false, func(p *peer) {
		seen <- p.header
		p.open()
		p.behave()
	})
	begin := listen(t, nil, false, page("301 Moved Permanently", "", "Location: http://"+end+"/there#x"))
	o := direct()
	o.Header = http.Header{"Authorization": {"Bearer secret"}, "X-Kept": {"yes"}}
	r := look(t, "ws://"+begin+"/", o)
	wants(t, r, "redirect", "handshake-ok")
	if r.URL != "ws://"+end+"/there" || len(r.Exchanges) != 2 || r.Works || !strings.Contains(r.Summary, r.URL) {
		t.Errorf("%s: %s", r.URL, r.Summary)
	}
	if h := <-seen; h.Get("Authorization") != "" || h.Get("X-Kept") != "yes" {
		t.Errorf("sent on: %v", h)
	}

	// The summary is about the end of a redirect.
	gone := listen(t, nil, false, func(p *peer) {
		if p.request == "GET /" {
			page("302 Found", "", "Location: /gone")(p)
			return
		}
		page("404 Not Found", "")(p)
	})
	if r := look(t, "ws://"+gone, direct()); !strings.Contains(r.Summary, "404 Not Found") {
		t.Error(r.Summary)
	}

	// Out of TLS nothing is followed.
	root, _ := (*authority)(nil).issue(t, ca("Test Root"))
	_, chain := root.issue(t, func(*x509.Certificate) {})
	secure := listen(t, &tls.Config{Certificates: []tls.Certificate{chain}}, false, page("302 Found", "", "Location: ws://"+end+"/"))
	o.Insecure = true
	wants(t, look(t, "wss://"+secure+"/", o), "redirect-insecure")
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	open := listen(t, nil, false, frames(""))
	_, port, _ := net.SplitHostPort(open)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	ln.Close()
	addresses := func(list ...string) func(*Options) {
		return func(o *Options) {
			o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				var a []netip.Addr
				for _, s := range list {
					a = append(a, netip.MustParseAddr(s))
				}
				return a, nil
			}
		}
	}
	failing := func(err error) func(*Options) {
		return func(o *Options) {
			o.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, err }
		}
	}
	dialing := func(err error) func(*Options) {
		return func(o *Options) {
			o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				if err == nil {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return nil, &net.OpError{Op: "dial", Err: err}
			}
		}
	}
	for _, c := range []struct {
		name, target string
		option       func(*Options)
		want         string
	}{
		{"refused", "ws://" + closed, func(*Options) {}, "tcp-refused"},
		{"no such name", "ws://nowhere.test", failing(&net.DNSError{Err: "no such host", IsNotFound: true}), "dns-not-found"},
		{"no address", "ws://nowhere.test", addresses(), "dns-not-found"},
		{"no name server", "ws://nowhere.test", failing(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), "dns-failed"},
		{"dropped", "ws://192.0.2.1:80", dialing(nil), "tcp-timeout"},
		{"no route", "ws://192.0.2.1:80", dialing(syscall.EHOSTUNREACH), "tcp-unreachable"},
		{"else", "ws://192.0.2.1:80", dialing(errors.New("odd \x1b[2J")), "tcp-failed"},
		{"one of two", "ws://two.test:" + port, addresses("::1", "127.0.0.1"), "tcp-some"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := direct()
			if c.want == "tcp-timeout" {
				o.Timeout = 10 * time.Millisecond // connecting is all there is
			}
			c.option(o)
			r := look(t, c.target, o)
			wants(t, r, c.want)
			if (finding(r, c.want).Grade == Error) == r.Works {
				t.Error(r.Summary)
			}
		})
	}
}

// The first bytes of an answer can be slow.
func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := virtual(direct(), false, func(p *peer) {
			if p.header.Get("Origin") == "" {
				time.Sleep(1100 * time.Millisecond)
			}
			p.open()
			p.behave()
		})
		wants(t, look(t, "ws://example.test", o), "response-slow", "handshake-ok")
	})
}

func TestProxies(t *testing.T) {
	t.Parallel()
	end := listen(t, nil, false, frames(""))
	tunnel := func(answer string) func(*peer) {
		return func(p *peer) {
			if answer != "" {
				p.say(answer)
				return
			}
			out, err := net.Dial("tcp", strings.Fields(p.request)[1])
			if err != nil {
				return
			}
			defer out.Close()
			p.say("HTTP/1.1 200 Connection established\r\n\r\n")
			done := make(chan struct{})
			go func() { defer close(done); io.Copy(p, out); p.Close() }()
			io.Copy(out, p.br)
			out.Close()
			<-done
		}
	}
	for _, c := range []struct {
		name, scheme string
		raw          bool
		serve        func(*peer)
		want         string
	}{
		{"works", "http", false, connectOnly(tunnel("")), "handshake-ok"},
		{"credentials", "http", false, tunnel("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "proxy-credentials"},
		{"refuses", "http", false, tunnel("HTTP/1.1 403 Forbidden\r\n\r\n"), "proxy-refused"},
		{"speaks first", "http", false, tunnel("HTTP/1.1 200 OK\r\n\r\nhello"), "proxy-refused"},
		{"is no proxy", "http", false, tunnel("SSH-2.0\r\n"), "proxy-unreachable"},
		{"socks refuses", "socks5", true, func(p *peer) {
			p.br.Peek(3)
			p.say("\x05\x00")
			p.br.Discard(3)
			p.br.Peek(4)
			p.say("\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")
		}, "proxy-refused"},
		{"hangs up", "socks5", true, func(p *peer) { p.br.Peek(1) }, "proxy-unreachable"},
		{"odd", "gopher", true, func(*peer) {}, "proxy-unusable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			via := listen(t, nil, c.raw, c.serve)
			o := direct()
			o.Proxy = func(r *http.Request) (*url.URL, error) {
				if r.URL.Scheme != "http" {
					t.Errorf("asked for %v", r.URL)
				}
				return url.Parse(c.scheme + "://user:secret@" + via)
			}
			r := look(t, "ws://"+end, o)
			wants(t, r, c.want)
			if b, _ := json.Marshal(r); bytes.Contains(b, []byte("secret")) {
				t.Errorf("the password is shown: %s", b)
			}
			if c.scheme == "http" {
				wants(t, r, "proxy-used")
			}
		})
	}
}

// connectOnly is a proxy as net/http reads its requests: the target of CONNECT is the host.
func connectOnly(serve func(*peer)) func(*peer) {
	return func(p *peer) {
		p.request = strings.ReplaceAll(p.request, "CONNECT /", "CONNECT ")
		serve(p)
	}
}

// The context ends a run at once, whatever it waits for.
func TestContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	address := listen(t, nil, false, func(p *peer) {
		p.open()
		p.next() // a ping, which gets no answer
		cancel()
		p.idle()
	})
	o := direct()
	o.Timeout = time.Minute
	r, err := Run(ctx, "ws://"+address, o)
	if !errors.Is(err, context.Canceled) || r == nil || r.Session == nil {
		t.Errorf("%v, %+v", err, r)
	}
	if r, err := Run(ctx, "ws://"+address, o); err == nil || r.Works {
		t.Errorf("a run after the end: %v", err)
	}
}

// A target that cannot be inspected is an error, and not a report.
func TestMistakes(t *testing.T) {
	var field *handshake.FieldError
	if _, err := Run(t.Context(), "ws://x", &Options{Header: http.Header{"Upgrade": {"x"}}}); !errors.As(err, &field) {
		t.Errorf("a reserved header: %v", err)
	}
	if _, err := Run(t.Context(), "ws://x", &Options{Subprotocols: []string{"a b"}}); !errors.As(err, &field) {
		t.Errorf("a bad subprotocol: %v", err)
	}
	var target *TargetError
	if _, err := Run(t.Context(), "ftp://x", nil); !errors.As(err, &target) {
		t.Errorf("a bad target: %v", err)
	}
}

// A message of any length is bounded in memory.
func TestLongMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := look(t, "ws://example.test", virtual(direct(), false, func(p *peer) {
			p.open()
			part := make([]byte, 1<<20)
			p.Write(wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: wire.Binary, Length: 3 << 20}))
			for range 3 {
				p.Write(part)
			}
			p.frame(wire.Text, "short")
			p.behave()
		}))
		wants(t, r, "session-sends", "pings-ok", "close-ok")
		if u := r.Session.Unprompted; u.Messages != 2 || u.Bytes != 3<<20+5 {
			t.Errorf("%+v", u)
		}
	})
}
