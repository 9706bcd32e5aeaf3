package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/loadgen/internal/http1"
)

// Publish measures how a server takes requests that publish, POSTs unless
// Options.Publishing says otherwise, on connections that are kept. In a closed
// loop each connection has one request in flight. In an open loop a request that
// is due goes to a connection that is free, and waits if there is none. An answer
// other than 2xx is an error. It returns what Echo returns.
func Publish(ctx context.Context, target string, o Options) (*Report, error) {
	r, err := prepare(KindPublish, target, o)
	if err != nil {
		return nil, err
	}
	p := &publish{run: r, payloads: newPayloads(r.o.Size, ""), conns: make([]*publishConn, r.o.Connections)}
	if p.dialer, err = newHTTPDialer(target, &r.o); err != nil {
		return nil, err
	}
	if err := r.begin(ctx, func() error { return p.try(ctx) }); err != nil {
		return nil, err
	}
	if p.sockets, err = newSockets(!r.o.isVirtual()); err != nil {
		return nil, err
	}
	defer p.close()
	r.openAll(ctx, p.openConn)
	if p.conns = slices.DeleteFunc(p.conns, func(c *publishConn) bool { return c == nil }); len(p.conns) == 0 {
		return nil, r.nothingOpened(ctx)
	}
	r.plan()
	p.began = r.now()
	if r.o.Rate > 0 {
		p.free = slices.Clone(p.conns)
		r.work.Go(p.paceLoop)
	} else {
		for _, c := range p.conns {
			r.work.Add(1)
			c.goOn()
		}
	}
	r.measure(ctx)
	r.await(ctx)
	p.close()
	r.latency.collect()
	p.account()
	return r.finish(), nil
}

// publish is what the connections of a run share.
type publish struct {
	*run
	payloads *payloads
	dialer   *httpDialer
	sockets  *sockets
	conns    []*publishConn
	began    time.Duration // of the schedule
	reopened atomic.Int64
	redials  sync.WaitGroup

	mu    sync.Mutex     // guards what follows, of an open loop
	free  []*publishConn // have nothing in flight
	due   int64          // how many requests of the schedule are due
	taken int64          // how many of these have been sent
}

// publishConn is a connection with at most one request in flight. A request that
// is in flight, or that a closed loop goes on with, is a piece of the run's work.
type publishConn struct {
	*publish
	index   int
	shard   *shard
	request *publication

	mu      sync.Mutex // guards what follows
	socket  *socket    // nil: none
	reader  http1.Reader
	refused *statusError // of the response that is coming
	number  uint64
	busy    bool          // a request is in flight
	at      time.Duration // when it was sent or due
}

// try sends one request to learn whether it can be done.
func (p *publish) try(ctx context.Context) error {
	poster, err := p.o.newPoster(p.dialer, 0, p.payloads)
	if err != nil {
		return err
	}
	defer poster.close()
	defer poster.leave()
	if err := poster.post(ctx); err != nil {
		return fmt.Errorf("loadgen: cannot publish: %w", err)
	}
	return nil
}

// openConn opens connection i.
func (p *publish) openConn(ctx context.Context, i int) error {
	request, err := p.o.publication(p.o.Publishing.URL, p.payloads)
	if err != nil {
		return err
	}
	c := &publishConn{publish: p, index: i, shard: p.latency.shard(i), request: request}
	if err := c.connect(ctx); err != nil {
		return err
	}
	p.conns[i] = c
	return nil
}

func (c *publishConn) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.dialer.timeout)
	defer cancel()
	conn, err := c.dialer.dial(ctx, c.index)
	if err != nil {
		return err
	}
	c.mu.Lock() // it may be read from before there is a socket
	defer c.mu.Unlock()
	c.reader = http1.Reader{}
	c.socket, err = c.sockets.adopt(conn, c)
	return err
}

// paceLoop sends requests when they are due, on connections that are free. A request
// that finds none is sent by the next connection that is.
func (p *publish) paceLoop() {
	plan := schedule{p.o.Rate}
	clock := alarm{exact: !p.o.isVirtual()}
	for i := int64(0); ; i++ {
		due := p.began + plan.due(i)
		if due >= p.until || !clock.wait(p.ending, due-p.now()) {
			return
		}
		if p.isMeasured(due) {
			p.run.due.Add(1)
		}
		p.work.Add(1)
		p.mu.Lock()
		p.due++
		n := len(p.free)
		if n == 0 {
			p.mu.Unlock()
			continue
		}
		c := p.free[n-1]
		p.free = p.free[:n-1]
		p.taken++
		p.mu.Unlock()
		if p.isMeasured(due) {
			p.lateness.shard(0).recordLatency(p.now() - due)
		}
		c.mu.Lock()
		c.send(due)
		c.mu.Unlock()
	}
}

