package httpcarrier_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	. "github.com/godwit-io/godwit/internal/httpcarrier"
)

// calls is a Responder of functions, which notes how the exchange ends.
type calls struct {
	body  func(x Exchange, body []byte)
	large func(x Exchange, length int64)
	wake  func(x Exchange)
	drain func(x Exchange)
	ended chan error
}

func (c *calls) OnBody(x Exchange, body []byte) { c.body(x, body) }
func (c *calls) OnTooLarge(x Exchange, length int64) {
	if c.large != nil {
		c.large(x, length)
		return
	}
	_ = x.Respond(413, plain, []byte("too large"))
}
func (c *calls) OnWake(x Exchange) {
	if c.wake != nil {
		c.wake(x)
	}
}
func (c *calls) OnDrain(x Exchange) {
	if c.drain != nil {
		c.drain(x)
	}
}
func (c *calls) OnEnd(_ Exchange, err error) { c.ended <- err }

// serve has c answer every request.
func (s *site) serve(c *calls, with Route) {
	if c.ended == nil {
		c.ended = make(chan error, 100)
	}
	with.Responder = c
	s.routing(func(*Request) Route { return with })
}

func next[T any](t *testing.T, from chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing comes")
	}
	return v
}

func TestRespond(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := &calls{body: func(x Exchange, body []byte) {
			if err := x.Respond(201, append(field("X-A", "b"), plain...), append([]byte("got "), body...)); err != nil {
				t.Error(err)
			}
			if err := x.Respond(200, nil, nil); err != engine.ErrExchangeOver {
				t.Errorf("a second response: %v", err)
			}
		}}
		w.serve(h, Route{})
		c := w.dial()
		for _, body := range []string{"", "a", strings.Repeat("x", 100_000)} {
			c.send("POST /a%2Fb?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body)
			r := c.body(201, "got "+body)
			if r.Header.Get("X-A") != "b" || r.Header.Get("Content-Type") != "text/plain" || r.ContentLength != int64(len(body)+4) {
				t.Errorf("%v", r)
			}
			if err := next(t, h.ended); err != nil {
				t.Error(err)
			}
		}
		c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
		if r := c.head("HEAD"); r.ContentLength != 4 || r.StatusCode != 201 {
			t.Errorf("%v", r)
		}
	})
}

// Nothing is added to what the responder says of its content.
func TestNoContentTypeIsGuessed(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.serve(&calls{body: func(x Exchange, _ []byte) { _ = x.Respond(200, nil, []byte("<html>")) }}, Route{})
		c := w.dial()
		c.get("/")
		if r := c.body(200, "<html>"); r.Header["Content-Type"] != nil {
			t.Errorf("%v", r.Header)
		}
	})
}

// Each Write is a chunk, and leaves before the next call.
func TestEachWriteIsAChunk(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		large := strings.Repeat("x", 50_000)
		begun := make(chan Exchange, 1)
		h := &calls{
			body: func(x Exchange, _ []byte) {
				_ = x.Begin(200, plain)
				begun <- x
			},
			wake: func(x Exchange) {
				_ = x.Write([]byte("a"), []byte("b"))
				_ = x.Write()
				_ = x.Write([]byte("c"))
				_ = x.Write([]byte(large))
			},
		}
		w.serve(h, Route{})
		c := w.dial()
		c.get("/")
		if r := c.head("GET"); r.StatusCode != 200 || r.TransferEncoding[0] != "chunked" {
			t.Errorf("%v", r)
		}
		x := next(t, begun)
		for range 2 {
			x.Wake()
			for _, want := range []string{"ab", "c", large} {
				c.chunk(want)
			}
		}
		if err := x.Write([]byte("from another goroutine")); err != nil {
			t.Error(err)
		}
		c.chunk("from another goroutine")
		if err := x.End(); err != nil {
			t.Error(err)
		}
		c.chunk("")
		if err := next(t, h.ended); err != nil {
			t.Error(err)
		}
		for name, got := range map[string]error{"Write": x.Write([]byte("x")), "End": x.End(), "Begin": x.Begin(200, nil), "Respond": x.Respond(200, nil, nil)} {
			if got != engine.ErrExchangeOver {
				t.Errorf("%s after the end: %v", name, got)
			}
		}
		x.Wake()
		x.WakeAt(time.Now())
		x.Abort()
		x.CloseAfter()
		c.get("/")
		c.head("GET")
		_ = next(t, begun).End()
	})
}

