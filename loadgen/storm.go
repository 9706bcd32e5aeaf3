package loadgen

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/ws"
)

const (
	// stormPause is how long everybody is connected between two rounds, by default.
	stormPause = time.Second

	// A client that is refused tries again after backoffMin, then after twice as
	// long, up to backoffMax; each between half of it and all of it.
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
)

// Storm opens connections, drops all of them at once, and measures how long it
// takes until everybody is back, as after the restart of a server or the loss of
// a network. Options.Duration is how long a client tries. It returns what Echo
// returns.
//
// With StormOptions.Server the server itself is dropped: it is killed, and started again.
func Storm(ctx context.Context, target string, o Options) (*Report, error) {
	if o.Storm.Server != "" {
		return stormOfServer(ctx, target, o)
	}
	r, d, err := newRun(ctx, KindStorm, target, o)
	if err != nil {
		return nil, err
	}
	r.tick = tickMin
	if r.o.Metrics != "" {
		r.tick = time.Second
	}
	r.report.Load.SpreadSeconds = r.o.Storm.Spread.Seconds()
	s := &storm{run: r, dialer: d, clients: make([]*stormClient, r.o.Connections)}
	r.dialAll(ctx, d, func(i int, conn *ws.Conn) {
		s.clients[i] = &stormClient{storm: s, index: i}
		s.clients[i].adopt(conn)
	})
	defer s.close()
	s.clients = slices.DeleteFunc(s.clients, func(c *stormClient) bool { return c == nil })
	if len(s.clients) == 0 {
		return nil, r.nothingOpened(ctx)
	}
	r.opening = newRecorder() // only of the storm from here on
	r.from, r.until = r.now(), math.MaxInt64
	r.startSampling(ctx)
	for n := range r.o.Storm.Rounds {
		r.hold(ctx, "calm", r.o.Storm.Calm)
		if r.cut.Load() {
			break
		}
		s.round(ctx, n+1)
		if r.cut.Load() {
			break
		}
	}
	if !r.cut.Load() {
		r.hold(ctx, "calm", stormPause)
	}
	if len(r.report.Rounds) == 0 {
		return nil, r.nothingOpened(ctx)
	}
	r.latency.collect()
	return r.finish(), nil
}

type storm struct {
	*run
	dialer  *dialer
	clients []*stormClient
}

// round drops everybody once, and waits until all are back or have given up.
func (s *storm) round(ctx context.Context, number int) {
	trying, stop := context.WithTimeout(ctx, s.o.Duration)
	defer stop()
	dropped := 0
	for _, c := range s.clients {
		if c.drop() {
			dropped++
		}
	}
	s.dipped = true
	began := s.now()
	var attempts, back atomic.Int64
	away := make([]time.Duration, len(s.clients))
	var returning sync.WaitGroup
	for i, c := range s.clients {
		away[i] = neverBack
		wait := time.Duration(float64(s.o.Storm.Spread) * float64(i) / float64(len(s.clients)))
		returning.Go(func() {
			if c.comeBack(trying, wait, &attempts) {
				away[i] = s.now() - began
				back.Add(1)
				s.latency.shard(c.index).recordMessage(0, true, true, away[i])
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		returning.Wait()
	}()
	ticker := time.NewTicker(s.tick)
	defer ticker.Stop()
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-ticker.C:
		}
		s.sample(ctx)
		s.progress(Progress{Phase: fmt.Sprintf("storm %d of %d", number, s.o.Storm.Rounds), Done: int(back.Load()), Of: len(s.clients), Elapsed: s.now() - began})
	}
	if ctx.Err() != nil {
		s.interrupt()
	}
	if missing := int64(len(s.clients)) - back.Load(); missing > 0 && !s.cut.Load() {
		s.tally.addMany("not back in time", fmt.Sprintf("%d clients gave up after %v", missing, s.o.Duration), missing)
	}
	s.report.Rounds = append(s.report.Rounds, summarizeRound(dropped, attempts.Load(), away))
}

// neverBack is the time away of a client that did not come back.
const neverBack = time.Duration(-1)

// summarizeRound takes how long each client was away.
func summarizeRound(dropped int, attempts int64, away []time.Duration) Round {
	all := len(away)
	away = slices.DeleteFunc(away, func(d time.Duration) bool { return d == neverBack })
	r := Round{Dropped: dropped, Back: len(away), Attempts: attempts}
	slices.Sort(away)
	at := func(percent int) Millis {
		if n := (all*percent + 99) / 100; n > 0 && n <= len(away) {
			return millis(away[n-1])
		}
		return 0
	}
	r.HalfBack, r.MostBack, r.AllBack = at(50), at(99), at(100)
	if len(away) > 0 {
		if last := away[len(away)-1].Seconds(); last > 0 {
			r.MeanOpened = float64(len(away)) / last
		}
	}
	return r
}

// close ends all connections and waits for their readers.
func (s *storm) close() {
	s.end()
	conns := make([]*ws.Conn, len(s.clients))
	for i, c := range s.clients {
		if c != nil {
			conns[i] = c.conn
		}
	}
	closeAll(conns)
	s.work.Wait()
}

// stormClient is one client, with one connection after the other.
type stormClient struct {
	*storm
	index int
	conn  *ws.Conn // nil while it has none
	live  *stormConn
}

// stormConn is one of the connections.
type stormConn struct{ dropped atomic.Bool }

// adopt takes a new connection.
func (c *stormClient) adopt(conn *ws.Conn) {
	live := &stormConn{}
	c.conn, c.live = conn, live
	c.work.Go(func() {
		for {
			if _, _, err := conn.Read(context.Background()); err != nil {
				if c.ending.Err() == nil && !live.dropped.Load() {
					c.open.Add(-1)
					live.dropped.Store(true)
					c.tally.addError("connection lost in the calm", err)
				}
				return
			}
		}
	})
}

// drop ends the connection. It reports whether there was one.
func (c *stormClient) drop() bool {
	if c.conn == nil {
		return false
	}
	was := !c.live.dropped.Swap(true)
	if was {
		c.open.Add(-1)
	}
	reset(c.conn)
	c.conn = nil
	return was
}

// comeBack connects again, and reports whether it could before ctx ended.
func (c *stormClient) comeBack(ctx context.Context, wait time.Duration, attempts *atomic.Int64) bool {
	var clock alarm
	for pause := backoffMin; clock.wait(ctx, wait); pause = min(2*pause, backoffMax) {
		attempts.Add(1)
		if c.openOne(ctx, c.index, c.now(), c.reconnect) {
			return true
		}
		wait = pause/2 + rand.N(pause/2)
	}
	return false
}

func (c *stormClient) reconnect(ctx context.Context, i int) error {
	opened, err := c.dialer.dial(ctx, i)
	if err == nil {
		c.adopt(opened.conn)
	}
	return err
}
