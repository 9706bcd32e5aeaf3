package hub

import (
	"context"
	"slices"
	"sync"

	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

// calls are what the hub asks a Broker that may take a network's time: a bounded
// number of goroutines at a time, so that a storm of reconnects is paced, and a
// bounded part of them for one channel, so that a channel that is slow leaves
// the others their turn.
//
//	add ─► line of the channel ─┐
//	add ─► line of the channel ─┼─► channels in turn ─► at most max goroutines
//	add ─► line of the channel ─┘
type calls struct {
	ctx    context.Context // ends with the hub
	cancel context.CancelFunc
	max    int
	wg     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	lines   shrinkmap.Map[string, *line]
	ready   []*line // the lines that have something waiting and may run more
	first   int     // of ready: those before it are nil
	running int
	closed  bool
}

// line is what waits and runs for one channel.
type line struct {
	name    string
	waiting []func(context.Context)
	running int
	isReady bool // it is in calls.ready
}

// callsChannelPart is the part of the goroutines that one channel may have.
const callsChannelPart = 4

func newCalls(max int) *calls {
	c := &calls{max: max}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// add has f called in its turn, with a context that ends after CallTimeout. It
// returns false when the hub is closed: f is not called then.
func (c *calls) add(channel string, f func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	l, ok := c.lines.Get(channel)
	if !ok {
		l = &line{name: channel}
		c.lines.Set(channel, l)
	}
	l.waiting = append(l.waiting, f)
	c.makeReady(l)
	if c.running < c.max && c.first < len(c.ready) {
		c.running++
		c.wg.Go(c.runLoop)
	}
	return true
}

// makeReady puts l in line with the other channels, if it may run more; mu is held.
func (c *calls) makeReady(l *line) {
	if !l.isReady && len(l.waiting) > 0 && l.running < max(1, c.max/callsChannelPart) {
		l.isReady = true
		c.ready = append(c.ready, l)
	}
}

// runLoop makes calls until none is ready.
func (c *calls) runLoop() {
	for {
		f, l := c.next()
		if f == nil {
			return
		}
		ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
		f(ctx)
		cancel()
		c.finish(l)
	}
}

// next takes a call out of its line; without one the goroutine ends.
func (c *calls) next() (func(context.Context), *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == len(c.ready) {
		c.running--
		return nil, nil
	}
	l := c.ready[c.first]
	c.ready[c.first] = nil
	// All channels may be ready at once, after a connection broke: taking the first
	// one must not cost as much as there are.
	if c.first++; c.first > len(c.ready)/2 {
		c.ready = slices.Delete(c.ready, 0, c.first)
		c.first = 0
		if len(c.ready) == 0 && cap(c.ready) > 1024 {
			c.ready = nil
		}
	}
	l.isReady = false
	f := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	l.running++
	c.makeReady(l)
	return f, l
}

func (c *calls) finish(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.running--
	if l.running == 0 && len(l.waiting) == 0 {
		c.lines.Delete(l.name)
		return
	}
	c.makeReady(l)
}

// do makes a call and waits for it, or for ctx.
func (c *calls) do(ctx context.Context, channel string, f func(context.Context)) error {
	done := make(chan struct{})
	if !c.add(channel, func(limited context.Context) {
		defer close(done)
		if ctx.Err() != nil {
			return // no caller waits for it any more
		}
		limited, cancel := context.WithCancel(limited)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		f(limited)
	}) {
		return ErrClosed
	}
	select {
	case <-done:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the context of every call, lets waiting calls see that, and waits for all
// of them.
func (c *calls) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}
