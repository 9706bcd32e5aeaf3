package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// directBytesMax is how many bytes may be in flight on a connection whose reader
// also writes. They fit into the socket's buffers, so the writing does not wait
// for a server that itself waits to be read from.
const directBytesMax = 32 << 10

// Echo measures a server that sends back what it gets, on every connection. It
// returns an error when nothing could be measured, which wraps ErrOptions if the
// options or the URL are the cause. When ctx ends, the report is of what was
// measured until then.
func Echo(ctx context.Context, target string, o Options) (*Report, error) {
	r, d, err := newRun(ctx, KindEcho, target, o)
	if err != nil {
		return nil, err
	}
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	e := &echo{run: r, giveUp: give, payloads: newPayloads(r.o.Size, ""), typ: ws.MessageText, conns: make([]*echoConn, r.o.Connections)}
	if r.o.Binary {
		e.typ = ws.MessageBinary
	}
	waiting, awake := context.WithCancel(context.Background())
	defer awake()
	r.dialAll(ctx, d, func(i int, conn *ws.Conn) {
		c := &echoConn{echo: e, conn: conn, index: i, shard: r.latency.shard(i)}
		e.conns[i] = c
		c.rested.Go(func() { c.restLoop(waiting) })
	})
	awake()
	live := e.conns[:0]
	for _, c := range e.conns {
		if c != nil {
			c.rested.Wait()
			live = append(live, c)
		}
	}
	if e.conns = live; len(live) == 0 {
		return nil, r.nothingOpened(ctx)
	}
	r.plan()
	for n, c := range live {
		c.place, c.turn = int64(n), make(chan struct{}, 1)
		r.work.Go(c.loop)
	}
	if r.o.Rate > 0 {
		r.work.Go(e.paceLoop)
	}
	r.measure(ctx)
	r.await(ctx)
	e.close()
	if broadcasts, ok := errors.AsType[*broadcastError](context.Cause(ctx)); ok {
		if r.server != nil {
			r.server.close()
		}
		return nil, broadcasts
	}
	r.latency.collect()
	return r.finish(), nil
}

// broadcastError says that a connection got what another one had sent.
type broadcastError struct{ to, from int }

func (e *broadcastError) Error() string {
	return fmt.Sprintf("loadgen: connection %d got what connection %d had sent: this URL sends what one says to the others, too, as a channel does, so it is no echo server; fanout measures that", e.to, e.from)
}

// nothingOpened is the error when no connection could be opened.
func (r *run) nothingOpened(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if kinds := r.tally.errors(); len(kinds) > 0 {
		return fmt.Errorf("loadgen: no connection could be opened: %s", kinds[0].Example)
	}
	return errors.New("loadgen: no connection could be opened")
}

// echo is what the connections of a run share.
type echo struct {
	*run
	payloads *payloads
	typ      ws.MessageType
	conns    []*echoConn
	giveUp   context.CancelCauseFunc // ends the run without a report
}

// close ends all connections and waits for their work.
func (e *echo) close() {
	e.end()
	conns := make([]*ws.Conn, len(e.conns))
	for i, c := range e.conns {
		conns[i] = c.conn
		if e.cut.Load() {
			_ = c.conn.CloseNow()
		}
	}
	closeAll(conns)
	e.work.Wait()
}

// echoConn is one connection. Its messages are numbered from 0, and the answer to
// number n is the n-th that arrives.
type echoConn struct {
	*echo
	conn   *ws.Conn
	index  int // as it was dialled, which is in its payloads
	shard  *shard
	rested sync.WaitGroup

	sent  uint64         // how many were sent; for the goroutine that sends
	times []atomic.Int64 // closed loop: when each message of the window was sent
	place int64          // open loop: its first number in the schedule

	due  atomic.Uint64 // open loop: how many may be sent by now
	turn chan struct{} // open loop: there are more
}

// restLoop answers pings while other connections are being opened, so that the
// server does not take this one for dead.
func (c *echoConn) restLoop(waiting context.Context) {
	for {
		if _, _, err := c.conn.Read(waiting); err != nil {
			return // if the connection has ended, its next user finds out
		}
	}
}

// loop is the work of the connection.
func (c *echoConn) loop() {
	switch {
	case c.o.Rate > 0:
		c.openLoop()
	case c.o.Window*c.o.Size <= directBytesMax:
		c.closedLoop()
	default:
		c.closedLoopOfTwo()
	}
}

// closedLoop keeps the window full until the measuring ends.
func (c *echoConn) closedLoop() {
	c.times = make([]atomic.Int64, c.o.Window)
	for range c.o.Window {
		if c.send() != nil {
			break // the reader finds out why
		}
	}
	answered, err := c.read(context.Background(), c.sentAt, func(answered uint64) (more bool) {
		if !c.isOver() && c.send() == nil {
			return true
		}
		return answered < c.sent
	})
	c.account(err, c.sent-answered)
}

// closedLoopOfTwo is closedLoop with a goroutine for each direction.
func (c *echoConn) closedLoopOfTwo() {
	c.times = make([]atomic.Int64, c.o.Window)
	places := make(chan struct{}, c.o.Window)
	reading, stop := context.WithCancel(c.ending)
	defer stop()
	var writer sync.WaitGroup
	writer.Go(func() {
		for !c.isOver() && take(reading, places) {
			if c.send() != nil {
				return // the reader finds out why
			}
		}
		for range cap(places) { // all are free again when all is answered
			if !take(reading, places) {
				return
			}
		}
		stop()
	})
	answered, err := c.read(reading, c.sentAt, func(uint64) bool { <-places; return true })
	stop()
	writer.Wait()
	c.account(err, c.sent-answered)
}

