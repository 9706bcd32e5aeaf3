package engine_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
)

func TestWakeAt(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for times to come")
	}
	t.Parallel() // it waits for time to pass
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for name, tt := range map[string]struct {
		set func(x engine.Exchange)
		due []time.Duration
	}{
		"once":                       {func(x engine.Exchange) { x.WakeAt(in(3 * time.Second)) }, []time.Duration{3 * time.Second}},
		"later than the wheel turns": {func(x engine.Exchange) { x.WakeAt(in(time.Hour)) }, []time.Duration{time.Hour}},
		"now":                        {func(x engine.Exchange) { x.WakeAt(in(0)) }, []time.Duration{0}},
		"in the past":                {func(x engine.Exchange) { x.WakeAt(in(-1000 * time.Hour)) }, []time.Duration{0}},
		"before there were clocks":   {func(x engine.Exchange) { x.WakeAt(time.Unix(0, 0)) }, []time.Duration{0}},
		"after all time":             {func(x engine.Exchange) { x.WakeAt(time.Unix(1<<40, 0)) }, nil},
		"moved earlier": {func(x engine.Exchange) {
			x.WakeAt(in(time.Minute))
			x.WakeAt(in(time.Second))
		}, []time.Duration{time.Second}},
		"moved later": {func(x engine.Exchange) {
			x.WakeAt(in(time.Second))
			x.WakeAt(in(time.Minute))
		}, []time.Duration{time.Minute}},
		"moved later, and then earlier, with pauses": {func(x engine.Exchange) {
			x.WakeAt(in(2 * time.Second))
			synctest.Wait()
			x.WakeAt(in(time.Minute))
			synctest.Wait()
			x.WakeAt(in(time.Second))
		}, []time.Duration{time.Second}},
		"taken back": {func(x engine.Exchange) {
			x.WakeAt(in(time.Second))
			synctest.Wait()
			x.WakeAt(time.Time{})
		}, nil},
		"taken back and asked for again": {func(x engine.Exchange) {
			x.WakeAt(in(time.Second))
			x.WakeAt(time.Time{})
			x.WakeAt(in(5 * time.Second))
		}, []time.Duration{5 * time.Second}},
		"beside Wake": {func(x engine.Exchange) {
			x.WakeAt(in(time.Second))
			x.Wake()
		}, []time.Duration{0, time.Second}},
	} {
		for _, path := range []string{"/later", "/live"} {
			t.Run(name+path, func(t *testing.T) {
				timed(t, &engine.Server{}, func(t *testing.T, h *loopSite, c *raw) {
					c.send(t, []byte("GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"))
					x := <-h.asked
					if path == "/live" {
						c.response(t)
					}
					synctest.Wait()
					began := time.Now()
					tt.set(x)
					for _, due := range tt.due {
						if got := <-h.woken; got != x {
							t.Error("another exchange woke")
						}
						after(t, began, due)
					}
					<-time.After(24 * time.Hour)
					select {
					case <-h.woken:
						t.Error("it woke again")
					default:
					}
				})
			})
		}
	}
}

// Wakes that were asked of an exchange end with it, also if its connection serves another.
func TestWakeAtEndsWithItsExchange(t *testing.T) {
	timed(t, &engine.Server{}, func(t *testing.T, h *loopSite, c *raw) {
		const later = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
		c.send(t, []byte(later))
		x := <-h.asked
		x.WakeAt(time.Now().Add(time.Second))
		_ = x.Respond(200, nil, []byte("1"))
		c.expectBody(t, "1")
		c.send(t, []byte(later))
		y := <-h.asked
		x.WakeAt(time.Now().Add(2 * time.Second))
		x.WakeAt(time.Now())
		<-time.After(time.Hour)
		select {
		case <-h.woken:
			t.Error("an exchange that is over woke")
		default:
		}
		y.WakeAt(time.Now().Add(time.Second))
		x.WakeAt(time.Time{})
		began := time.Now()
		if <-h.woken != y {
			t.Error("another exchange woke")
		}
		after(t, began, time.Second)
		engine.Exchange{}.WakeAt(time.Now())
	})
}

