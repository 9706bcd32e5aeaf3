package httpcarrier_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	. "github.com/godwit-io/godwit/internal/httpcarrier"
)

func TestTooLarge(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		lengths := make(chan int64, 1)
		h := &calls{
			body: func(x Exchange, body []byte) { _ = x.Respond(200, nil, body) },
			large: func(x Exchange, length int64) {
				lengths <- length
				_ = x.Respond(413, plain, []byte("no"))
			},
		}
		for most, fits := range map[int]int{10: 10, 0: engine.DefaultBodyBytesMax, engine.NoBody: 0} {
			w.serve(h, Route{BodyBytesMax: most})
			c := w.dial()
			if fits <= 10 {
				c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + itoa(fits) + "\r\n\r\n" + strings.Repeat("x", fits))
				c.body(200, strings.Repeat("x", fits))
			}
			c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + itoa(fits+1) + "\r\n\r\n")
			if r := c.body(413, "no"); !r.Close {
				t.Errorf("%v", r)
			}
			if got := next(t, lengths); got != int64(fits+1) {
				t.Errorf("%d", got)
			}
			_ = c.Close()
		}
		if w.driver == "net/http" { // the engine gives chunked requests to net/http
			w.serve(h, Route{BodyBytesMax: 4})
			c := w.dial()
			c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n")
			c.body(200, "abcd")
			c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")
			c.body(413, "no")
			if got := next(t, lengths); got != 5 {
				t.Errorf("%d", got)
			}
		}
	})
}

// The content has a time of its own, and the client is told.
func TestSlowBody(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := &calls{body: func(Exchange, []byte) { t.Error("it has not arrived") }}
		route := Route{}
		if !w.virtual {
			route.BodyTimeout = bodyTimeout
		}
		w.serve(h, route)
		c := w.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
		began := time.Now()
		limit := bodyTimeout
		if w.virtual {
			limit = engine.DefaultBodyTimeout // as the loop has, if it is not told otherwise
		}
		<-time.After(limit / 2)
		c.send("bod")
		if r := c.head("POST"); r.StatusCode != 408 || !r.Close {
			t.Errorf("%v", r)
		}
		w.took(began, limit)
		if err := next(t, h.ended); !errors.Is(err, engine.ErrBodyTimeout) {
			t.Error(err)
		}
	})
}

// The time of the content is not that of the response.
func TestBodyTimeoutIsOver(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		h := &calls{
			body: func(x Exchange, _ []byte) { x.WakeAt(time.Now().Add(20 * w.unit)) },
			wake: func(x Exchange) { _ = x.Respond(200, nil, []byte("at last")) },
		}
		w.serve(h, Route{EndsWithInput: true})
		c := w.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		c.body(200, "at last")
		<-time.After(10 * w.unit)
		c.get("/")
		c.body(200, "at last")
	})
}

func TestBodyIsCut(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := &calls{body: func(Exchange, []byte) { t.Error("it has not arrived") }}
		w.serve(h, Route{})
		c := w.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbod")
		_ = c.Close()
		if err := next(t, h.ended); !errors.Is(err, engine.ErrClientGone) {
			t.Error(err)
		}
	})
}

// A client that goes ends a response that lasts.
func TestClientGoes(t *testing.T) {
	for name, leave := range map[string]func(c *client){
		"closes":      func(c *client) { _ = c.Close() },
		"half-closes": (*client).halfClose,
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				h := &calls{body: func(x Exchange, body []byte) {
					if string(body) == "begin" {
						_ = x.Begin(200, nil)
					}
				}}
				w.serve(h, Route{EndsWithInput: true})
				for _, body := range []string{"begin", "waits"} {
					c := w.dial()
					c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n" + body)
					w.settle()
					leave(c)
					if err := next(t, h.ended); !errors.Is(err, engine.ErrClientGone) {
						t.Error(err)
					}
				}
			})
		})
	}
}

// A client that ends its half gets its answer where that does not end the exchange.
func TestHalfClosedIsAnswered(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := &calls{
			body: func(x Exchange, _ []byte) { x.WakeAt(time.Now().Add(10 * w.unit)) },
			wake: func(x Exchange) { _ = x.Respond(200, nil, []byte("answered")) },
		}
		w.serve(h, Route{})
		c := w.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		c.halfClose()
		c.body(200, "answered")
		if err := next(t, h.ended); err != nil {
			t.Error(err)
		}
	})
}

// net/http cannot tell a client that waits from one that has gone, so it is not
// waited with for ever.
func TestHalfClosedIsNotWaitedFor(t *testing.T) {
	onHTTP(t, func(t *testing.T, w *world) {
		h := &calls{body: func(Exchange, []byte) {}}
		w.serve(h, Route{})
		c := w.dial()
		c.get("/")
		w.settle()
		began := time.Now()
		c.halfClose()
		if err := next(t, h.ended); !errors.Is(err, engine.ErrClientGone) {
			t.Error(err)
		}
		w.took(began, 30*time.Second)
		c.ends()
	})
}

