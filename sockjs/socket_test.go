package sockjs_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/ws"
)

// What a client of a raw WebSocket sends before it is decided about it is heard later.
func TestRawWebSocketIsHeld(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		h := newEvents(nil)
		held := make(chan *sockjs.Session, 1)
		s := serve(nil, &sockjs.Options{Decide: func(s *sockjs.Session, _ *sockjs.Request) sockjs.Handler {
			s.Hold()
			held <- s
			return h
		}})
		conn, _, err := ws.Dial(t.Context(), "ws://"+s.host+"/echo/websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		for i := range 10 {
			if err := conn.Write(t.Context(), ws.MessageText, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		session := <-held
		session.Wake()
		h.expect(t, "wake")
		session.Accept()
		h.expect(t, "open")
		for got, i := "", 0; i < 10; {
			if got = <-h.calls; got == "wake" {
				continue
			}
			if want := fmt.Sprintf("message %d", i); got != want {
				t.Fatalf("%q, want %q", got, want)
			}
			i++
		}
	})
}

// A page of another origin gets no WebSocket.
func TestWebSocketOrigins(t *testing.T) {
	for _, driver := range []string{"loops", "goroutines"} {
		t.Run(driver, func(t *testing.T) {
			refused := make(chan string, 1)
			s := newSite(t, driver, echo{}, &sockjs.Options{Observer: &sockjs.Observer{OriginRefused: func(origin, host string) { refused <- origin + " " + host }}})
			for _, path := range []string{"/websocket", "/0/a/websocket"} {
				_, r, err := ws.Dial(t.Context(), "ws://"+s.host+"/echo"+path, &ws.DialOptions{Header: http.Header{"Origin": {"https://evil.example"}}})
				if err == nil || r == nil || r.StatusCode != http.StatusForbidden {
					t.Error(err)
				}
				if got := <-refused; got != "https://evil.example "+s.host {
					t.Error(got)
				}
			}
		})
	}
}

// A WebSocket that is accepted beyond SessionsMax is told why.
func TestSessionsMaxOfWebSockets(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		s := serve(echo{}, &sockjs.Options{SessionsMax: 1})
		p := s.peer("websocket").open()
		other := s.peer("websocket")
		other.expect(`c[1013,"there are too many sessions; try again later"]`)
		other.expect("end")
		p.send(`["x"]`)
		p.expect(`a["x"]`)
	})
}

// A handshake that was accepted and did not become a WebSocket is given up.
func TestLostHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newEvents(nil)
		s := newStill(t, nil, &sockjs.Options{Decide: func(*sockjs.Session, *sockjs.Request) sockjs.Handler { return h }})
		handshake := func() {
			r := httptest.NewRequest("GET", "/0/a/websocket", nil)
			r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
			s.ServeHTTP(httptest.NewRecorder(), r) // which cannot be taken over
		}
		handshake()
		h.expect(t, `close 1002 "Connection interrupted" true`)
		if n := s.Stats(); n.Sessions != 0 {
			t.Errorf("%+v", n)
		}
		_ = s.Close()
	})
}

// A WebSocket that is silent costs what its connection costs, and a few hundred bytes.
func TestIdleWebSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("it opens many connections")
	}
	const conns = 2000
	s := newSite(t, "loops", echo{}, nil)
	dial := func(n int) {
		for i := range n {
			c, err := net.Dial("tcp", s.host)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			_, _ = fmt.Fprintf(c, "GET /echo/0/i%d/websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", i, s.host)
			_ = c.SetReadDeadline(time.Now().Add(patience))
			b := make([]byte, 0, 512)
			for !strings.HasSuffix(string(b), "\x81\x01o") {
				n, err := c.Read(b[len(b):cap(b)])
				if err != nil {
					t.Fatal(err)
				}
				b = b[:len(b)+n]
			}
		}
	}
	dial(100) // one-time allocations
	before, goroutines := heap(), runtime.NumGoroutine()
	dial(conns)
	each := (heap() - before) / conns
	t.Logf("%d bytes for each session, with both ends of its connection", each)
	if each > 2500 {
		t.Errorf("%d bytes for a session", each)
	}
	if more := runtime.NumGoroutine() - goroutines; more > 10 {
		t.Errorf("%d goroutines more", more)
	}
}

// Over HTTP/2 a client that gives up a stream and asks again on the same connection is never
// told that there is another receiver.
func TestHTTP2ReceiverReplaced(t *testing.T) {
	h := newEvents(nil)
	s, err := sockjs.New(h, &sockjs.Options{Base: "/echo", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	defer s.Close()
	client := server.Client()
	for i := range 20 {
		url := fmt.Sprintf("%s/echo/0/s%d/", server.URL, i)
		ctx, cancel := context.WithCancel(t.Context())
		post := func(ctx context.Context, end string) *http.Response {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+end, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		stream := post(ctx, "xhr_streaming")
		if stream.ProtoMajor != 2 {
			t.Fatal(stream.Proto)
		}
		if _, err := io.ReadFull(stream.Body, make([]byte, 2049+2)); err != nil {
			t.Fatal(err)
		}
		cancel()
		again := post(t.Context(), "xhr")
		b, _ := io.ReadAll(again.Body)
		if string(b) != "c[1002,\"Connection interrupted\"]\n" {
			t.Fatalf("%d: %q", i, b)
		}
		stream.Body.Close()
		again.Body.Close()
	}
}

// An engine.Server serves HTTP/2 from the same Server, and TLS.
func TestEngineOverTLS(t *testing.T) {
	s, err := sockjs.New(echo{}, &sockjs.Options{Base: "/echo", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine.Server{Handler: engine.NopHandler{}, HTTP: s, Route: s.Route, Admit: s.Admit, Log: quiet}
	stop := serveUntil(t, func() error {
		return e.ServeTLS(ln, &tls.Config{Certificates: certificate.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}})
	}, e.Close)
	defer stop()
	defer s.Close()
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}
		client := &http.Client{Transport: transport}
		r, err := client.Post(fmt.Sprintf("https://%s/echo/0/s%v/xhr", ln.Addr(), http2), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if string(b) != "o\n" || (r.ProtoMajor == 2) != http2 {
			t.Errorf("%s: %q", r.Proto, b)
		}
		transport.CloseIdleConnections()
	}
}
