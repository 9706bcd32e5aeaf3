package transport

import (
	"bufio"
	"crypto/tls"
	bytesof "encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// What a client may try over HTTP/2, where net/http reads the frames and this
// package sees what is left of them. The table in docs/hazards.md says which
// test is for what.

// The frame types of RFC 9113 §6 that are used here.
const (
	h2Headers      = 0x1
	h2Reset        = 0x3
	h2Settings     = 0x4
	h2Ping         = 0x6
	h2GoAway       = 0x7
	h2Continuation = 0x9

	h2EndStream, h2Ack = 0x1, 0x1
	h2EndHeaders       = 0x4

	h2EnhanceYourCalm = 0xb
)

// h2Server is a site's Transport behind a server of HTTP/2 that counts panics.
type h2Server struct {
	*httptest.Server
	panics, running, most atomic.Int64
	handled               chan struct{} // gets one when a handler returns
}

func newH2Server(t *testing.T, h http.Handler) *h2Server {
	s := &h2Server{handled: make(chan struct{}, 20_000)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := s.running.Add(1)
		for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
		}
		defer func() {
			s.running.Add(-1)
			s.handled <- struct{}{}
		}()
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler { // which is an end without an answer
				s.panics.Add(1)
				t.Errorf("%s %s: panic: %v", r.Method, r.URL, v)
			}
		}()
		h.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// h2Conn is a client that sends any frames it likes.
type h2Conn struct {
	t  *testing.T
	nc *tls.Conn
	br *bufio.Reader
	hd *hpack.Decoder
}

func (s *h2Server) dial(t *testing.T) *h2Conn {
	t.Helper()
	config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	nc, err := tls.Dial("tcp", s.Listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	c := &h2Conn{t: t, nc: nc, br: bufio.NewReader(nc), hd: hpack.NewDecoder(4096, nil)}
	c.send([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	c.send(appendH2(nil, h2Settings, 0, 0, nil))
	return c
}

func (c *h2Conn) send(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func appendH2(dst []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	dst = append(dst, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(bytesof.BigEndian.AppendUint32(dst, stream), payload...)
}

// receive returns the next frame.
func (c *h2Conn) receive() (kind, flags byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err = io.ReadFull(c.br, head[:]); err != nil {
		return
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(c.br, payload)
	return head[3], head[4], bytesof.BigEndian.Uint32(head[5:]), payload, err
}

// answer waits for what becomes of a stream: its status, "reset", "goaway", or
// "closed".
func (c *h2Conn) answer(stream uint32) string {
	c.t.Helper()
	for {
		kind, _, on, payload, err := c.receive()
		switch {
		case err != nil:
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.t.Error("no answer came")
			}
			return "closed"
		case kind == h2GoAway:
			return "goaway"
		case on != stream:
		case kind == h2Reset:
			return "reset"
		case kind == h2Headers:
			fields, err := c.hd.DecodeFull(payload)
			if err != nil || len(fields) == 0 || fields[0].Name != ":status" {
				c.t.Fatalf("a response of %v, %v", fields, err)
			}
			return fields[0].Value
		}
	}
}

func encodeH2(fields ...string) []byte {
	var b strings.Builder
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return []byte(b.String())
}

// xconnect says whether net/http's server takes extended CONNECT (RFC 8441). It
// reads the setting once, so a process of its own is asked about the other one.
func xconnect() bool { return strings.Contains(os.Getenv("GODEBUG"), "http2xconnect=1") }

// Odd, missing and repeated pseudo-headers are answered with an error, by
// net/http or here, and so is extended CONNECT. None of them is a panic.
func TestOddPseudoHeaders(t *testing.T) {
	site := newSite(t, siteOptions{})
	s := newH2Server(t, site.transport)
	const method, scheme, authority, path, protocol = ":method", ":scheme", ":authority", ":path", ":protocol"
	const key, sample = "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="
	refusedConnect := "reset" // net/http does not know :protocol
	if xconnect() {
		refusedConnect = "505"
	}
	for _, v := range []struct {
		name   string
		want   string
		fields []string
	}{
		{"in order", "200", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/chat"}},
		{"extended CONNECT", refusedConnect, []string{method, "CONNECT", protocol, "websocket", scheme, "https", authority, "test", path, "/channels/chat", "sec-websocket-version", "13"}},
		{"extended CONNECT with everything wrong", "", []string{method, "CONNECT", protocol, "websocket", scheme, "https", authority, "test", path, "/channels/chat?since=x&last=-1", "sec-websocket-version", "13", key, sample, "origin", "null", "sec-websocket-extensions", ";"}},
		{"another protocol", map[bool]string{true: "405", false: "reset"}[xconnect()], []string{method, "CONNECT", protocol, "connect-udp", scheme, "https", authority, "test", path, "/channels/chat"}},
		{"an empty protocol", "", []string{method, "CONNECT", protocol, "", scheme, "https", authority, "test", path, "/channels/chat"}},
		{"protocol and GET", "", []string{method, "GET", protocol, "websocket", scheme, "https", authority, "test", path, "/channels/chat"}},
		{"extended CONNECT without path", "", []string{method, "CONNECT", protocol, "websocket", scheme, "https", authority, "test"}},
		{"extended CONNECT without scheme", "", []string{method, "CONNECT", protocol, "websocket", authority, "test", path, "/channels/chat"}},
		{"extended CONNECT without authority", "", []string{method, "CONNECT", protocol, "websocket", scheme, "https", path, "/channels/chat"}},
		{"protocol twice", "", []string{method, "CONNECT", protocol, "websocket", protocol, "websocket", scheme, "https", authority, "test", path, "/channels/chat"}},
		{"plain CONNECT", "", []string{method, "CONNECT", authority, "test:443"}},
		{"plain CONNECT with a path", "", []string{method, "CONNECT", authority, "test", path, "/channels/chat"}},
		{"CONNECT without authority", "", []string{method, "CONNECT"}},
		{"GET of a WebSocket", "505", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/chat", key, sample, "sec-websocket-version", "13"}},
		{"upgrade", "", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/chat", "upgrade", "websocket", "connection", "upgrade"}},
		{"no path", "", []string{method, "GET", scheme, "https", authority, "test"}},
		{"an empty path", "", []string{method, "GET", scheme, "https", authority, "test", path, ""}},
		{"a path without a slash", "", []string{method, "GET", scheme, "https", authority, "test", path, "channels/chat"}},
		{"a path of two slashes", "", []string{method, "GET", scheme, "https", authority, "test", path, "//channels/chat"}},
		{"a star", "", []string{method, "GET", scheme, "https", authority, "test", path, "*"}},
		{"OPTIONS of a star", "200", []string{method, "OPTIONS", scheme, "https", authority, "test", path, "*"}},
		{"a path with a line end", "", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/chat\r\nEvil: yes"}},
		{"a path with NUL", "", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/\x00"}},
		{"two paths", "", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/a", path, "/channels/b"}},
		{"two methods", "", []string{method, "GET", method, "POST", scheme, "https", authority, "test", path, "/channels/chat"}},
		{"no method", "", []string{scheme, "https", authority, "test", path, "/channels/chat"}},
		{"an odd method", "", []string{method, "G E T", scheme, "https", authority, "test", path, "/channels/chat"}},
		{"no scheme", "", []string{method, "GET", authority, "test", path, "/channels/chat"}},
		{"an odd scheme", "", []string{method, "GET", scheme, "gopher", authority, "test", path, "/channels/chat"}},
		{"a pseudo-header after a field", "", []string{method, "GET", scheme, "https", "a", "b", authority, "test", path, "/channels/chat"}},
		{"an unknown pseudo-header", "", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/chat", ":evil", "yes"}},
		{"a response's pseudo-header", "", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/chat", ":status", "200"}},
		{"a field in capitals", "", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/chat", "Accept", "*/*"}},
		{"a field with a line end", "", []string{method, "GET", scheme, "https", authority, "test", path, "/channels/chat", "accept", "a\r\nb"}},
		{"nothing at all", "", nil},
	} {
		c := s.dial(t)
		c.send(appendH2(nil, h2Headers, h2EndHeaders|h2EndStream, 1, encodeH2(v.fields...)))
		got := c.answer(1)
		// An outcome that is not said here is for net/http to choose, and must be a
		// refusal. It lets two requests through that are ordinary reads to the server
		// behind it.
		lenient := map[string]bool{"an odd scheme": true, "protocol and GET": xconnect()}[v.name] && got == "200"
		refused := got == "reset" || got == "goaway" || got == "closed" || got >= "400" && got < "600"
		if v.want != "" && got != v.want || v.want == "" && !refused && !lenient {
			t.Errorf("%s: %s, want %q", v.name, got, v.want)
		}
		c.nc.Close()
	}
	if n := s.panics.Load(); n != 0 {
		t.Errorf("%d panics", n)
	}
	site.expectGone()
}

// The same with extended CONNECT turned on in net/http, in a process of its own.
func TestOddPseudoHeadersWithExtendedCONNECT(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestOddPseudoHeaders$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=http2xconnect=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestOddPseudoHeaders") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Streams that are opened and reset at once, ten thousand of them: never more
// handlers run than streams are allowed, nothing is left of them, and when the
// handlers are slower than the resets the connection ends.
func TestRapidResetIsBudgeted(t *testing.T) {
	const streams = 10_000
	for _, slow := range []bool{false, true} {
		site := newSite(t, siteOptions{})
		transport := newTransport(site.hub, &Options{Logger: slog.New(slog.DiscardHandler)})
		release := make(chan struct{})
		s := newH2Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slow {
				<-release
			}
			transport.ServeHTTP(w, r)
		}))
		c := s.dial(t)
		allowed := int64(0)
		ended := make(chan string, 1)
		go func() {
			for {
				kind, flags, _, payload, err := c.receive()
				switch {
				case err != nil:
					ended <- "closed"
					return
				case kind == h2Settings:
					for ; len(payload) >= 6; payload = payload[6:] {
						if bytesof.BigEndian.Uint16(payload) == 3 { // MAX_CONCURRENT_STREAMS
							allowed = int64(bytesof.BigEndian.Uint32(payload[2:]))
						}
					}
				case kind == h2GoAway:
					ended <- fmt.Sprintf("goaway %#x", bytesof.BigEndian.Uint32(payload[4:]))
					return
				case kind == h2Ping && flags&h2Ack != 0:
					ended <- "pong"
					return
				}
			}
		}()
		fields := encodeH2(":method", "GET", ":scheme", "https", ":authority", "test", ":path", "/channels/chat", "accept", "text/event-stream")
		var b []byte
		for i := range uint32(streams) {
			b = appendH2(b[:0], h2Headers, h2EndHeaders|h2EndStream, 2*i+1, fields)
			b = appendH2(b, h2Reset, 0, 2*i+1, []byte{0, 0, 0, 8}) // CANCEL
			if _, err := c.nc.Write(b); err != nil {
				break // it has been closed
			}
		}
		_, _ = c.nc.Write(appendH2(nil, h2Ping, 0, 0, make([]byte, 8)))
		end := <-ended
		if want := fmt.Sprintf("goaway %#x", h2EnhanceYourCalm); slow && end != want && end != "closed" {
			t.Errorf("slow handlers: %s, want %s", end, want)
		}
		close(release)
		c.nc.Close()
		if most := s.most.Load(); allowed == 0 || most > allowed || most == 0 {
			t.Errorf("%d handlers ran at once, %d streams are allowed", most, allowed)
		}
		s.Close() // no more handlers begin
		for expired := time.After(patience); s.running.Load() > 0; {
			select {
			case <-s.handled:
			case <-expired:
				t.Fatalf("%d handlers are still running", s.running.Load())
			}
		}
		if left := site.hub.Stats().Sessions; len(left) > 0 {
			t.Errorf("sessions are left behind: %v", left)
		}
	}
}

// A header that goes on and on in CONTINUATION frames is cut, and not held.
func TestEndlessContinuation(t *testing.T) {
	if testing.Short() {
		t.Skip("it sends for a second")
	}
	site := newSite(t, siteOptions{})
	s := newH2Server(t, site.transport)
	c := s.dial(t)
	ended := make(chan string, 1)
	go func() { ended <- c.answer(1) }()
	_, _ = c.nc.Write(appendH2(nil, h2Headers, h2EndStream, 1, encodeH2(":method", "GET", ":scheme", "https", ":authority", "test", ":path", "/channels/chat")))
	part := appendH2(nil, h2Continuation, 0, 1, encodeH2("x-long", strings.Repeat("~", 16000)))
	sent := 0
	for ; sent < 64<<20; sent += len(part) {
		if _, err := c.nc.Write(part); err != nil {
			break
		}
	}
	if end := <-ended; sent >= 64<<20 || end == "200" {
		t.Errorf("after %d bytes: %s", sent, end)
	}
	site.expectGone()
}
