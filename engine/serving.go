package engine

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/godwit-io/godwit/engine/internal/httphead"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/handshake"
)

const (
	// aheadBytesMax is how much of later requests is read while one is served. To
	// that comes what was read together with it.
	aheadBytesMax = 16 << 10

	// lingerBytesMax is how much of a request that was refused is still read, so
	// that the client can read the answer.
	lingerBytesMax = 16 << 20
)

// A connection that serves requests goes through these states, over and over:
//
//	stateHead ──► Route ──► phaseBody ──► phaseAsked ──► phaseStream ──► phaseDone
//	    ▲                                     └───────────────────────────►  │ all was sent
//	    └─────────────────────────────── OnEnd ◄───────────────────────────┘
//
// The next request is looked at in another turn of the loop, so a client that sends
// many at once gets no more of the loop than others.

// serveRequest asks Route about a request that is understood, and begins to serve it.
// It reports false if the request is for HTTP.
func (l *loop) serveRequest(c *Conn, p []byte, n int) bool {
	s, head := l.server, l.opener.head
	r := &l.opener.admit
	*r = Request{head: head, conn: c, remote: c.remote(), secure: c.isSecure(), over: c.excess()}
	switch {
	case s.closing.Load():
		r.fault = shuttingDown
	case r.over != within:
		r.fault = s.tooManyConns(r.over)
	default:
		r.fault = s.refuseOverload(r)
	}
	route := s.Route(r)
	if route.Responder == nil {
		return false
	}
	if r.fault != nil && !route.IsRefusal {
		l.refuse(c, head.Method, r.fault)
		return true
	}
	limits, err := s.limits(route.Limits)
	if err != nil {
		s.log().Error("engine: a request cannot be served", "error", err)
		l.refuse(c, head.Method, internalError)
		return true
	}
	e := l.beginExchange(c, route.Responder, route.Value, head)
	c.mu.Lock()
	c.settings = limits
	c.mu.Unlock()
	e.endsWithInput = route.EndsWithInput
	e.last = e.last || r.fault != nil // nobody else knows the exchange yet
	length, rest := head.ContentLength, p[n:]
	switch {
	case length > route.bodyBytesMax():
		l.reportTooLarge(c, e, length)
	case length <= int64(len(rest)):
		l.deliverBody(c, e, rest[:length], rest[length:])
	case e.ended:
		l.loseClient(c, errors.New("it ended its side of the connection in the middle of a request"))
	default:
		e.phase = phaseBody
		e.left = length - int64(len(rest))
		e.due = l.now + wsproto.Time(s.numbers.bodyTimeout)
		m := c.needMessage() // p may be in it
		m.b, m.cut = append(m.b[:0], rest...), httphead.Cut{}
		l.armExchange(c, e)
	}
	return true
}

// beginExchange begins the exchange of a request. head is nil for an opening
// handshake.
func (l *loop) beginExchange(c *Conn, r Responder, value any, head *httphead.Head) *exchange {
	c.mu.Lock()
	x := c.needExtra()
	if x.exchange == nil {
		x.exchange = &exchange{}
	}
	e := x.exchange
	*e = exchange{number: e.number + 1, responder: r, phase: phaseAsked, ended: e.ended}
	if head != nil {
		e.headOnly, e.last = head.Method == http.MethodHead, head.Close || l.server.leaving.Load()
	}
	c.value = value
	c.mu.Unlock()
	c.state = stateExchange
	l.tally.Requests++
	l.tally.Exchanges++
	return e
}

// callResponder calls f with the responder. What it writes leaves in one system call.
func (l *loop) callResponder(c *Conn, e *exchange, f func(Responder, Exchange)) {
	c.cork()
	f(e.responder, Exchange{c, e.number})
	l.uncork(c)
}

