package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine/internal/lag"
	"github.com/godwit-io/godwit/engine/internal/outbox"
	"github.com/godwit-io/godwit/engine/internal/poller"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/engine/internal/tlslink"
	"github.com/godwit-io/godwit/engine/internal/wheel"
	"github.com/godwit-io/godwit/internal/wsproto"
)

const (
	// receiveBytes is the size of a loop's receive buffer, and so the most that
	// is read of a connection in a turn: nobody can keep the loop to himself. A message
	// of 64 KiB with its header has to fit, or it is put together from two reads.
	receiveBytes = 128 << 10

	// scratchBytes is the size of a loop's memory for inflated payloads.
	scratchBytes = 64 << 10
)

// loop is one goroutine with its connections.
//
// The lock of a connection and mu are never held together.
type loop struct {
	server *Server
	system *socket.Calls
	index  int
	poll   poller.Poller
	origin time.Time // of wsproto.Time

	// The loop's own.
	now        wsproto.Time // when the turn began
	events     [poller.EventsMax]poller.Event
	in         []byte          // receive buffer
	ciphertext *tlslink.Memory // nil while there is no TLS
	scratch    []byte          // inflated payloads
	cork       outbox.Outbox   // output written while input is handled
	opener     *opener         // the opening handshake
	wheel      *wheel.Wheel[Conn]
	fireFn     func(*Conn)
	conns      []*Conn // by slot
	free       []int32 // slots
	listeners  []*acceptor
	tally      Stats
	rested     wsproto.Time // when it last began to work after a wait
	lag        lag.Meter
	serving    *Conn    // whose callbacks may be called
	working    []func() // tasks of this turn
	visiting   []*Conn  // connections to look at in this turn
	stopping   bool
	gathering  gathering
	answers    answers

	mu     sync.Mutex // guards what follows
	dirty  []*Conn    // to look at
	tasks  []func()
	dead   bool // it takes no more tasks
	public Stats

	spareDirty []*Conn // the loop's: memory for the next dirty
	asleep     atomic.Bool
	open       atomic.Int64         // connections, heads and last bytes included
	turn       atomic.Uint64        // counts callbacks' turns, for the watchdog
	current    atomic.Pointer[Conn] // whose turn it is
	stalls     atomic.Uint64        // found by the watchdog
	crashes    atomic.Uint64        // panics of blocking handlers, on goroutines that outlive the loop's
	shed       atomic.Uint64        // opening handshakes, by Server.ShedAfter
}

func newLoop(s *Server, index int) (*loop, error) {
	l := &loop{
		server: s, system: &socket.System, index: index, origin: time.Now(),
		in: make([]byte, receiveBytes), opener: newOpener(), wheel: wheel.New(func(c *Conn) *wheel.Timer[Conn] { return &c.timer }),
	}
	if s.compression() {
		l.scratch = make([]byte, scratchBytes)
	}
	if s.kernel != nil {
		l.system = s.kernel
	}
	l.fireFn = l.fire
	if s.streams {
		l.poll = poller.NewParked()
		return l, nil
	}
	var err error
	l.poll, err = poller.New()
	return l, err
}

// clock returns the time; it is never 0.
func (l *loop) clock() wsproto.Time { return wsproto.Time(time.Since(l.origin)) + 1 }

// post has the loop look at c. The caller has set posted.
func (l *loop) post(c *Conn) {
	l.mu.Lock()
	if !l.dead {
		l.dirty = append(l.dirty, c)
	}
	l.mu.Unlock()
	l.wake()
}

// do has the loop call f. It returns false if the loop has ended.
func (l *loop) do(f func()) bool {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return false
	}
	l.tasks = append(l.tasks, f)
	l.mu.Unlock()
	l.wake()
	return true
}

// wake costs a system call only if the loop is about to sleep or does.
func (l *loop) wake() {
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.poll.Wake()
	}
}

