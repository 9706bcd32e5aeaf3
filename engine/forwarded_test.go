package engine_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// counts waits until s counts so many connections, and HTTP has so many of them.
func counts(t *testing.T, s *engine.Server, conns, http int) {
	t.Helper()
	eventually(t, func() (string, bool) {
		n, h := s.Len(), s.SharedStats().HTTPConns
		return fmt.Sprintf("%d connections, %d of HTTP; want %d and %d", n, h, conns, http), n == conns && h == http
	})
}

// eventually waits until is reports true, or fails with what it says.
func eventually(t *testing.T, is func() (string, bool)) {
	t.Helper()
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		said, ok := is()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatal(said)
		}
	}
}

const idleHTTP = "GET /http HTTP/1.1\r\nHost: x\r\n\r\n"

// takingOver is a handler that hands what it takes over to a test.
func takingOver(taken chan<- net.Conn) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/take" {
			site(w, r)
			return
		}
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		taken <- nc
	})
}

// A connection that HTTP has is counted until it is closed, whatever has it by then.
func TestForwardedConnectionsAreCounted(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		taken := make(chan net.Conn, 1)
		s.Handler, s.HTTP = echo{}, takingOver(taken)
		address := start(t, s)
		c := connect(t, address)
		for range 2 {
			c.send(t, []byte(idleHTTP))
			c.expectBody(t, `GET /http ""`)
			counts(t, s, 1, 1)
		}
		upgrade(t, address)
		counts(t, s, 2, 1)
		c.Close()
		counts(t, s, 1, 0)
		c = connect(t, address)
		c.send(t, []byte("GET /take HTTP/1.1\r\nHost: x\r\n\r\n"))
		nc := next(t, taken)
		counts(t, s, 2, 1)
		fmt.Fprint(nc, "mine")
		if b := make([]byte, 4); true {
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "mine" {
				t.Errorf("%q %v", b, err)
			}
		}
		nc.Close()
		nc.Close()
		c.ends(t)
		counts(t, s, 1, 0)
	})
}

// So is one of HTTP/2, which net/http has without a wrapper.
func TestHTTP2ConnectionsAreCounted(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		a := newAuthority(t)
		s.Handler, s.HTTP = echo{}, http.HandlerFunc(site)
		config := a.server(t)
		config.NextProtos = []string{"h2", "http/1.1"}
		address := startTLS(t, s, config)
		for _, http2 := range []bool{true, false} {
			tr := &http.Transport{TLSClientConfig: a.client(), ForceAttemptHTTP2: http2}
			r, err := (&http.Client{Transport: tr}).Get("https://" + address + "/http")
			if err != nil {
				t.Fatal(err)
			}
			if _, _ = io.Copy(io.Discard, r.Body); (r.ProtoMajor == 2) != http2 {
				t.Errorf("%v", r.Proto)
			}
			r.Body.Close()
			counts(t, s, 1, 1)
			tr.CloseIdleConnections()
			counts(t, s, 0, 0)
		}
	})
}

// A full server upgrades a connection that it counts already, and no other.
func TestUpgradesOfAFullServer(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.ConnsMax = echo{}, 1
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/http" {
				site(w, r)
				return
			}
			if _, err := s.Upgrade(w, r, engine.Admission{}); err != nil {
				t.Error(err)
			}
		})
		s.Admit = func(*engine.Request) engine.Admission { return engine.Admission{HTTP: true} }
		c := connect(t, start(t, s))
		c.send(t, []byte(idleHTTP))
		c.expectBody(t, `GET /http ""`)
		c.send(t, append([]byte(opening), text("hello")...))
		c.switched(t)
		c.expect(t, wire.Text, "hello")
		counts(t, s, 1, 0)
		if _, err := s.Adopt(unused(), engine.Adoption{}); err != engine.ErrConnsMax {
			t.Errorf("Adopt: %v", err)
		}
		c.send(t, closing(1000))
		c.closes(t, 1000)
		counts(t, s, 0, 0)
	})
}

// Another server adopts what one has forwarded; each counts its own.
func TestAdoptFromAnotherServer(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		taken := make(chan net.Conn, 1)
		s.Handler, s.HTTP = echo{}, takingOver(taken)
		other := &engine.Server{Handler: echo{}}
		start(t, other)
		c := connect(t, start(t, s))
		c.send(t, []byte("GET /take HTTP/1.1\r\nHost: x\r\n\r\n"))
		conn, err := other.Adopt(next(t, taken), engine.Adoption{})
		if err != nil {
			t.Fatal(err)
		}
		counts(t, s, 0, 0)
		counts(t, other, 1, 0)
		conn.CloseNow()
		c.ends(t)
	})
}

// Shutdown waits for what a handler has taken over, and Close ends it.
func TestShutdownWaitsForTheForwarded(t *testing.T) {
	for _, end := range []string{"the handler", "the context", "Close"} {
		t.Run(end, func(t *testing.T) {
			drivers(t, func(t *testing.T, s *engine.Server) {
				taken := make(chan net.Conn, 1)
				s.Handler, s.HTTP = echo{}, takingOver(taken)
				address := start(t, s)
				idle, c := connect(t, address), connect(t, address)
				idle.send(t, []byte(idleHTTP))
				idle.expectBody(t, `GET /http ""`)
				c.send(t, []byte("GET /take HTTP/1.1\r\nHost: x\r\n\r\n"))
				nc := next(t, taken)
				if end == "Close" {
					_ = s.Close()
					c.ends(t)
					idle.ends(t)
					counts(t, s, 0, 0)
					return
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ended := make(chan error, 1)
				go func() { ended <- s.Shutdown(ctx) }()
				idle.ends(t)
				counts(t, s, 1, 1)
				select {
				case err := <-ended:
					t.Errorf("Shutdown does not wait: %v", err)
				default:
				}
				want := error(nil)
				if end == "the handler" {
					nc.Close()
				} else {
					cancel()
					want = context.Canceled
				}
				if err := next(t, ended); err != want {
					t.Errorf("%v, want %v", err, want)
				}
				c.ends(t)
				counts(t, s, 0, 0)
			})
		})
	}
}
