package loadgen

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// failurePause is the pause after a refusal, so that a server that is gone is not
// asked a million times.
const failurePause = 10 * time.Millisecond

// Handshakes opens connections and ends each as soon as it is open: as fast as it
// can with Options.Connections handshakes under way, or at Options.Rate. It
// returns what Echo returns.
func Handshakes(ctx context.Context, target string, o Options) (*Report, error) {
	r, d, err := newRun(ctx, KindHandshakes, target, o)
	if err != nil {
		return nil, err
	}
	r.plan()
	h := &handshakes{run: r, dialer: d, began: r.now()}
	if r.o.Rate > 0 {
		h.total = schedule{r.o.Rate}.before(r.until - h.began)
	}
	for i := range r.o.Connections {
		r.work.Go(func() { h.loop(i) })
	}
	r.measure(ctx)
	r.await(ctx)
	r.end()
	r.work.Wait()
	r.latency.collect()
	h.account()
	if r.latency.received == 0 && !r.cut.Load() {
		return nil, r.nothingOpened(ctx)
	}
	p := r.finish()
	p.Connections.Opened = int(h.good.Load())
	p.Connections.Wanted = int(h.good.Load() + h.failed.Load())
	p.Opening = nil // it is Latency
	return p, nil
}

type handshakes struct {
	*run
	dialer *dialer
	began  time.Duration
	total  int64        // of the schedule of an open loop
	next   atomic.Int64 // the number of the next handshake
	good   atomic.Int64
	failed atomic.Int64
}

// loop does one handshake after the other.
func (h *handshakes) loop(i int) {
	shard := h.latency.shard(i)
	clock := alarm{exact: h.o.dial == nil}
	var free time.Duration
	for h.ending.Err() == nil {
		number := h.next.Add(1) - 1
		start := h.now()
		if h.o.Rate > 0 {
			if number >= h.total {
				return
			}
			due := h.began + schedule{h.o.Rate}.due(number)
			if !clock.wait(h.ending, due-start) {
				return
			}
			if h.isMeasured(due) {
				h.lateness.shard(i).recordLatency(h.now() - max(due, free))
			}
			start = due
		} else if start >= h.until {
			return
		}
		timed := h.isMeasured(start)
		if timed {
			h.due.Add(1)
		}
		c, err := h.dialer.dial(h.ending, int(number))
		free = h.now()
		if err != nil {
			if h.ending.Err() != nil {
				h.next.Add(-1) // not begun, for account
				if timed {
					h.due.Add(-1)
				}
				return
			}
			h.failed.Add(1)
			h.tally.addError("opening", err)
			clock.wait(h.ending, failurePause)
			continue
		}
		reset(c.conn)
		h.good.Add(1)
		shard.recordMessage(0, h.isMeasured(free), timed, free-start)
	}
}

// account counts what an open loop did not get to, of what was to be measured.
func (h *handshakes) account() {
	if h.cut.Load() || h.o.Rate == 0 {
		return
	}
	left := max(0, h.total-max(h.next.Load(), schedule{h.o.Rate}.before(h.from-h.began)))
	h.due.Add(left)
	h.tally.addMany("not opened in time", fmt.Sprintf("%d handshakes were due and not begun %v after the end", left, h.o.Drain), left)
}