func TestWrongResponses(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.serve(&calls{body: func(x Exchange, _ []byte) {
			for name, tt := range map[string]struct{ got, want error }{
				"100":             {x.Respond(100, nil, nil), engine.ErrStatus},
				"600":             {x.Begin(600, nil), engine.ErrStatus},
				"no line":         {x.Respond(200, []byte("A: b"), nil), engine.ErrField},
				"no colon":        {x.Begin(200, []byte("A b\r\n")), engine.ErrField},
				"an LF":           {x.Respond(200, []byte("A: b\nC: d\r\n"), nil), engine.ErrField},
				"a length":        {x.Respond(200, []byte("content-length: 1\r\n"), nil), engine.ErrField},
				"a coding":        {x.Begin(200, []byte("Transfer-Encoding: x\r\n")), engine.ErrField},
				"no name":         {x.Begin(200, []byte(": x\r\n")), engine.ErrField},
				"content of 204":  {x.Respond(204, nil, []byte("x")), engine.ErrNoContent},
				"a stream of 304": {x.Begin(304, nil), engine.ErrNoContent},
				"Write before":    {x.Write([]byte("x")), engine.ErrNotBegun},
				"End before":      {x.End(), engine.ErrNotBegun},
			} {
				if !errors.Is(tt.got, tt.want) {
					t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
				}
			}
			if err := x.Begin(200, nil); err != nil {
				t.Error(err)
			}
			for name, got := range map[string]error{"Begin": x.Begin(200, nil), "Respond": x.Respond(200, nil, nil)} {
				if got != engine.ErrResponseBegun {
					t.Errorf("%s: %v", name, got)
				}
			}
			_ = x.End()
		}}, Route{})
		c := w.dial()
		c.get("/")
		c.body(200, "")
	})
}

func TestBodiless(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.serve(&calls{body: func(x Exchange, _ []byte) { _ = x.Respond(204, nil, nil) }}, Route{})
		c := w.dial()
		for range 2 {
			c.get("/")
			if r := c.body(204, ""); r.Header.Get("Content-Length") != "" {
				t.Errorf("%v", r.Header)
			}
		}
	})
}

func TestCloseAfter(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.serve(&calls{body: func(x Exchange, _ []byte) {
			x.CloseAfter()
			_ = x.Respond(200, nil, []byte("bye"))
		}}, Route{})
		c := w.dial()
		c.get("/")
		if r := c.body(200, "bye"); !r.Close {
			t.Errorf("%v", r)
		}
		c.ends()
	})
}

// A wake is never lost, whenever it comes, and those before a call are one.
func TestWakes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		count := 0
		h := &calls{
			body: func(x Exchange, _ []byte) {
				_ = x.Begin(200, plain)
				x.Wake()
				x.Wake()
			},
			wake: func(x Exchange) {
				if count++; count < 5 {
					x.Wake() // in the call itself
					return
				}
				_ = x.Write([]byte(itoa(count)))
				_ = x.End()
			},
		}
		w.serve(h, Route{})
		c := w.dial()
		c.get("/")
		c.body(200, "5")
		if err := next(t, h.ended); err != nil || count != 5 {
			t.Errorf("%v, %d calls", err, count)
		}
	})
}

func TestWakeAt(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var began time.Time
		var at []time.Duration
		h := &calls{
			body: func(x Exchange, _ []byte) {
				began = time.Now()
				x.WakeAt(began.Add(100 * w.unit))
				x.WakeAt(began.Add(w.unit)) // replaces it
			},
			wake: func(x Exchange) {
				at = append(at, time.Since(began))
				switch len(at) {
				case 1:
					x.WakeAt(began.Add(5 * w.unit))
				case 2:
					x.WakeAt(began) // is over: now
				case 3:
					x.WakeAt(began.Add(6 * w.unit))
					x.WakeAt(time.Time{})
					go func() {
						<-time.After(10 * w.unit)
						x.Wake()
					}()
				case 4:
					_ = x.Respond(200, nil, nil)
				}
			},
		}
		w.serve(h, Route{})
		c := w.dial()
		c.get("/")
		c.body(200, "")
		_ = next(t, h.ended)
		for i, want := range []time.Duration{w.unit, 5 * w.unit, 5 * w.unit, 15 * w.unit} {
			if late := at[i] - want; late < 0 || w.virtual && late > 0 {
				t.Errorf("call %d came at %v, want %v", i, at[i], want)
			}
		}
	})
}
