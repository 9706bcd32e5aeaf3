package transport

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/wire"
)

// loopCarrier carries a conversation as a WebSocket on an event loop: everything
// happens in callbacks, and idle it is itself all that there is.
//
//	client ─► OnMessage ─► receive ─► Session.Publish
//	hub ─► wake ─► Conn.Wake ─► OnWake ─► take ─► one write
//
// A client that does not read is not given more: nothing is taken from the session
// until OnDrain, and the session falls back to reading history.
type loopCarrier struct {
	conversation
	conn    *engine.Conn            // nil until OnOpen
	opening atomic.Pointer[opening] // nil from OnOpen on; then conn is set
	woken   earlyWake               // until OnOpen
	end     dialect.End             // the loop's: this side's reason, "" while it has none
}

// backlogBytes is how much may wait in a connection before no more is taken from
// its session.
const backlogBytes = 256 << 10

// wakeUp is called by the hub.
func (s *loopCarrier) wakeUp() {
	if s.woken.isTooEarly() {
		return
	}
	if o := s.opening.Load(); o != nil {
		o.exchange.Wake() // if it is open by now, OnOpen wakes
		return
	}
	s.conn.Wake()
}

// OnOpen implements engine.Handler.
func (s *loopCarrier) OnOpen(c *engine.Conn) {
	s.conn = c
	_, isCompressed := c.Compression()
	s.dialect.(dialect.OverSocket).Agree(c.Subprotocol(), isCompressed)
	o := s.opening.Swap(nil)
	s.woken.ready.Store(true)
	s.apply(c, o.first)
	o.recycle()
	c.Wake() // the hub may have had something before
}

// OnMessage gives the dialect a message of the client.
func (s *loopCarrier) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	m := scratches.Get().(*scratch)
	wasConnected := s.session != nil
	s.receive(typ == engine.MessageBinary, p, m)
	if !wasConnected && s.session != nil {
		s.take(m) // what its first commands have brought goes with the greeting, in one write
	}
	s.apply(c, m)
	if !s.paused && s.isBusy() {
		s.paused = true
		c.PauseReading()
	}
}

// OnWake sends what the session is owed.
func (s *loopCarrier) OnWake(c *engine.Conn) {
	if s.end != "" || c.Buffered() > backlogBytes && !s.mustAttend() {
		return // OnDrain comes
	}
	m := scratches.Get().(*scratch)
	s.take(m)
	s.apply(c, m)
	if s.paused && !s.isBusy() {
		s.paused = false
		c.ResumeReading()
	}
}

// apply carries out the decisions of the dialect.
func (s *loopCarrier) apply(c *engine.Conn, m *scratch) {
	e := &m.effects
	var err error
	if len(e.Frames) > 0 { // frames from before it was open come first
		err = c.WriteFrames(e.Frames...)
	}
	if len(e.Messages) > 0 && err == nil {
		err = c.WritePrepared(e.Messages...)
	}
	if err == nil {
		s.t.observe.delivered(s.dialect.Transport(), e.Delivered)
	}
	if e.Closing != nil && s.end == "" {
		s.end = e.Closing.End
		s.leavePresence()
		_ = c.Close(engine.StatusCode(e.Closing.Code), e.Closing.Reason)
	}
	if s.end == "" {
		s.setTimer()
	}
	m.recycle()
}

// OnDrain goes on where a slow client made OnWake stop.
func (s *loopCarrier) OnDrain(c *engine.Conn) { s.OnWake(c) }

// OnClose implements engine.Handler.
func (s *loopCarrier) OnClose(c *engine.Conn, e *engine.CloseError) {
	s.saidGoodbye(e)
	if s.end == "" {
		s.end = loopEnd(e)
	}
	s.t.endSocket(&s.conversation, s.end, e)
	s.close()
}

// loopEnd says which end a connection came to that this side did not close.
func loopEnd(e *engine.CloseError) dialect.End {
	switch e.Sent {
	case engine.StatusMessageTooBig, engine.StatusUnsupportedData, wire.CloseInvalidPayload, wire.CloseProtocolError:
		return EndRefused
	case engine.StatusInternalError:
		return EndFailure // a callback panicked
	case engine.StatusGoingAway:
		return EndShutdown
	}
	if errors.Is(e.Err, engine.ErrWriteTimeout) {
		return EndSlow
	}
	return EndClient
}

