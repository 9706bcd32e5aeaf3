package loadgen

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// Connections opens idle connections, holds them for Options.Duration, and
// reports how much memory the server uses for each, if it can be observed. At
// the end each is pinged, to see that it lives. It returns what Echo returns.
func Connections(ctx context.Context, target string, o Options) (*Report, error) {
	r, d, err := newRun(ctx, KindConnections, target, o)
	if err != nil {
		return nil, err
	}
	conns := make([]*ws.Conn, r.o.Connections)
	r.from, r.until = r.now(), math.MaxInt64
	r.startSampling(ctx)
	r.dialAll(ctx, d, func(i int, conn *ws.Conn) {
		conns[i] = conn
		r.work.Go(func() { r.idleLoop(conn) })
	})
	defer func() {
		r.end()
		closeAll(conns)
		r.work.Wait()
	}()
	if r.report.Connections.Opened == 0 {
		return nil, r.nothingOpened(ctx)
	}
	r.hold(ctx, "holding", r.o.Duration)
	if !r.cut.Load() {
		r.pingAll(ctx, conns)
	}
	return r.finish(), nil
}

// hold takes samples for d, or until ctx ends.
func (r *run) hold(ctx context.Context, phase string, d time.Duration) {
	var clock alarm
	began := r.now()
	for left := d; left > 0; left = began + d - r.now() {
		if !clock.wait(ctx, min(r.tick, left)) {
			r.interrupt()
			r.sample(ctx)
			return
		}
		r.sample(ctx)
		r.progress(Progress{Phase: phase, Elapsed: r.now() - began, Total: d})
	}
}

// idleLoop answers pings until the connection ends.
func (r *run) idleLoop(conn *ws.Conn) {
	for {
		if _, _, err := conn.Read(context.Background()); err != nil {
			if r.ending.Err() == nil {
				r.open.Add(-1)
				r.tally.addError("connection lost", err)
			}
			return
		}
	}
}

// pingAll measures a ping on every connection.
func (r *run) pingAll(ctx context.Context, conns []*ws.Conn) {
	queue := make(chan int)
	var pingers sync.WaitGroup
	for range dialersMax {
		pingers.Go(func() {
			for i := range queue {
				limit, cancel := context.WithTimeout(ctx, r.o.Drain)
				took, err := conns[i].Ping(limit)
				cancel()
				switch {
				case err == nil:
					r.latency.shard(i).recordLatency(took)
				case ctx.Err() == nil && conns[i].Err() == nil: // an ended one is counted already
					r.tally.addError("ping", err)
				}
			}
		})
	}
	began, last := r.now(), r.now()
feed:
	for i, c := range conns {
		if c == nil {
			continue
		}
		select {
		case queue <- i:
		case <-ctx.Done():
			r.interrupt()
			break feed
		}
		if now := r.now(); now-last > r.tick {
			last = now
			r.progress(Progress{Phase: "pinging", Done: i, Of: len(conns), Elapsed: now - began})
		}
	}
	close(queue)
	pingers.Wait()
	r.latency.collect()
}
