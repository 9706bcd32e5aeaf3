package engine_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
)

// timed runs test in virtual time, with a client that is connected to a loopSite.
func timed(t *testing.T, s *engine.Server, test func(t *testing.T, h *loopSite, c *raw)) {
	t.Helper()
	s.UseStreams()
	synctest.Test(t, func(t *testing.T) {
		h := serveSite(s)
		s.Loops = 1
		c := rawConn(t, listenInMemory(t, s)())
		_ = c.SetDeadline(time.Time{}) // time is virtual: patience ends at once
		test(t, h, c)
	})
}

const idleGet = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"

func TestKeepAliveTimeout(t *testing.T) {
	for _, limit := range []time.Duration{0, time.Minute} {
		timed(t, &engine.Server{KeepAliveTimeout: limit}, func(t *testing.T, h *loopSite, c *raw) {
			want := limit
			if want == 0 {
				want = engine.DefaultKeepAliveTimeout
			}
			for range 2 {
				<-time.After(time.Second) // the first head has less time
				c.send(t, []byte(idleGet))
				c.expectBody(t, "/x")
			}
			began := time.Now()
			c.ends(t)
			after(t, began, want)
		})
	}
}

// A head behind the first has no more time than that.
func TestLaterHeadsHaveATimeout(t *testing.T) {
	timed(t, &engine.Server{}, func(t *testing.T, h *loopSite, c *raw) {
		c.send(t, []byte(idleGet+"GET /y"))
		c.expectBody(t, "/x")
		began := time.Now()
		c.ends(t)
		after(t, began, engine.DefaultHandshakeTimeout)
	})
	timed(t, &engine.Server{}, func(t *testing.T, h *loopSite, c *raw) {
		c.send(t, []byte(idleGet))
		c.expectBody(t, "/x")
		<-time.After(time.Minute)
		c.send(t, []byte("GET /y"))
		began := time.Now()
		c.ends(t)
		after(t, began, engine.DefaultHandshakeTimeout)
	})
}

func TestBodyTimeout(t *testing.T) {
	timed(t, &engine.Server{}, func(t *testing.T, h *loopSite, c *raw) {
		c.send(t, []byte("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"))
		began := time.Now()
		<-time.After(20 * time.Second)
		c.send(t, []byte("bod")) // it is the time for all of it
		r := c.response(t)
		if r.StatusCode != 408 || !r.Close {
			t.Errorf("%v", r)
		}
		after(t, began, engine.DefaultBodyTimeout)
		if err := next(t, h.ended); err != engine.ErrBodyTimeout {
			t.Error(err)
		}
	})
}