// Abort cuts a response, so that the client sees that it is not whole.
func TestAbort(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := &calls{body: func(x Exchange, body []byte) {
			if string(body) == "begin" {
				_ = x.Begin(200, nil)
				_ = x.Write([]byte("half"))
			}
			x.WakeAt(time.Now().Add(w.unit))
		}, wake: func(x Exchange) { x.Abort() }}
		w.serve(h, Route{})
		for _, body := range []string{"begin", "waits"} {
			c := w.dial()
			c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n" + body)
			if body == "begin" {
				c.head("POST")
				c.chunk("half")
			}
			c.ends()
			if err := next(t, h.ended); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
	})
}

// Abort does not wait for a client that does not read.
func TestAbortOfAStuckStream(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		begun := make(chan Exchange, 1)
		h := &calls{body: func(x Exchange, _ []byte) {
			_ = x.Begin(200, nil)
			_ = x.Write(make([]byte, 1<<20))
			begun <- x
		}}
		w.serve(h, Route{})
		c := w.dial()
		c.get("/")
		x := next(t, begun)
		w.settle()
		began := time.Now()
		x.Abort()
		if err := next(t, h.ended); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A client that never reads is cut, and meanwhile the queue is bounded.
func TestNeverReads(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		const most = 300_000
		h := &calls{body: func(x Exchange, _ []byte) {
			_ = x.Begin(200, nil)
			x.Wake()
		}, wake: func(x Exchange) {
			err := x.Write(make([]byte, 10_000))
			for err == nil {
				err = x.Write(make([]byte, 10_000))
			}
			if n := x.Buffered(); err != engine.ErrQueueFull || n > most+10_000 {
				t.Errorf("%v, and %d bytes wait", err, n)
			}
			x.WakeAt(time.Now().Add(w.unit)) // the kernel takes a lot
		}}
		limit := 10 * w.unit
		w.serve(h, Route{Limits: &engine.Options{QueueBytesMax: most, WriteTimeout: limit}})
		c := w.dial()
		c.get("/")
		began := time.Now()
		if err := next(t, h.ended); !errors.Is(err, engine.ErrWriteTimeout) {
			t.Error(err)
		}
		if took := time.Since(began); took < limit || w.virtual && took > 3*limit {
			t.Errorf("it took %v", took)
		}
	})
}

// A writer that was refused for want of room, or has seen that something waits, is told when
// it has left.
func TestDrain(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		chunk := bytes.Repeat([]byte("x"), 10_000)
		left := 100
		write := func(x Exchange) {
			for left > 0 {
				if err := x.Write(chunk); err == engine.ErrQueueFull {
					return
				} else if err != nil {
					t.Error(err)
				}
				left--
			}
			_ = x.End()
		}
		h := &calls{body: func(x Exchange, _ []byte) {
			_ = x.Begin(200, nil)
			write(x)
		}, drain: func(x Exchange) {
			if n := x.Buffered(); n > 0 {
				t.Errorf("%d bytes wait", n)
			}
			write(x)
		}}
		w.serve(h, Route{Limits: &engine.Options{QueueBytesMax: 65_000}})
		c := w.dial()
		c.get("/")
		c.body(200, strings.Repeat("x", 1_000_000))
		if err := next(t, h.ended); err != nil {
			t.Error(err)
		}
	})
}

func TestPanicInAResponder(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := &calls{body: func(x Exchange, _ []byte) {
			_ = x.Begin(200, nil)
			_ = x.Write([]byte("half"))
			x.WakeAt(time.Now().Add(w.unit))
		}, wake: func(Exchange) { panic("oops") }}
		w.serve(h, Route{})
		c := w.dial()
		c.get("/")
		c.head("GET")
		c.chunk("half")
		c.ends()
		if err := next(t, h.ended); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Error(err)
		}
	})
}

func TestHTTP10(t *testing.T) {
	onHTTP(t, func(t *testing.T, w *world) {
		h := &calls{body: func(x Exchange, _ []byte) {
			_ = x.Begin(200, plain)
			_ = x.Write([]byte("a"))
			_ = x.Write([]byte("b"))
			_ = x.End()
		}}
		w.serve(h, Route{})
		c := w.dial()
		c.send("GET / HTTP/1.0\r\n\r\n")
		if r := c.body(200, "ab"); r.TransferEncoding != nil || !r.Close {
			t.Errorf("%v", r)
		}
	})
}

// An option that is wrong is the program's fault, and nobody waits.
func TestWrongOptionsOfARoute(t *testing.T) {
	onHTTP(t, func(t *testing.T, w *world) {
		for name, route := range map[string]Route{
			"BodyTimeout":   {BodyTimeout: -1},
			"WriteTimeout":  {Limits: &engine.Options{WriteTimeout: -1}},
			"QueueBytesMax": {Limits: &engine.Options{QueueBytesMax: -1}},
		} {
			h := &calls{}
			w.serve(h, route)
			c := w.dial()
			c.get("/")
			c.body(http.StatusInternalServerError, "internal error\n")
			if wrong, ok := errors.AsType[*engine.OptionError](next(t, h.ended)); !ok || wrong.Option != name {
				t.Errorf("%s: %v", name, wrong)
			}
		}
	})
}
