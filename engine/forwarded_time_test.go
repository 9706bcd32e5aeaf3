package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
)

// timedHTTP runs test in virtual time, with a client that is connected to a server
// of handler; what it is written to has no room.
func timedHTTP(t *testing.T, s *engine.Server, handler http.HandlerFunc, test func(t *testing.T, c *raw)) {
	t.Helper()
	s.UseStreams()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s.Handler, s.HTTP, s.Loops = echo{}, handler, 1
		serve(t, s, m)
		test(t, m.connect(t))
	})
}

const unfinished = "POST /http HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nbody"

// A content that does not come ends its request, whether the handler waits for it or
// not.
func TestContentThatDoesNotComeToHTTP(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"read":            site,
		"not read":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") },
		"a long response": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100_000)) },
	} {
		for _, limit := range []time.Duration{0, 5 * time.Second} {
			t.Run(fmt.Sprint(name, limit), func(t *testing.T) {
				s := &engine.Server{BodyTimeout: limit}
				timedHTTP(t, s, handler, func(t *testing.T, c *raw) {
					want := limit
					if want == 0 {
						want = engine.DefaultBodyTimeout
					}
					for _, first := range []string{"", idleHTTP} {
						if first != "" {
							c = rawConn(t, listenInMemory(t, s)())
							_ = c.SetDeadline(time.Time{})
							c.send(t, []byte(first))
							_, _ = io.Copy(io.Discard, c.response(t).Body)
						}
						c.send(t, []byte(unfinished))
						began := time.Now()
						r := c.response(t)
						_, _ = io.Copy(io.Discard, r.Body)
						after(t, began, want)
						if !r.Close {
							t.Errorf("%v", r)
						}
						c.ends(t)
						_ = c.Close()
					}
				})
			})
		}
	}
}

// A handler can allow more time.
func TestContentThatIsAllowedMoreTime(t *testing.T) {
	timedHTTP(t, &engine.Server{}, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour))
		site(w, r)
	}, func(t *testing.T, c *raw) {
		for range 2 {
			c.send(t, []byte(unfinished))
			<-time.After(50 * time.Minute)
			c.send(t, []byte(" later"))
			c.expectBody(t, `POST /http "body later"`)
			<-time.After(time.Minute)
		}
	})
}

// The time for a content ends with it: the handler may take longer, and is told when
// the client goes.
func TestHandlersHaveTheirTime(t *testing.T) {
	gone := make(chan error, 1)
	for name, handler := range map[string]http.HandlerFunc{
		"after the content": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-time.After(time.Hour)
			gone <- r.Context().Err()
			fmt.Fprint(w, "done")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			gone <- nil
		},
		"without it": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "done")
			_ = http.NewResponseController(w).Flush() // net/http reads the content now
			<-time.After(time.Hour)
			gone <- r.Context().Err()
			<-r.Context().Done()
			gone <- nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			gone = make(chan error, 1)
			timedHTTP(t, &engine.Server{}, handler, func(t *testing.T, c *raw) {
				gone = make(chan error, 1) // of this bubble
				c.send(t, []byte(unfinished))
				<-time.After(20 * time.Second)
				c.send(t, []byte(" later"))
				r := c.response(t)
				b := make([]byte, 4)
				if _, err := io.ReadFull(r.Body, b); string(b) != "done" || err != nil {
					t.Errorf("%q %v", b, err)
				}
				if err := <-gone; err != nil {
					t.Errorf("the request was ended: %v", err)
				}
				_ = c.Close()
				<-gone
			})
		})
	}
}