// take takes a place, unless ctx ends first.
func take(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// isOver reports whether no more is to be sent in a closed loop.
func (c *echoConn) isOver() bool { return c.now() >= c.until || c.ending.Err() != nil }

// send sends the next message of a closed loop.
func (c *echoConn) send() error {
	now := c.now()
	c.times[c.sent%uint64(len(c.times))].Store(int64(now))
	if c.isMeasured(now) {
		c.run.due.Add(1)
	}
	return c.write()
}

func (c *echoConn) sentAt(number uint64) (at time.Duration, timed bool) {
	at = time.Duration(c.times[number%uint64(len(c.times))].Load())
	return at, c.isMeasured(at)
}

// openLoop sends each message when it is due, whatever has been answered.
func (c *echoConn) openLoop() {
	plan := schedule{c.o.Rate}
	step := int64(len(c.conns))
	began := c.from - c.o.Warmup
	dueAt := func(number uint64) (time.Duration, bool) {
		due := began + plan.due(c.place+int64(number)*step)
		return due, c.isMeasured(due)
	}
	count := uint64(max(0, (plan.before(c.until-began)-c.place+step-1)/step))

	sending, stop := context.WithCancel(c.ending)
	var sender sync.WaitGroup
	sender.Go(func() {
		var free time.Duration // since when the connection could take the next
		for c.sent < count {
			for c.due.Load() <= c.sent {
				select {
				case <-c.turn:
				case <-sending.Done():
					return
				}
			}
			due, timed := dueAt(c.sent)
			if timed {
				c.run.due.Add(1)
				c.lateness.shard(c.index).recordLatency(c.now() - max(due, free))
			}
			if c.write() != nil {
				return
			}
			free = c.now()
		}
	})
	var answered uint64
	var err error
	if count > 0 {
		answered, err = c.read(context.Background(), dueAt, func(answered uint64) bool { return answered < count })
	}
	stop()
	sender.Wait()
	if c.cut.Load() {
		return
	}
	var missing uint64
	for n := answered; n < count; n++ {
		if _, timed := dueAt(n); timed {
			missing++
			if n >= c.sent {
				c.run.due.Add(1) // it was, and could not be sent
			}
		}
	}
	c.account(err, missing)
}

// paceLoop tells each connection of the open loop when its next message is due. It
// waits for nobody: a connection that is behind finds what has become due
// meanwhile.
func (e *echo) paceLoop() {
	plan := schedule{e.o.Rate}
	began := e.from - e.o.Warmup
	clock := alarm{exact: e.o.dial == nil}
	for i := int64(0); ; i++ {
		due := began + plan.due(i)
		if due >= e.until || !clock.wait(e.ending, due-e.now()) {
			return
		}
		c := e.conns[i%int64(len(e.conns))]
		c.due.Add(1)
		select {
		case c.turn <- struct{}{}:
		default: // it has been told already
		}
	}
}

// write sends the next message.
func (c *echoConn) write() error {
	b := c.payloads.take(c.index, c.sent)
	c.sent++
	err := c.conn.Write(context.Background(), c.typ, *b)
	c.payloads.give(b)
	return err
}

// read reads and checks answers while more says so. sentAt says when the message
// of a number was sent or due, and whether its latency counts. It returns how
// many were answered.
func (c *echoConn) read(ctx context.Context, sentAt func(uint64) (time.Duration, bool), more func(answered uint64) bool) (answered uint64, err error) {
	var buffer []byte
	for {
		typ, message, err := c.conn.ReadAppend(ctx, buffer[:0])
		if err != nil {
			return answered, err
		}
		buffer = message
		now := c.now()
		at, timed := sentAt(answered)
		if typ != c.typ || !c.payloads.isPayload(message, c.index, answered) {
			c.countWrong(typ, message, answered)
			timed = false
		}
		c.shard.recordMessage(len(message), c.isMeasured(now), timed, now-at)
		answered++
		if !more(answered) {
			return answered, nil
		}
	}
}

// countWrong counts an answer that is not what was sent.
func (c *echoConn) countWrong(typ ws.MessageType, message []byte, number uint64) {
	if from, ok := c.payloads.sender(message); ok && from != c.index && from < c.o.Connections {
		c.giveUp(&broadcastError{c.index, from})
	}
	what := "other content"
	switch {
	case typ != c.typ:
		what = "of type " + typ.String()
	case len(message) != c.o.Size:
		what = fmt.Sprintf("of %d bytes instead of %d", len(message), c.o.Size)
	}
	c.tally.add(ErrorWrongAnswer, fmt.Sprintf("answer %d is %s: %.60q", number, what, message))
}

// account counts what was not answered, and why. err is nil if the connection
// has done its work.
func (c *echoConn) account(err error, missing uint64) {
	switch {
	case err == nil, c.cut.Load():
	case c.ending.Err() != nil:
		c.tally.addMany("no answer in time", fmt.Sprintf("%d messages of one connection were not answered within %v of the end", missing, c.o.Drain), int64(missing))
	case errors.Is(err, context.Canceled): // of two: all is answered
	default:
		c.open.Add(-1)
		c.tally.addError("connection lost", err)
		c.tally.addMany("not answered, as the connection was lost", fmt.Sprintf("%d messages of one connection", missing), int64(missing))
	}
}