// deliverBody hands a request to its responder. rest came behind the request; both
// may be in c.message.
func (l *loop) deliverBody(c *Conn, e *exchange, body, rest []byte) {
	c.cork()
	e.responder.OnBody(Exchange{c, e.number}, body)
	c.keepBehind(rest)
	if l.holdAnswer(c) {
		return
	}
	l.uncork(c)
	if c.state == stateExchange {
		l.awaitResponse(c, e)
	}
}

// reportTooLarge calls OnTooLarge. The content is not read.
func (l *loop) reportTooLarge(c *Conn, e *exchange, length int64) {
	c.dropMessage()
	c.mu.Lock()
	e.last = true
	c.mu.Unlock()
	l.holdInput(c) // the content stays in the kernel until the answer was sent
	l.callResponder(c, e, func(r Responder, x Exchange) { r.OnTooLarge(x, length) })
	if c.state == stateExchange {
		l.awaitResponse(c, e)
	}
}

// awaitResponse lets an exchange go on until its response is complete.
func (l *loop) awaitResponse(c *Conn, e *exchange) {
	if m := c.message; m != nil && len(m.b) >= aheadBytesMax {
		l.holdInput(c)
	}
	l.armExchange(c, e)
}

// keepBehind keeps rest, which came behind a request. It may be in c.message.
func (c *Conn) keepBehind(rest []byte) {
	if len(rest) == 0 {
		c.dropMessage()
		return
	}
	m := c.needMessage()
	m.b, m.cut = append(m.b[:0], rest...), httphead.Cut{}
}

// holdInput stops reading until releaseInput.
func (l *loop) holdInput(c *Conn) {
	if c.mode&keepsInput == 0 {
		c.mode |= keepsInput
		l.watch(c)
	}
}

// readExchange reads while a request is served: its content, or later requests.
func (l *loop) readExchange(c *Conn) {
	e := c.extra.exchange
	buf := l.in
	if e.left == 0 {
		free := aheadBytesMax
		if c.message != nil {
			free -= len(c.message.b)
		}
		if free <= 0 {
			l.holdInput(c)
			return
		}
		buf = buf[:free]
	}
	n, err := l.receive(c, buf)
	switch {
	case err == socket.ErrAgain:
		return
	case err != nil:
		l.loseClient(c, err)
		return
	case n == 0:
		l.endInput(c, e)
		return
	}
	l.tally.BytesIn += uint64(n)
	if e.left > 0 {
		l.takeBody(c, e, buf[:n])
		return
	}
	m := c.needMessage()
	m.b = append(m.b, buf[:n]...)
	if len(m.b) >= aheadBytesMax {
		l.holdInput(c)
	}
}

// takeBody collects p, a part of a request's content and perhaps more behind it.
func (l *loop) takeBody(c *Conn, e *exchange, p []byte) {
	m := c.message
	k := int(min(e.left, int64(len(p))))
	m.b = append(m.b, p[:k]...)
	if e.left -= int64(k); e.left > 0 {
		return
	}
	c.mu.Lock()
	e.phase = phaseAsked
	c.mu.Unlock()
	c.message = nil
	l.deliverBody(c, e, m.b, p[k:])
	m.recycle()
}

// endInput is called when the client has ended its side of the connection.
func (l *loop) endInput(c *Conn, e *exchange) {
	e.ended = true
	c.mu.Lock()
	ends := e.phase == phaseBody || e.endsWithInput && e.phase != phaseDone
	c.mu.Unlock()
	if ends {
		l.loseClient(c, errors.New("it ended its side of the connection"))
		return
	}
	l.holdInput(c) // the end stays readable
}

// loseClient ends an exchange whose client has gone.
func (l *loop) loseClient(c *Conn, err error) {
	l.finish(c, abnormal(fmt.Errorf("%w: %w", ErrClientGone, err)), false)
	l.release(c)
}

// checkHangUp is called when the poller reports an event of a connection that is not
// read: the client may have gone.
func (l *loop) checkHangUp(c *Conn) {
	if c.fd >= 0 && isHungUp(c.fd) {
		l.loseClient(c, net.ErrClosed)
	}
}