// serveOnLoop makes r a WebSocket on a loop.
func (t *Transport) serveOnLoop(w http.ResponseWriter, r *http.Request, d *decision) {
	a, o := t.openOnLoop(d)
	if _, err := t.o.Engine.Upgrade(w, r, a); err != nil {
		o.abandon()
		t.o.Logger.DebugContext(r.Context(), "handshake failed", "path", r.URL.Path, "error", err)
	}
}

// pendingTimeout is longer than the hub takes to give up a call of its broker, so that
// a handshake is told what was wrong.
const pendingTimeout = 30 * time.Second

// openOnLoop begins a conversation and decides about its handshake, which waits if
// the hub has to.
func (t *Transport) openOnLoop(d *decision) (engine.Admission, *opening) {
	s := &loopCarrier{}
	o := openings.Get().(*opening)
	*o = opening{s: s, asker: d.asker, first: scratches.Get().(*scratch)}
	s.opening.Store(o)
	s.conversation.t, s.conversation.dialect, s.conversation.wake, s.visitor = t, d.socket, s.wakeUp, d.visitor
	returned := false
	defer func() {
		if !returned { // a panic of the broker passes
			o.abandon()
		}
	}()
	s.begin(o.first)
	for o.first.effects.Answer == nil && s.woken.woken.Swap(false) {
		s.take(o.first)
	}
	returned = true
	if o.first.effects.Answer == nil {
		s.setTimer() // of a dialect that takes its time
		return engine.Admission{Pending: o, PendingTimeout: pendingTimeout}, o
	}
	return o.admission(), o
}

// opening is a handshake, until it has become a WebSocket or was refused. It may have
// to wait for the hub.
type opening struct {
	engine.NopResponder
	s        *loopCarrier
	first    *scratch // what the dialect had before OnOpen
	asker    asker
	exchange engine.Exchange
	admitted bool
}

// admission returns the outcome of the handshake by the dialect's answer.
func (o *opening) admission() engine.Admission {
	answer := o.first.effects.Answer
	if answer.Err != nil {
		var out response
		o.s.t.refuseSocket(&o.asker, answer, &out)
		o.abandon()
		return admission(&out)
	}
	a := engine.Admission{Handler: o.s, Limits: o.s.t.limits, Subprotocols: o.s.dialect.(dialect.OverSocket).Subprotocols()}
	if o.s.clock() != nil {
		a.Limits = o.s.t.sessionLimits
	}
	if begin := answer.Begin(); begin != "" {
		a.Header = http.Header{headerPosition: {begin}}
	}
	return a
}

// abandon ends a handshake that has not become a WebSocket. It may be called more than once.
func (o *opening) abandon() {
	o.s.close()
	if o.s.opening.Load() == nil {
		return // OnOpen has taken what there was
	}
	if o.first != nil {
		o.first.recycle()
		o.first = nil
	}
}

// openings are for handshakes that do not wait, which are nearly all.
var openings = sync.Pool{New: func() any { return new(opening) }}

// recycle gives o back when it has become a WebSocket, unless the engine may know it
// still because it has waited.
func (o *opening) recycle() {
	if o.exchange == (engine.Exchange{}) {
		*o = opening{}
		openings.Put(o)
	}
}

// OnBody implements engine.Responder.
func (o *opening) OnBody(x engine.Exchange, _ []byte) {
	o.exchange = x
	for !o.admitted && !o.s.woken.isReady() {
		o.OnWake(x)
	}
}

// OnWake decides, as soon as it can be decided.
func (o *opening) OnWake(x engine.Exchange) {
	s := o.s
	if o.admitted || o.first == nil {
		return // it is decided; OnOpen takes the rest
	}
	if s.take(o.first); o.first.effects.Answer == nil {
		return
	}
	o.admitted = x.Admit(o.admission()) == nil
}

// OnEnd implements engine.Responder. The handshake has become a WebSocket, was
// refused, or its client has gone.
func (o *opening) OnEnd(_ engine.Exchange, err error) {
	if err != nil || !o.admitted {
		o.abandon()
	}
}
