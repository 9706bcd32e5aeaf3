package engine_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
)

// A request that asked for a WebSocket and got none is the last on its connection,
// and so is one whose length is given twice: a proxy may see something else behind
// it than we do.
func TestLastRequests(t *testing.T) {
	const (
		post    = "POST /behind HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
		chunked = "POST /both HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
	)
	for name, request := range map[string]string{
		"an upgrade":                    opening,
		"an upgrade behind another":     idleHTTP + opening,
		"an upgrade behind one of ours": idleGet + opening,
		"half of an upgrade":            strings.Replace(opening, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1),
		"two lengths":                   chunked,
		"two lengths behind one":        idleGet + chunked,
	} {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, s *engine.Server) {
				h := newLoopSite()
				served := make(chan string, 10)
				s.Handler, s.Route = echo{}, h.route
				s.Admit = func(*engine.Request) engine.Admission { return engine.Admission{HTTP: true} }
				s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					served <- r.URL.Path
					site(w, r)
				})
				c := connect(t, start(t, s))
				c.send(t, []byte(request+post))
				for range strings.Count(request, "HTTP/1.1") - 1 {
					if r := c.response(t); r.Close {
						t.Errorf("%v", r)
					} else if _, err := io.Copy(io.Discard, r.Body); err != nil {
						t.Error(err)
					}
				}
				r := c.response(t)
				if _, err := io.Copy(io.Discard, r.Body); err != nil || !r.Close {
					t.Errorf("%v %v", r, err)
				}
				c.ends(t)
				for len(served) > 0 {
					if path := <-served; path == "/behind" {
						t.Error("the request behind it was served")
					}
				}
				if len(h.ended) > 1 {
					t.Error("the request behind it was served on the loop")
				}
			})
		})
	}
}

// full is a handler that does not want what it is sent.
func full(w http.ResponseWriter, _ *http.Request) { http.Error(w, "too much", 413) }

const hugePost = "POST /http HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n"

// A client that sends more than HTTP reads gets the answer when it has sent all, and
// is not reset.
func TestHTTPAnswersWhileTheClientSends(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a timeout")
	}
	t.Parallel() // it waits for time to pass
	a := newAuthority(t)
	for name, listen := range map[string]func(*testing.T, *engine.Server) *raw{
		"TCP": func(t *testing.T, s *engine.Server) *raw { return connect(t, start(t, s)) },
		"TLS": func(t *testing.T, s *engine.Server) *raw {
			return connectTLS(t, startTLS(t, s, a.server(t)), a.client())
		},
	} {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, s *engine.Server) {
				s.Handler, s.HTTP = echo{}, http.HandlerFunc(full)
				c := listen(t, s)
				c.send(t, []byte(hugePost))
				for range 4 {
					c.send(t, make([]byte, 1<<20))
				}
				if r := c.response(t); r.StatusCode != 413 || !r.Close {
					t.Errorf("%v", r)
				}
				_ = c.Close()
				counts(t, s, 0, 0)
			})
		})
	}
}

// The wait for a client that goes on sending is bounded, in time and in bytes, and
// ends with the server.
func TestLingeringIsBounded(t *testing.T) {
	answered := func(t *testing.T, c *raw) {
		t.Helper()
		c.send(t, []byte(hugePost))
		if r := c.response(t); r.StatusCode != 413 || !r.Close {
			t.Errorf("%v", r)
		} else if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
	}
	const pause = 500 * time.Millisecond // of net/http, before it closes
	t.Run("time", func(t *testing.T) {
		s := &engine.Server{}
		timedHTTP(t, s, full, func(t *testing.T, c *raw) {
			answered(t, c)
			began := time.Now()
			<-time.After(2 * pause)
			if n := s.Len(); n != 1 {
				t.Errorf("%d connections", n)
			}
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					break
				}
				<-time.After(100 * time.Millisecond)
			}
			if took := time.Since(began); took < engine.DefaultCloseTimeout || took > engine.DefaultCloseTimeout+pause+100*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			synctest.Wait()
			if n := s.Len(); n != 0 {
				t.Errorf("%d connections", n)
			}
		})
	})
	t.Run("bytes", func(t *testing.T) {
		timedHTTP(t, &engine.Server{}, full, func(t *testing.T, c *raw) {
			answered(t, c)
			sent := 0
			for piece := make([]byte, 64<<10); ; sent += len(piece) {
				if _, err := c.Write(piece); err != nil {
					break
				}
			}
			if sent < 16<<20-64<<10 || sent > 17<<20 {
				t.Errorf("it took %d bytes", sent)
			}
		})
	})
	t.Run("the server's end", func(t *testing.T) {
		s := &engine.Server{}
		timedHTTP(t, s, full, func(t *testing.T, c *raw) {
			answered(t, c)
			<-time.After(2 * pause)
			began := time.Now()
			_ = s.Close()
			after(t, began, 0)
		})
	})
}