// visitExchange is visit for a connection that serves a request.
func (l *loop) visitExchange(c *Conn) {
	c.mu.Lock()
	e := c.extra.exchange
	woken := e.needsWake(l.now)
	stuck := c.flags&blocked != 0
	c.mu.Unlock()
	switch {
	case woken:
		l.callResponder(c, e, Responder.OnWake)
	case !stuck:
		l.flush(c)
	}
}

// noteSent is called when the queue is empty.
func (l *loop) noteSent(c *Conn, drained bool) {
	c.mu.Lock()
	e := c.extra.exchange
	phase, more := e.phase, c.queued > 0
	c.mu.Unlock()
	switch {
	case more && phase == phaseDone:
		return // the response was completed meanwhile, and posted
	case phase == phaseDone:
		l.completeExchange(c, e)
		return
	case phase == phaseUpgrade:
		l.settleHandshake(c, e)
		return
	}
	if c.timer.IsSet() {
		l.armExchange(c, e)
	}
	if drained {
		l.callResponder(c, e, Responder.OnDrain)
	}
}

// completeExchange ends an exchange whose response was sent, and waits for the next
// request.
func (l *loop) completeExchange(c *Conn, e *exchange) {
	var err error
	c.mu.Lock()
	last := e.last || l.server.closing.Load()
	if e.dismissed {
		err = ErrServerClosed
	}
	c.mu.Unlock()
	l.endExchange(c, err)
	if last || e.ended && c.message == nil {
		l.finish(c, abnormal(errClosed), !e.ended)
		l.last(c)
		return
	}
	c.state = stateHead
	timeout := l.server.numbers.keepAliveTimeout
	if c.message != nil {
		timeout = l.server.numbers.handshakeTimeout
		c.mu.Lock()
		c.unlockAndPost() // nextRequest
	}
	l.wheel.Set(c, l.now+wsproto.Time(timeout))
	if c.mode&keepsInput != 0 && !e.ended {
		c.mode &^= keepsInput
		l.watch(c)
	}
}

// hasRequest reports whether bytes behind a served request wait to be looked at.
func (c *Conn) hasRequest() bool {
	m := c.message
	return c.state == stateHead && c.exchange() != nil && m != nil && m.cut.Seen() < len(m.b)
}

// nextRequest looks at the bytes behind a served request.
func (l *loop) nextRequest(c *Conn) {
	if !c.hasRequest() {
		return
	}
	l.takeHead(c, nil)
	if c.state == stateHead && c.extra.exchange.ended && c.message != nil && !c.hasRequest() {
		l.loseClient(c, net.ErrClosed) // the rest of it will not come
	}
}

// endExchange calls OnEnd, if there is an exchange.
func (l *loop) endExchange(c *Conn, err error) {
	c.mu.Lock()
	e := c.exchange()
	if e == nil || e.phase == phaseOver {
		c.mu.Unlock()
		return
	}
	r, x := e.responder, Exchange{c, e.number}
	e.phase, e.responder, e.pending = phaseOver, nil, nil
	c.flags &^= owesDrain
	c.mu.Unlock()
	l.tally.Exchanges--
	l.callEnd(r, x, err)
	c.mu.Lock()
	c.value = nil
	c.mu.Unlock()
}

// callEnd calls OnEnd. A panic in it does not keep the end from being completed.
func (l *loop) callEnd(r Responder, x Exchange, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			l.tally.Panics++
			x.conn.responderPanicked(r, reason)
		}
	}()
	r.OnEnd(x, err)
}

// armExchange sets the timer to the exchange's next deadline: for the content or for
// the decision about a handshake, else for the client to read; or to WakeAt, if that
// comes first.
func (l *loop) armExchange(c *Conn, e *exchange) {
	var at wsproto.Time
	c.mu.Lock()
	if e.phase == phaseBody || e.isUndecided() {
		at = e.due
	} else if c.flags&blocked != 0 && c.out != nil {
		at = c.out.Since + wsproto.Time(c.settings.WriteTimeout)
	}
	if e.wakeAt != 0 && (e.phase == phaseAsked || e.phase == phaseStream) && (at == 0 || e.wakeAt < at) {
		at = e.wakeAt
	}
	c.mu.Unlock()
	if at == 0 {
		l.wheel.Clear(c)
		return
	}
	l.wheel.Set(c, at)
}