// run is the loop's goroutine. A callback may end it with runtime.Goexit, which
// nothing can stop; then another one takes over where it was.
func (l *loop) run() {
	ended := false
	defer func() {
		if !ended {
			defer l.server.goroutines.Go(l.run)
			l.noteExit()
		}
	}()
	l.now = l.clock()
	l.rested = l.now
	if !l.lag.HasStarted() {
		l.lag.Start(l.now)
	}
	l.sendAnswers() // what was left
	if len(l.working)+len(l.visiting) > 0 {
		l.work()
	}
	for !l.stopping {
		n := l.wait()
		l.now = l.clock()
		l.noteLook(n)
		l.gathering.heard = l.tally.MessagesIn
		l.handle(n)
		if l.hasWork() {
			l.deliver(n > 0)
		}
		if l.tally.turns++; l.tally.turns%256 == 0 {
			l.publish() // it may not sleep for a long time
		}
		l.resumeListeners()
		if l.wheel.NeedsAdvance(l.now) {
			l.wheel.Advance(l.now, l.fireFn)
		}
	}
	l.end()
	ended = true
}

// wait returns the events of the next turn. It sleeps only after a look that
// found nothing, because the look is cheap: the Go scheduler is not told of it.
func (l *loop) wait() int {
	if n := l.poll.Wait(l.events[:], 0); n > 0 || l.hasWork() {
		return n
	}
	// The scheduler lets other goroutines have this processor at once; it would
	// find out by itself only after a while.
	runtime.Gosched()
	l.now = l.clock()
	l.noteLook(0)
	timeout := time.Duration(-1)
	if d, ok := l.wheel.Wait(l.now); ok {
		timeout = d
	}
	if d, ok := l.resumeListeners(); ok && (timeout < 0 || d < timeout) {
		timeout = d
	}
	l.publish()
	l.asleep.Store(true)
	if l.hasWork() {
		timeout = 0 // it was posted before it could see that a wake is needed
	}
	l.lag.Rest()
	n := l.poll.Wait(l.events[:], timeout)
	l.asleep.Store(false)
	l.rested = l.clock()
	l.lag.Start(l.rested)
	return n
}

// publish lets Stats see the loop's figures. The loop is about to sleep.
func (l *loop) publish() {
	now := l.clock()
	l.tally.Busy += time.Duration(now - l.rested)
	l.rested = now
	l.mu.Lock()
	l.public = l.tally
	l.mu.Unlock()
}

func (l *loop) hasWork() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.dirty) > 0 || len(l.tasks) > 0
}

// work does what other goroutines, and callbacks, have asked for until now.
func (l *loop) work() {
	if len(l.working)+len(l.visiting) == 0 {
		l.mu.Lock()
		l.working, l.visiting = l.tasks, l.dirty
		l.tasks, l.dirty = nil, l.spareDirty[:0]
		l.mu.Unlock()
		l.spareDirty = l.visiting[:0]
	}
	// Each is taken out before it is dealt with: it may not return, see run.
	for len(l.working) > 0 {
		task := l.working[0]
		l.working = l.working[1:]
		task()
	}
	for len(l.visiting) > 0 {
		c := l.visiting[0]
		l.visiting[0] = nil
		l.visiting = l.visiting[1:]
		l.visit(c)
	}
}

// handle handles the events of a look. Connections to be accepted come first: if a
// callback blocked before that, no other loop would know of them.
func (l *loop) handle(n int) {
	for i := range l.events[:n] {
		if e := &l.events[i]; e.Key < 0 {
			l.accept(l.listeners[-1-e.Key])
		}
	}
	l.answers.isOpen = n > 1
	for i := range l.events[:n] {
		if e := &l.events[i]; e.Key >= 0 {
			l.ready(e)
		}
		if l.answers.n == answersMax {
			l.sendAnswers()
		}
	}
	l.answers.isOpen = false
	l.sendAnswers()
}

// ready handles one event of a connection.
func (l *loop) ready(e *poller.Event) {
	c := l.conns[e.Key]
	if c == nil || c.fd != e.FD {
		return // it ended earlier in this turn
	}
	l.serve(c, e.Readable, e.Writable)
}