// A content that is arriving does not disturb it: the exchange of the request before
// has ended, and this one is not known to anybody.
func TestWakeAtBesideTheBodyTimeout(t *testing.T) {
	timed(t, &engine.Server{}, func(t *testing.T, h *loopSite, c *raw) {
		c.send(t, []byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"))
		x := <-h.asked
		x.WakeAt(time.Now().Add(20 * time.Second))
		_ = x.Respond(200, nil, []byte("1"))
		c.expectBody(t, "1")
		c.send(t, []byte("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbod"))
		began := time.Now()
		if r := c.response(t); r.StatusCode != 408 {
			t.Errorf("%v", r)
		}
		after(t, began, engine.DefaultBodyTimeout)
		select {
		case <-h.woken:
			t.Error("it woke")
		default:
		}
	})
}

// A client that does not read is woken for and cut, each when it is time.
func TestWakeAtBesideTheWriteTimeout(t *testing.T) {
	s := &engine.Server{Options: engine.Options{WriteTimeout: 5 * time.Second}}
	s.UseStreams()
	synctest.Test(t, func(t *testing.T) {
		h, m := serveSite(s), newMemory()
		s.Loops = 1
		serve(t, s, m)
		c := m.connect(t) // it has no room for what is written
		c.send(t, []byte("GET /live HTTP/1.1\r\nHost: x\r\n\r\n"))
		x := <-h.asked
		c.response(t)
		synctest.Wait()
		began := time.Now()
		_ = x.Write(make([]byte, 1000))
		for _, due := range []time.Duration{2 * time.Second, 4 * time.Second} {
			x.WakeAt(began.Add(due))
			<-h.woken
			after(t, began, due)
		}
		x.WakeAt(began.Add(6 * time.Second))
		if err := <-h.ended; err != engine.ErrWriteTimeout {
			t.Error(err)
		}
		after(t, began, 5*time.Second)
		<-time.After(time.Minute)
		select {
		case <-h.woken:
			t.Error("it woke behind its end")
		default:
		}
	})
}

// ticking is a stream that writes whenever it is woken, and has itself woken again.
type ticking struct {
	engine.NopResponder
	every time.Duration
	left  int
}

func (r *ticking) OnBody(x engine.Exchange, _ []byte) {
	_ = x.Begin(200, nil)
	x.WakeAt(time.Now().Add(r.every))
}

func (r *ticking) OnWake(x engine.Exchange) {
	_ = x.Write([]byte("tick"))
	if r.left--; r.left == 0 {
		_ = x.End()
		return
	}
	if r.every > 0 {
		x.WakeAt(time.Now().Add(r.every))
		return
	}
	x.Wake() // in the next turn
	x.Wake()
}

// A callback may ask to be called again, in whichever way.
func TestWakingFromCallbacks(t *testing.T) {
	for _, every := range []time.Duration{0, 10 * time.Second} {
		r := &ticking{every: every, left: 5}
		s := &engine.Server{Handler: echo{}, Loops: 1, Route: func(*engine.Request) engine.Route { return engine.Route{Responder: r} }}
		s.UseStreams()
		synctest.Test(t, func(t *testing.T) {
			c := rawConn(t, listenInMemory(t, s)())
			_ = c.SetDeadline(time.Time{})
			began := time.Now()
			c.send(t, []byte(idleGet))
			c.expectBody(t, "tickticktickticktick")
			if took := time.Since(began); took < 5*every || took > 5*(every+tick) {
				t.Errorf("it took %v", took)
			}
			r.left = 1
			c.send(t, []byte(idleGet)) // the connection serves on
			c.expectBody(t, "tick")
		})
	}
}

// Wakes from many goroutines, while the exchange ends and others begin: each is
// woken when it asked for it, and none otherwise.
func TestWakesRaceWithTheLoop(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := serveSite(s)
		c := connect(t, start(t, s))
		for range 200 {
			c.send(t, []byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"))
			x := next(t, h.asked)
			var wakers sync.WaitGroup
			for i := range 4 {
				wakers.Go(func() {
					x.WakeAt(time.Now().Add(time.Duration(i) * time.Millisecond))
					x.WakeAt(time.Time{})
					x.WakeAt(time.Now())
				})
			}
			if next(t, h.woken) != x {
				t.Fatal("another exchange woke")
			}
			_ = x.Respond(200, nil, []byte("!"))
			c.expectBody(t, "!")
			wakers.Wait()
			for len(h.woken) > 0 {
				if next(t, h.woken) != x {
					t.Fatal("another exchange woke")
				}
			}
			next(t, h.body)
			next(t, h.ended)
		}
	})
}

// Setting a time costs no memory, and leaves none behind.
func TestWakeAtAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := &engine.Server{}
	h := serveSite(s)
	c := connect(t, start(t, s))
	c.send(t, []byte("GET /live HTTP/1.1\r\nHost: x\r\n\r\n"))
	x := next(t, h.asked)
	c.response(t)
	wake := func() {
		x.WakeAt(time.Now().Add(time.Hour))
		x.WakeAt(time.Now().Add(time.Minute))
		x.WakeAt(time.Now())
		<-h.woken
	}
	for range 100 {
		wake()
	}
	if got := testing.AllocsPerRun(500, wake); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