// expireExchange is called when the timer has fired, and does what it is due for.
func (l *loop) expireExchange(c *Conn) {
	c.mu.Lock()
	e := c.extra.exchange
	stuck := c.flags&blocked != 0 && c.out != nil
	if s := c.streamed(); s != nil && stuck && s.hasMoved() {
		c.out.Since = l.now
	}
	late := stuck && l.now >= c.out.Since+wsproto.Time(c.settings.WriteTimeout)
	waits := e.phase == phaseBody && l.now >= e.due
	undecided := !late && e.isUndecided() && l.now >= e.due
	if undecided {
		e.phase = phaseDone // the application cannot answer it any more
	}
	headOnly := e.headOnly
	woken := !late && e.needsWake(l.now)
	c.mu.Unlock()
	switch {
	case late:
		l.finish(c, abnormal(ErrWriteTimeout), false)
		l.release(c)
	case waits:
		l.answerFault(c, headOnly, bodyTimeout, nil, ErrBodyTimeout)
	case undecided:
		l.noteRefusal(c)
		l.answerFault(c, false, pendingTimeout, nil, ErrPendingTimeout)
	default:
		l.armExchange(c, e)
		if woken {
			l.callResponder(c, e, Responder.OnWake)
		}
	}
}

var bodyTimeout = &handshake.Fault{Status: http.StatusRequestTimeout, Rule: RuleBodyTimeout, Reason: "the content of the request did not arrive in time",
	Header: handshake.Header{"Connection": {"close"}}}

// failExchange ends an exchange whose responder panicked.
func (l *loop) failExchange(c *Conn, reason any) {
	c.mu.Lock()
	e := c.extra.exchange
	phase, headOnly, stuck := e.phase, e.headOnly, c.flags&blocked != 0
	e.last = true
	if phase == phaseBody || phase == phaseAsked {
		e.phase = phaseDone // the application cannot answer it any more
	}
	c.mu.Unlock()
	switch phase {
	case phaseStream, phaseOver, phaseUpgrade:
		l.finish(c, abnormal(&panicError{reason}), false)
		l.release(c)
	case phaseDone:
		if !stuck {
			l.flush(c)
		}
	default:
		l.answerFault(c, headOnly, internalError, nil, &panicError{reason})
	}
}

// responderPanicked reports a panic of the application.
func (c *Conn) responderPanicked(r Responder, reason any) {
	c.loop.server.log().Error("engine: a callback panicked; its request is answered with 500 if that can still be, and its connection ends",
		"responder", fmt.Sprintf("%T", r), "remote", fmt.Sprint(c.RemoteAddr()), "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
}

// dismiss ends c in good order for a Shutdown, or tells its exchange.
func (l *loop) dismiss(c *Conn) {
	defer l.recoverPanic(c)
	l.begin(c)
	defer l.current.Store(nil)
	switch c.state {
	case stateHead:
		l.abandon(c)
	case stateOpen:
		_ = c.Close(StatusGoingAway, "going away") // an error says that it is closing already
	}
	if c.state != stateExchange {
		return
	}
	c.mu.Lock()
	e := c.extra.exchange
	e.last = true
	r := e.responder
	finisher, ok := r.(Finisher)
	if !ok && e.phase == phaseStream {
		c.endStream(e)
		e.dismissed = true
	}
	finishes := ok && e.phase != phaseDone && e.phase != phaseBody
	stuck := c.flags&blocked != 0
	c.mu.Unlock()
	switch {
	case finishes:
		l.callResponder(c, e, func(_ Responder, x Exchange) { finisher.OnFinish(x) })
	case !stuck:
		l.flush(c)
	}
}