// A client that does not read the answer is cut, and a slow reader is not;
// a handler can decide otherwise.
func TestAnswersOfHTTPThatNobodyReads(t *testing.T) {
	const size = 100_000
	wrote := make(chan error, 1)
	write := func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, size))
		wrote <- err
	}
	slowly := func(t *testing.T, c *raw, pause time.Duration) (int, error) {
		c.send(t, []byte(idleHTTP))
		r := c.response(t)
		got := 0
		for piece := make([]byte, 10_000); ; {
			<-time.After(pause)
			n, err := io.ReadFull(r.Body, piece)
			if got += n; err != nil {
				return got, err
			}
		}
	}
	s := func() *engine.Server {
		return &engine.Server{Options: engine.Options{WriteTimeout: 5 * time.Second}}
	}
	t.Run("not at all", func(t *testing.T) {
		timedHTTP(t, s(), write, func(t *testing.T, c *raw) {
			wrote = make(chan error, 1)
			c.send(t, []byte(idleHTTP))
			began := time.Now()
			if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			after(t, began, 5*time.Second)
		})
	})
	t.Run("slowly", func(t *testing.T) {
		timedHTTP(t, s(), write, func(t *testing.T, c *raw) {
			wrote = make(chan error, 1)
			if got, err := slowly(t, c, time.Second); got != size || err != io.EOF {
				t.Errorf("%d bytes, %v", got, err)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("in the handler's time", func(t *testing.T) {
		timedHTTP(t, s(), func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
			write(w, r)
		}, func(t *testing.T, c *raw) {
			wrote = make(chan error, 1)
			if got, err := slowly(t, c, time.Minute); got != size || err != io.EOF {
				t.Errorf("%d bytes, %v", got, err)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("in the server's time again", func(t *testing.T) {
		timedHTTP(t, s(), func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
			write(w, r)
		}, func(t *testing.T, c *raw) {
			wrote = make(chan error, 1)
			c.send(t, []byte(idleHTTP))
			began := time.Now()
			<-wrote
			after(t, began, 5*time.Second)
		})
	})
	t.Run("what a handler has taken over", func(t *testing.T) {
		timedHTTP(t, s(), func(w http.ResponseWriter, r *http.Request) {
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, err = nc.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			wrote <- err
			nc.Close()
		}, func(t *testing.T, c *raw) {
			wrote = make(chan error, 1)
			c.send(t, []byte(idleHTTP))
			<-time.After(time.Hour)
			c.response(t)
			if err := <-wrote; err != nil {
				t.Error(err)
			}
		})
	})
}

func TestKeepAliveTimeoutOfHTTP(t *testing.T) {
	timedHTTP(t, &engine.Server{KeepAliveTimeout: 5 * time.Minute}, site, func(t *testing.T, c *raw) {
		for range 2 {
			<-time.After(time.Second)
			c.send(t, []byte(idleHTTP))
			c.expectBody(t, `GET /http ""`)
		}
		began := time.Now()
		c.ends(t)
		after(t, began, 5*time.Minute)
	})
}

// A file arrives whole, in the parts in which it is sent.
func TestFiles(t *testing.T) {
	content := []byte(strings.Repeat("0123456789", 100_000))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.HTTP = echo{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
		c := connect(t, start(t, s))
		for want, field := range map[string]string{"whole": "", "part": "Range: bytes=5-500004\r\n"} {
			c.send(t, []byte("GET /http HTTP/1.1\r\nHost: x\r\n"+field+"\r\n"))
			r := c.response(t)
			b, err := io.ReadAll(r.Body)
			wanted := content
			if want == "part" {
				wanted = content[5:500_005]
			}
			if err != nil || !bytes.Equal(b, wanted) {
				t.Errorf("%s: %d bytes, want %d; %v", want, len(b), len(wanted), err)
			}
		}
	})
}

// The content of a request over HTTP/2 has a time limit, too.
func TestContentThatDoesNotComeOverHTTP2(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		a := newAuthority(t)
		read := make(chan error, 1)
		s.Handler, s.BodyTimeout = echo{}, 10*time.Millisecond
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
		})
		config := a.server(t)
		config.NextProtos = []string{"h2"}
		address := startTLS(t, s, config)
		tr := &http.Transport{TLSClientConfig: a.client(), ForceAttemptHTTP2: true}
		defer tr.CloseIdleConnections()
		never, end := io.Pipe()
		defer end.Close()
		r, err := (&http.Client{Transport: tr}).Post("https://"+address+"/http", "text/plain", never)
		if err == nil {
			defer r.Body.Close()
		}
		if err := next(t, read); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}