// A client that does not read an answer is cut, and a client that reads slowly is not.
func TestAnswersThatNobodyReads(t *testing.T) {
	s := &engine.Server{Options: engine.Options{WriteTimeout: 5 * time.Second}}
	s.UseStreams()
	synctest.Test(t, func(t *testing.T) {
		h, m := serveSite(s), newMemory()
		s.Loops = 1
		serve(t, s, m)
		c := m.connect(t) // it has no room for what is written
		c.send(t, []byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"))
		x := <-h.asked
		const size = 100_000
		_ = x.Respond(200, nil, make([]byte, size))
		r := c.response(t)
		got := 0
		for piece := make([]byte, 16<<10); got < size/2; {
			<-time.After(4 * time.Second)
			n, err := io.ReadFull(r.Body, piece)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		began := time.Now()
		if err := <-h.ended; err != engine.ErrWriteTimeout {
			t.Error(err)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// An answer has no time limit, nor has a stream.
func TestExchangesHaveNoTimeout(t *testing.T) {
	timed(t, &engine.Server{}, func(t *testing.T, h *loopSite, c *raw) {
		c.send(t, []byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"))
		x := <-h.asked
		<-time.After(24 * time.Hour)
		_ = x.Begin(200, nil)
		r := c.response(t)
		<-time.After(24 * time.Hour)
		_ = x.Write([]byte("at last"))
		_ = x.End()
		if b, err := io.ReadAll(r.Body); string(b) != "at last" || err != nil {
			t.Errorf("%q %v", b, err)
		}
	})
}

// finishing is a Responder that is told of a Shutdown.
type finishing struct {
	engine.NopResponder
	begun chan struct{}
	ended chan error
}

func (f finishing) OnBody(x engine.Exchange, _ []byte) {
	_ = x.Begin(200, nil)
	close(f.begun)
}
func (f finishing) OnEnd(_ engine.Exchange, err error) { f.ended <- err }
func (f finishing) OnFinish(x engine.Exchange) {
	_ = x.Write([]byte("goodbye"))
	_ = x.End()
}

// Shutdown waits for answers, ends streams in good order, and asks those that want
// to be asked.
func TestShutdownDuringExchanges(t *testing.T) {
	s := &engine.Server{}
	s.UseStreams()
	synctest.Test(t, func(t *testing.T) {
		h := serveSite(s)
		f := finishing{begun: make(chan struct{}), ended: make(chan error, 1)}
		s.Route = func(r *engine.Request) engine.Route {
			if r.Path() == "/finishing" {
				return engine.Route{Responder: f}
			}
			return h.route(r)
		}
		s.Loops = 1
		connect := listenInMemory(t, s)
		ask := func(path string) *raw {
			c := rawConn(t, connect())
			_ = c.SetDeadline(time.Time{})
			c.send(t, []byte("GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"))
			return c
		}
		later := ask("/later")
		x := <-h.asked
		live, told, idle := ask("/live"), ask("/finishing"), ask("/x")
		<-h.asked
		<-f.begun
		idle.expectBody(t, "/x")
		began := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- s.Shutdown(context.Background()) }()
		for want, c := range map[string]*raw{"": live, "goodbye": told} {
			r := c.response(t)
			if b, err := io.ReadAll(r.Body); string(b) != want || err != nil {
				t.Errorf("%q %v", b, err)
			}
			c.ends(t)
			_ = c.Close()
		}
		idle.ends(t)
		_ = idle.Close()
		<-time.After(time.Second)
		_ = x.Respond(200, nil, []byte("in time"))
		r := later.response(t)
		if b, _ := io.ReadAll(r.Body); string(b) != "in time" || !r.Close {
			t.Errorf("%v %q", r, b)
		}
		_ = later.Close()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		after(t, began, time.Second)
		if err := <-f.ended; err != nil {
			t.Error(err)
		}
		var dismissed int
		for range 3 {
			if err := <-h.ended; errors.Is(err, engine.ErrServerClosed) {
				dismissed++
			} else if err != nil {
				t.Error(err)
			}
		}
		if dismissed != 1 {
			t.Errorf("%d exchanges were dismissed, want 1", dismissed)
		}
	})
}

// Close cuts what is open, and says so.
func TestCloseDuringExchanges(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := serveSite(s)
		c := connect(t, start(t, s))
		c.send(t, []byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"))
		x := next(t, h.asked)
		_ = s.Close()
		if err := next(t, h.ended); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := x.Respond(200, nil, nil); err != engine.ErrExchangeOver {
			t.Error(err)
		}
		var sum engine.Stats
		for _, l := range s.Stats() {
			sum.Exchanges += l.Exchanges
			sum.Requests += l.Requests
		}
		if sum.Exchanges != 0 || sum.Requests != 1 {
			t.Errorf("%d exchanges, %d requests", sum.Exchanges, sum.Requests)
		}
	})
}

// Where nothing is behind the loops, what they do not understand is refused with
// what would be right.
func TestNotUnderstood(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		serveSite(s)
		s.HTTP = nil
		address := start(t, s)
		for request, want := range map[string]int{
			"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":       http.StatusLengthRequired,
			"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n": http.StatusExpectationFailed,
			"GET / HTTP/1.0\r\nHost: x\r\n\r\n":                                               http.StatusHTTPVersionNotSupported,
			"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n":                                           http.StatusBadRequest,
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx":   http.StatusBadRequest,
			"GET /http HTTP/1.1\r\nHost: x\r\n\r\n":                                           http.StatusUpgradeRequired, // Route does not want it
		} {
			c := connect(t, address)
			c.send(t, []byte(request))
			if r := c.response(t); r.StatusCode != want || !r.Close {
				t.Errorf("%q: %v, want %d", request, r.Status, want)
			}
		}
	})
}

// A client that has ended its side in the middle of a later request is not waited for: the
// rest of it will not come.
func TestLaterContentIsCutOff(t *testing.T) {
	timed(t, &engine.Server{}, func(t *testing.T, h *loopSite, c *raw) {
		c.send(t, []byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\nPOST /y HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbod"))
		x := next(t, h.asked)
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		if err := x.Respond(200, nil, []byte("late")); err != nil {
			t.Fatal(err)
		}
		c.expectBody(t, "late")
		if err := next(t, h.ended); err != nil {
			t.Error(err)
		}
		if err := next(t, h.ended); !errors.Is(err, engine.ErrClientGone) {
			t.Error(err)
		}
		c.ends(t)
		after(t, began, 0)
	})
}
