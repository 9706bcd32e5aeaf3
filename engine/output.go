package engine

import (
	"syscall"
	"time"

	"github.com/godwit-io/godwit/engine/internal/outbox"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/internal/wsproto"
)

// uncork ends the handling of input: what was written leaves.
func (l *loop) uncork(c *Conn) {
	c.mu.Lock()
	c.flags &^= corked
	stuck := c.flags&blocked != 0
	pauses := stuck && c.state == stateOpen && c.tooLong()
	c.mu.Unlock()
	switch {
	case !stuck:
		l.flush(c)
	case pauses && c.mode&(pausedReading|awaitsHandler) == 0: // what the input led to has made the queue long
		c.mode |= pausedReading
		l.watch(c)
	}
}

// flushRounds is how often flush looks whether other goroutines have written
// more meanwhile, before it leaves that to the next turn.
const flushRounds = 4

// flush sends what c has to send, and what the protocol owes. It is not called
// while c is blocked.
func (l *loop) flush(c *Conn) {
	for round := 0; ; round++ {
		c.mu.Lock()
		l.appendReplies(c)
		o := c.out
		if o == nil || o.Len() == 0 || c.flags&broken != 0 {
			c.out = nil
			c.queued = 0
			l.reuse(o)
			drained := c.flags&owesDrain != 0
			c.flags &^= owesDrain
			c.mu.Unlock()
			l.flushed(c, drained)
			return
		}
		if round == flushRounds {
			l.keep(c, o)
			c.unlockAndPost()
			return
		}
		c.out = nil // writes during the system call go behind
		c.mu.Unlock()

		size := o.Len()
		n, err := l.sendOut(c, o)
		l.tally.sends++
		l.tally.BytesOut += uint64(n)
		if err != nil && err != socket.ErrAgain {
			l.breakOutput(c, o)
			return
		}
		if n < size || l.isSending(c) {
			l.block(c, o, n)
			return
		}
		l.tally.MessagesOut += uint64(o.Messages())
		c.mu.Lock()
		c.queued -= n
		l.reuse(o)
		c.mu.Unlock()
	}
}

// appendReplies appends what the protocol owes, if nothing waits before it: a
// peer that does not read is not owed more than the newest pong. mu is held.
func (l *loop) appendReplies(c *Conn) {
	if !c.proto.HasReplies() {
		return
	}
	if c.out == nil {
		c.out = &l.cork
	}
	before := len(c.out.Bytes)
	c.out.Bytes = c.proto.AppendReplies(c.out.Bytes)
	c.queued += len(c.out.Bytes) - before
}

// reuse takes o out of the loop's figures and gives it back.
func (l *loop) reuse(o *outbox.Outbox) {
	if o == nil {
		return
	}
	l.tally.QueueBytes -= o.Counted
	if o == &l.cork {
		o.Empty()
		return
	}
	o.Recycle()
}

// keep makes o, or a copy of it if it is the loop's own, c's outbox. mu is held.
func (l *loop) keep(c *Conn, o *outbox.Outbox) {
	if o != &l.cork {
		c.out = o
		return
	}
	own := outbox.Get()
	own.Append(o)
	o.Empty()
	c.out = own
}

// giveCork makes the loop's own outbox, if c has it, one of c's. mu is held.
func (l *loop) giveCork(c *Conn) {
	if c.out == &l.cork {
		own := outbox.Get()
		*own, l.cork = l.cork, *own
		c.out = own
	}
}

// block notes that the network took only n bytes of o.
func (l *loop) block(c *Conn, o *outbox.Outbox, n int) {
	c.mu.Lock()
	l.tally.MessagesOut += uint64(o.Advance(n))
	c.queued -= n
	if o.Len() > 0 {
		c.flags |= owesDrain
	}
	behind := c.out
	l.keep(c, o)
	if behind != nil {
		c.out.Append(behind)
		l.reuse(behind)
	}
	l.tally.QueueBytes += c.queued - c.out.Counted
	c.out.Counted = c.queued
	c.out.Since = l.clock() // the turn may have been long
	c.flags |= blocked
	resumes := false
	switch {
	case c.tooLong() && c.state == stateOpen:
		c.mode |= pausedReading
	case c.queued <= c.settings.resumeAtBytes():
		resumes = true
	}
	c.mu.Unlock()
	if resumes {
		l.makeRoom(c)
	}
	c.mode |= wantsWrite
	l.watch(c)
	switch c.state {
	case stateOpen:
		l.arm(c)
	case stateExchange:
		l.armExchange(c, c.extra.exchange)
	}
}

// unblock is called when there is room to write again.
func (l *loop) unblock(c *Conn) {
	c.mu.Lock()
	c.flags &^= blocked
	c.mu.Unlock()
}

// tooLong reports whether the queue is too long to read more; mu is held.
func (c *Conn) tooLong() bool { return c.queued >= c.settings.pauseAtBytes() }

// sendOut writes what can be written of o at once.
func (l *loop) sendOut(c *Conn, o *outbox.Outbox) (int, error) {
	if !o.HasReferences() {
		return l.send(c, o.Rest())
	}
	return l.scatter(c, o.Parts())
}

func (c *Conn) paused() bool { return c.mode&(pausedReading|awaitsHandler|keepsInput) != 0 }

// flushed is called when everything has been sent.
func (l *loop) flushed(c *Conn, drained bool) {
	if c.mode&wantsWrite != 0 {
		l.makeRoom(c)
		c.mode &^= wantsWrite
		l.watch(c)
	}
	switch {
	case c.state == stateLast:
		l.last(c)
	case c.state == stateExchange:
		l.noteSent(c, drained)
	case drained && c.state == stateOpen:
		c.mu.Lock()
		h := c.handler()
		c.mu.Unlock()
		h.OnDrain(c)
	}
}