// goOn sends the next request of a connection that is free, if there is one.
func (c *publishConn) goOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next()
}

// next is goOn; c.mu is held.
func (c *publishConn) next() {
	if c.o.Rate > 0 {
		if due, ok := c.takeDue(); ok {
			c.send(due)
		}
		return
	}
	now := c.now()
	if now >= c.until || c.ending.Err() != nil {
		c.work.Done()
		return
	}
	if c.isMeasured(now) {
		c.run.due.Add(1)
	}
	c.send(now)
}

// takeDue takes a request that waits, or adds the connection to the free ones.
func (c *publishConn) takeDue() (due time.Duration, ok bool) {
	p := c.publish
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == p.due {
		p.free = append(p.free, c)
		return 0, false
	}
	p.taken++
	return p.began + schedule{p.o.Rate}.due(p.taken-1), true
}

// send sends a request; c.mu is held. If the connection has just been lost, ended
// comes.
func (c *publishConn) send(at time.Duration) {
	c.busy, c.at = true, at
	c.socket.send(c.request.write(c.payloads, c.index, c.number))
	c.number++
}

var (
	// errCloses ends a connection that the server closes after an answer.
	errCloses = errors.New("the server closes the connection")

	errUnasked = errors.New("the server answered what it was not asked")
)

func (c *publishConn) receive(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		kind, content, n, err := c.reader.Next(b)
		b = b[n:]
		switch {
		case err != nil:
			return err
		case kind == http1.More:
			return nil
		case kind == http1.Head:
			if !c.busy {
				return errUnasked
			}
			c.refused = refusalOf(c.reader.Response())
		case kind == http1.Content:
			c.refused.add(content)
		case kind == http1.End:
			c.countAnswer()
			if c.reader.Response().Close {
				return errCloses
			}
			c.next()
		}
	}
}

// countAnswer counts an answer; c.mu is held.
func (c *publishConn) countAnswer() {
	now := c.now()
	c.busy = false
	if c.refused == nil {
		c.shard.recordMessage(c.o.Size, c.isMeasured(now), c.isMeasured(c.at), now-c.at)
	} else if c.isMeasured(c.at) {
		c.tally.addError("not taken", c.refused)
	}
	if c.o.Rate > 0 {
		c.work.Done()
	}
}

// ended connects anew.
func (c *publishConn) ended(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, io.EOF) {
		if err = c.reader.Close(); err == nil && c.busy { // a response that ends with its connection
			c.countAnswer()
		}
	}
	switch {
	case c.ending.Err() != nil:
		if c.busy {
			return // account counts it
		}
	case c.busy:
		c.tally.addError("connection lost", whyEnded(err))
		c.busy = false
		if c.o.Rate > 0 {
			c.work.Done()
		}
	default:
		c.reopened.Add(1)
	}
	c.open.Add(-1)
	c.redials.Go(c.reconnect)
}

// reconnect tries until it can, or the run is over.
func (c *publishConn) reconnect() {
	var clock alarm
	for c.ending.Err() == nil {
		err := c.connect(c.ending)
		if err == nil {
			c.open.Add(1)
			c.goOn()
			return
		}
		if c.ending.Err() == nil {
			c.tally.addError("opening", err)
			clock.wait(c.ending, failurePause)
		}
		if c.o.Rate == 0 && c.now() >= c.until {
			break
		}
	}
	if c.o.Rate == 0 {
		c.work.Done()
	}
}

// close ends all connections and waits for their work. It may be called again.
func (p *publish) close() {
	p.end()
	p.sockets.close()
	p.redials.Wait()
	for _, c := range p.conns {
		if c == nil {
			continue
		}
		c.mu.Lock()
		if c.busy {
			c.busy = false
			p.work.Done()
			if !p.cut.Load() {
				p.tally.add("no answer in time", fmt.Sprintf("a request was not answered within %v of the end", p.o.Drain))
			}
		}
		c.mu.Unlock()
	}
	p.mu.Lock()
	waiting := p.due - p.taken
	p.taken = p.due
	p.mu.Unlock()
	p.work.Add(-int(waiting))
	if !p.cut.Load() {
		p.tally.addMany("not sent in time", fmt.Sprintf("%d requests were due and not sent %v after the end, as no connection was free", waiting, p.o.Drain), waiting)
	}
	p.work.Wait()
}

// account notes what became of the connections.
func (p *publish) account() {
	if n := p.reopened.Load(); n > 0 {
		p.note(fmt.Sprintf("The server ended connections that had nothing in flight %s; they were opened again.", times(n)))
	}
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return Count(float64(n)) + " times"
}