// serve does what a connection is ready for.
func (l *loop) serve(c *Conn, readable, writable bool) {
	defer l.recoverPanic(c)
	l.begin(c)
	if writable && c.mode&secured != 0 {
		writable = l.resumeTLS(c) // what TLS has encrypted goes first
	}
	if writable && c.mode&wantsWrite != 0 {
		l.unblock(c)
		l.flush(c)
	}
	if readable && c.state != stateClosed {
		switch {
		case c.mode&awaitsHandler != 0:
			l.leaveUnread(c)
		case c.mode&keepsInput != 0:
			l.holdUnread(c)
		default:
			l.read(c)
		}
	}
	l.current.Store(nil)
}

// visit does what was posted for a connection.
func (l *loop) visit(c *Conn) {
	defer l.recoverPanic(c)
	l.begin(c)
	c.mu.Lock()
	flags := c.flags
	c.flags &^= posted | armTimer | woken
	c.mu.Unlock()
	if c.state == stateClosed {
		return
	}
	if flags&aborted != 0 {
		l.finish(c, abnormal(errClosed), false)
		l.release(c)
		return
	}
	if c.mode&awaitsHandler != 0 {
		if l.continueAfterCall(c); c.state == stateClosed {
			return
		}
	}
	if (flags&pausing != 0 || c.mode&keepsInput != 0) && c.state == stateOpen {
		if l.continueAfterPause(c); c.state == stateClosed {
			return
		}
	}
	if s := c.streamOf(); s != nil {
		l.visitStream(c, s)
	} else if c.mode&secured != 0 {
		l.visitTLS(c)
	}
	switch {
	case c.state == stateExchange:
		l.visitExchange(c)
	case c.state == stateHead && c.message != nil:
		l.nextRequest(c)
	case flags&woken != 0 && c.mode&hooked != 0:
		l.awaken(c)
	case c.state != stateClosed && !c.isBlocked():
		l.flush(c)
	}
	if flags&armTimer != 0 {
		switch c.state {
		case stateExchange:
			l.armExchange(c, c.extra.exchange)
		case stateOpen:
			l.arm(c)
		}
	}
}

// awaken calls OnWake, and sends what it wrote.
func (l *loop) awaken(c *Conn) {
	c.cork()
	c.mu.Lock()
	h := c.handler()
	c.mu.Unlock()
	if h, ok := h.(Waker); ok {
		h.OnWake(c)
	}
	l.uncork(c)
}

func (c *Conn) isBlocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flags&blocked != 0
}

// begin notes whose turn it is, for the watchdog.
func (l *loop) begin(c *Conn) {
	l.serving = c
	l.current.Store(c)
	l.turn.Add(1)
}

// insert makes c one of the loop's.
func (l *loop) insert(c *Conn) {
	if n := len(l.free); n > 0 {
		c.slot = l.free[n-1]
		l.free = l.free[:n-1]
		l.conns[c.slot] = c
	} else {
		c.slot = int32(len(l.conns))
		l.conns = append(l.conns, c)
	}
}

// end lets go of everything.
func (l *loop) end() {
	for _, a := range l.listeners {
		a.close(l.system)
	}
	l.listeners = nil
	for _, c := range l.conns {
		if c != nil {
			l.abandon(c)
		}
	}
	l.mu.Lock()
	l.dead = true
	l.tally.Busy += time.Duration(l.clock() - l.rested)
	l.public = l.tally
	tasks := l.tasks
	l.tasks, l.dirty = nil, nil
	l.mu.Unlock()
	for _, task := range tasks {
		task() // it sees that the loop is stopping
	}
	l.poll.Close()
}

// abandon ends c without a word.
func (l *loop) abandon(c *Conn) {
	defer l.recoverPanic(c)
	l.begin(c)
	l.finish(c, abnormal(errClosed), false)
	l.release(c)
}