// breakOutput notes that nothing can be sent any more. The peer may have said why in
// a close frame that was not read yet, so the connection is left to the reader
// to end: the poller reports it.
func (l *loop) breakOutput(c *Conn, o *outbox.Outbox) {
	c.mu.Lock()
	c.flags |= broken
	c.flags &^= blocked
	l.reuse(o)
	if c.out != nil {
		l.reuse(c.out)
		c.out = nil
	}
	c.queued = 0
	timeout := c.settings.protocol.CloseTimeout
	c.mu.Unlock()
	l.makeRoom(c)
	c.mode &^= wantsWrite
	l.watch(c)
	switch c.state {
	case stateLast:
		l.release(c)
		return
	case stateExchange:
		l.loseClient(c, syscall.EPIPE) // whatever it has sent, it does not get an answer
		return
	}
	l.wheel.Set(c, l.clock()+wsproto.Time(timeout)) // the turn may have been long
}

// finish ends the WebSocket, or what is served, once. The transport stays until what is owed has
// been sent and, if linger is set, taken.
func (l *loop) finish(c *Conn, e *CloseError, linger bool) {
	if c.state >= stateLast {
		return
	}
	c.state = stateLast
	if linger {
		c.mode |= lingers
	}
	kept := c.mode&keepsInput != 0
	c.mode &^= pausedReading | keepsInput
	c.dropHeld()
	l.unhold(c)
	c.dropMessage()
	c.mu.Lock()
	if code, ok := c.proto.CloseSent(); ok {
		e.Sent = code
	}
	c.closed = e
	timeout := c.settings.protocol.CloseTimeout
	h := c.handler()
	c.mu.Unlock()
	l.wheel.Set(c, l.clock()+wsproto.Time(timeout)) // the turn may have been long
	if kept {
		l.releaseInput(c)
	} else if c.mode&wantsWrite != 0 {
		l.watch(c)
	}
	l.endExchange(c, e.Err)
	if c.mode&hooked != 0 {
		c.mode &^= hooked
		l.callClose(h, c, e)
	}
}

// last is called when the last bytes have been sent.
func (l *loop) last(c *Conn) {
	if c.mode&lingers == 0 {
		// RFC 6455 §7.1.1: the server ends the transport first.
		l.release(c)
		return
	}
	if c.mode&halfClosed == 0 {
		c.mode |= halfClosed
		l.shutdown(c)
	}
}

// release closes the transport and forgets c.
func (l *loop) release(c *Conn) {
	if c.state == stateClosed {
		return
	}
	l.detach(c)
	l.close(c)
	l.open.Add(-1)
	l.server.leave(c.seat())
}

// detach forgets c and leaves its transport as it is.
func (l *loop) detach(c *Conn) {
	c.state = stateClosed
	l.wheel.Clear(c)
	l.conns[c.slot] = nil
	l.free = append(l.free, c.slot)
	c.dropMessage()
	c.mu.Lock()
	if c.out != nil {
		l.reuse(c.out)
		c.out = nil
	}
	c.queued = 0
	c.mu.Unlock()
}

// arm sets the timer to what comes first of the protocol's deadline and the end
// of the peer's time to read. A deadline that moved later is found out when the
// timer fires.
func (l *loop) arm(c *Conn) {
	c.mu.Lock()
	at, ok := c.proto.Deadline()
	if c.flags&blocked != 0 && c.out != nil {
		limit := c.out.Since + wsproto.Time(c.settings.WriteTimeout)
		if !ok || limit < at {
			at, ok = limit, true
		}
	}
	c.mu.Unlock()
	if ok && c.timer.IsLaterThan(at) {
		l.wheel.Set(c, at)
	}
}

// fire is called by the wheel.
func (l *loop) fire(c *Conn) {
	defer l.recoverPanic(c)
	l.begin(c)
	switch c.state {
	case stateHead, stateLast:
		l.finish(c, abnormal(errTimeout), false)
		l.release(c)
	case stateExchange:
		l.expireExchange(c)
	case stateOpen:
		l.expire(c)
	}
}

// expire does what the timer is due for.
func (l *loop) expire(c *Conn) {
	c.mu.Lock()
	if c.flags&broken != 0 {
		c.mu.Unlock()
		l.finish(c, abnormal(syscall.EPIPE), false)
		l.release(c)
		return
	}
	stuck := c.flags&blocked != 0
	if s := c.streamed(); s != nil && stuck && c.out != nil && s.hasMoved() {
		c.out.Since = l.now
	}
	if stuck && c.out != nil && l.now >= c.out.Since+wsproto.Time(c.settings.WriteTimeout) {
		c.mu.Unlock()
		l.finish(c, abnormal(ErrWriteTimeout), false)
		l.release(c)
		return
	}
	if _, closing := c.proto.CloseSent(); !closing && (c.proto.AwaitingPong() && c.paused() || c.mode&awaitsHandler != 0 || c.isPaused()) {
		// The pong, or a message, may be among what has not been read. The time to write ends it.
		c.mu.Unlock()
		l.wheel.Set(c, l.now+wsproto.Time(pausedCheck))
		return
	}
	ev := c.proto.Expire(l.now)
	answers := c.proto.HasReplies()
	c.mu.Unlock()
	if ev.Kind == wsproto.Fail {
		l.finish(c, abnormal(ev.Err), true)
		if !answers { // CloseTimeout is over: the peer has had its time
			l.release(c)
			return
		}
	}
	if !stuck {
		l.flush(c)
	}
	if c.state == stateOpen {
		l.arm(c)
	}
}

// pausedCheck is how often a connection that is not read is asked about.
const pausedCheck = time.Second
