package engine_test

import (
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// refusalsMax is how many connections above the limit are told so at a time.
const refusalsMax = 64

// expectRefusals waits until s has refused so many.
func expectRefusals(t *testing.T, s *engine.Server, want uint64) {
	t.Helper()
	eventually(t, func() (string, bool) { // it is told when the loop rests
		var n uint64
		for _, l := range s.Stats() {
			n += l.Refused
		}
		return fmt.Sprintf("%d refusals, want %d", n, want), n == want
	})
}

// Above the limit an opening handshake is told so, and nobody else notices.
func TestConnsMax(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		asked := make(chan string, 10)
		s.Handler, s.ConnsMax = echo{}, 2
		s.Admit = func(r *engine.Request) engine.Admission {
			asked <- r.Path()
			return engine.Admission{}
		}
		s.Refuse = func(_ *engine.Request, f *handshake.Fault) (string, []byte) {
			return "text/x-full", []byte(fmt.Sprint(f.Status))
		}
		address := start(t, s)
		a, b := upgrade(t, address), upgrade(t, address)
		for range 2 {
			c := connect(t, address)
			c.send(t, []byte(opening))
			r := c.response(t)
			if r.StatusCode != 503 || r.Header.Get("Retry-After") != "5" || !r.Close || r.Header.Get("Content-Type") != "text/x-full" {
				t.Errorf("%v", r)
			}
			if b, _ := io.ReadAll(r.Body); string(b) != "503" {
				t.Errorf("%q", b)
			}
			c.ends(t)
		}
		counts(t, s, 2, 0)
		expectRefusals(t, s, 2)
		if n := len(asked); n != 2 {
			t.Errorf("Admit was asked %d times, want 2", n)
		}
		if _, err := s.Adopt(unused(), engine.Adoption{}); err != engine.ErrConnsMax {
			t.Errorf("Adopt: %v", err)
		}
		for _, c := range []*raw{a, b} {
			c.send(t, text("in"))
			c.expect(t, wire.Text, "in")
		}
		// A connection that came too early stays one too many when another has ended.
		over := connect(t, address)
		expectRefusals(t, s, 3)
		a.send(t, closing(1000))
		a.closes(t, 1000)
		counts(t, s, 1, 0)
		over.send(t, []byte(opening))
		if r := over.response(t); r.StatusCode != 503 {
			t.Errorf("%v", r)
		}
		upgrade(t, address)
	})
}

// Route and HTTP are told of requests above the limit, and each is the last on its
// connection.
func TestRequestsOverTheLimit(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := newLoopSite()
		s.Handler, s.ConnsMax = echo{}, 1
		routed, served := make(chan bool, 100), make(chan bool, 100)
		s.Route = func(r *engine.Request) engine.Route {
			f := r.Fault()
			routed <- f != nil && f.Rule == engine.RuleConnsMax
			route := h.route(r)
			route.IsRefusal = f != nil
			return route
		}
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served <- engine.IsOverLimit(r)
			site(w, r)
		})
		s.Loops = 1
		address := start(t, s)
		first := connect(t, address)
		first.send(t, []byte("GET /loop HTTP/1.1\r\nHost: x\r\n\r\n"))
		first.expectBody(t, "/loop")
		for _, tt := range [][2]string{{"/loop", "/loop"}, {"/stream", "firstsecond"}, {"/http", `GET /http ""`}} {
			path, want := tt[0], tt[1]
			c := connect(t, address)
			request := "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"
			c.send(t, []byte(request+request))
			r := c.response(t)
			if b, err := io.ReadAll(r.Body); string(b) != want || err != nil || !r.Close {
				t.Errorf("%s: %v %q %v", path, r, b, err)
			}
			c.ends(t)
			c.Close() // it is lingered for, with a request unread
			counts(t, s, 1, 0)
		}
		c := connect(t, address) // a body that is too long, and a second request behind it
		c.send(t, []byte("POST /loop HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n"+strings.Repeat("x", 101)+idleGet))
		if r := c.response(t); r.StatusCode != 413 || !r.Close {
			t.Errorf("%v", r)
		}
		c.Close() // it is lingered for
		expectRefusals(t, s, 4)
		first.send(t, []byte(idleHTTP))
		first.expectBody(t, `GET /http ""`)
		counts(t, s, 1, 1)
		first.send(t, []byte(idleHTTP))
		first.expectBody(t, `GET /http ""`)
		close(routed)
		close(served)
		if got := fmt.Sprint(slices.Collect(all(routed)), slices.Collect(all(served))); got != "[false true true true true false] [true false false]" {
			t.Errorf("IsOverLimit: %v", got)
		}
	})
}

// all ranges over what was sent to a channel.
func all[T any](c <-chan T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range c {
			if !yield(v) {
				return
			}
		}
	}
}

// Over HTTP/2, too, a connection above the limit is told so and ends.
func TestHTTP2OverTheLimit(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		a := newAuthority(t)
		s.Handler, s.ConnsMax, s.HTTP = echo{}, 1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Proto, engine.IsOverLimit(r))
		})
		config := a.server(t)
		config.NextProtos = []string{"h2", "http/1.1"}
		address := startTLS(t, s, config)
		first := connectTLS(t, address, a.client())
		first.send(t, []byte(idleGet))
		first.expectBody(t, "HTTP/1.1false")
		tr := &http.Transport{TLSClientConfig: a.client(), ForceAttemptHTTP2: true}
		for range 2 {
			r, err := (&http.Client{Transport: tr}).Get("https://" + address + "/http")
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(r.Body); string(b) != "HTTP/2.0true" {
				t.Errorf("%q", b)
			}
			r.Body.Close()
			eventually(t, func() (string, bool) {
				n := s.SharedStats().HTTPConns
				return fmt.Sprintf("HTTP has %d connections", n), n == 1
			})
		}
	})
}

// Where there is nobody else to answer, the engine does.
func TestNobodyAnswersOverTheLimit(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.ConnsMax = echo{}, 1
		address := start(t, s)
		upgrade(t, address)
		for _, request := range []string{idleGet, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"} {
			c := connect(t, address)
			c.send(t, []byte(request))
			method, _, _ := strings.Cut(request, " ")
			if r, err := http.ReadResponse(c.r, &http.Request{Method: method}); err != nil || r.StatusCode != 503 || r.Header.Get("Retry-After") != "5" || !r.Close {
				t.Errorf("%s: %v %v", method, r, err)
			}
		}
		expectRefusals(t, s, 3)
	})
}

// There are not more of those that are told than there may be.
func TestRefusalsMax(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.ConnsMax = echo{}, 1
		address := start(t, s)
		upgrade(t, address)
		var waiting []*raw
		for range refusalsMax {
			waiting = append(waiting, connect(t, address))
		}
		expectRefusals(t, s, refusalsMax)
		connect(t, address).ends(t)
		expectRefusals(t, s, refusalsMax+1)
		waiting[0].Close()
		eventually(t, func() (string, bool) {
			c := connect(t, address)
			defer c.Close()
			_, _ = c.Write([]byte(opening))
			r, err := http.ReadResponse(c.r, nil)
			return fmt.Sprint(r, err), err == nil && r.StatusCode == 503
		})
		for _, c := range waiting[1:] {
			c.send(t, []byte(opening))
			if r := c.response(t); r.StatusCode != 503 {
				t.Errorf("%v", r)
			}
		}
		counts(t, s, 1, 0)
	})
}
