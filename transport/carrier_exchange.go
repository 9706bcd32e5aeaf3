package transport

import (
	"bytes"
	"errors"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/transport/dialect"
)

// exchangeCarrier carries a conversation as the response to a request that is served
// on an event loop. Idle it is itself all that there is.
//
//	client ─► OnBody ─► begin ─► commands
//	hub ─► wake ─► Exchange.Wake ─► OnWake ─► take ─► one write
//
// A client that does not read is not given more: nothing is taken from the session
// until OnDrain, and the session falls back to reading history.
type exchangeCarrier struct {
	engine.NopResponder
	conversation
	asker    *asker // nil once a stream has its head: an idle one keeps no request
	exchange engine.Exchange
	end      dialect.End   // "" while the conversation goes on
	alarm    time.Duration // when OnWake comes for a deadline, on the clock of sinceStart; 0 if it does not
	early    earlyWake
}

// earlyWake keeps a wake of the hub for a carrier that cannot be woken yet.
type earlyWake struct {
	ready, woken atomic.Bool
}

// isTooEarly keeps a wake and reports true until the carrier is ready.
func (e *earlyWake) isTooEarly() bool {
	if e.ready.Load() {
		return false
	}
	e.woken.Store(true)
	return !e.ready.Load()
}

// isReady makes the carrier ready, unless there is a wake to deal with first.
func (e *earlyWake) isReady() bool {
	if e.woken.Swap(false) {
		return false
	}
	e.ready.Store(true)
	return !e.woken.Swap(false) // one may have come between the two
}

// wakeUp is called by the hub.
func (s *exchangeCarrier) wakeUp() {
	if !s.early.isTooEarly() {
		s.exchange.Wake()
	}
}

// OnBody implements engine.Responder.
func (s *exchangeCarrier) OnBody(x engine.Exchange, content []byte) {
	s.exchange = x
	if post, ok := s.dialect.(*dialect.Post); ok {
		fill(&post.Message, bytes.Clone(content))
	} else if taker, ok := s.dialect.(contentTaker); ok && len(content) > 0 {
		taker.SetContent(bytes.Clone(content))
	}
	m := scratches.Get().(*scratch)
	s.begin(m)
	s.apply(m)
	for s.end == "" && !s.early.isReady() { // an immediate answer needs no turn of the loop
		m := scratches.Get().(*scratch)
		s.take(m)
		s.apply(m)
	}
}

// OnTooLarge implements engine.Responder.
func (s *exchangeCarrier) OnTooLarge(x engine.Exchange, _ int64) {
	s.end = EndRefused
	m := scratches.Get().(*scratch)
	bytesMax, verb := s.t.o.BodyBytesMax, "published"
	if s.link() != nil {
		bytesMax, verb = s.t.o.SessionBytesMax, "sent"
	}
	s.t.refuse(s.asker, refuseTooLarge(bytesMax, verb), &m.response)
	m.fields, _ = m.response.respond(x, m.fields) // an error says that the client has gone
	m.recycle()
}

// OnWake sends the data that the session is owed or that is due.
func (s *exchangeCarrier) OnWake(x engine.Exchange) {
	if s.end != "" || x.Buffered() > 0 && !s.mustAttend() {
		return // OnDrain comes
	}
	m := scratches.Get().(*scratch)
	s.takeInTime(&s.alarm, m)
	s.apply(m)
}

// OnDrain goes on where a slow client made OnWake stop.
func (s *exchangeCarrier) OnDrain(x engine.Exchange) { s.OnWake(x) }

// apply carries out the decisions of the dialect.
func (s *exchangeCarrier) apply(m *scratch) {
	defer m.recycle()
	x, e := s.exchange, &m.effects
	isHead := false
	if e.Answer != nil {
		isHead = s.asker.isHead
		if err := s.answer(m); err != nil {
			s.fail(x, err)
			return
		}
	}
	if len(e.Frames) > 0 {
		if err := x.Write(e.Frames...); err != nil {
			s.fail(x, err)
			return
		}
	}
	if e.Delivered.N > 0 {
		s.t.observe.delivered(s.dialect.Transport(), e.Delivered)
	}
	switch {
	case e.Closing != nil:
		s.end = e.Closing.End
		s.leavePresence()
		_ = x.End() // what was answered whole has ended
	case e.Answer != nil && isHead:
		s.end = EndClient
		_ = x.End()
	default:
		s.setAlarm(x)
	}
}

// answer answers the request, and begins a stream.
func (s *exchangeCarrier) answer(m *scratch) (err error) {
	e := &m.effects
	if head := s.t.prepared(s.asker, e.Answer); head != nil {
		return s.exchange.RespondPrepared(head, e.Content())
	}
	s.t.answer(s.asker, e.Answer, &m.response, e)
	if m.response.isStream {
		s.asker = nil
	}
	m.fields, err = m.response.respond(s.exchange, m.fields)
	return err
}

// fail ends an exchange that cannot go on.
func (s *exchangeCarrier) fail(x engine.Exchange, err error) {
	if !errors.Is(err, engine.ErrExchangeOver) { // else OnEnd knows more
		s.t.o.Logger.Error("a response could not be written", "transport", s.dialect.Transport(), "error", err)
		s.end = EndFailure
	}
	x.Abort()
}

// setAlarm has OnWake called for the dialect's deadline. A deadline that moves
// away with every delivery is looked at again when the first has come.
func (s *exchangeCarrier) setAlarm(x engine.Exchange) {
	deadline := s.dialect.Deadline()
	if deadline.IsZero() {
		return
	}
	at := max(sinceStart(deadline), 1)
	if s.alarm != 0 && at >= s.alarm {
		return
	}
	s.alarm = at
	x.WakeAt(deadline)
}

// sinceStart is a monotonic time in eight bytes instead of 24.
func sinceStart(t time.Time) time.Duration { return t.Sub(start) }

var start = time.Now()

// OnEnd implements engine.Responder.
func (s *exchangeCarrier) OnEnd(_ engine.Exchange, err error) {
	if s.end == "" {
		s.end = exchangeEnd(err)
	}
	s.t.endStream(&s.conversation, s.end)
	s.close()
}

// exchangeEnd returns the end of an exchange whose response was not complete.
func exchangeEnd(err error) dialect.End {
	switch {
	case errors.Is(err, engine.ErrWriteTimeout):
		return EndSlow
	case errors.Is(err, engine.ErrServerClosed):
		return EndShutdown
	}
	return EndClient
}

// answerer answers requests that need no conversation.
type answerer struct {
	engine.NopResponder
	response *response
}

// OnBody implements engine.Responder.
func (s *answerer) OnBody(x engine.Exchange, _ []byte) {
	m := scratches.Get().(*scratch)
	var err error
	if m.fields, err = s.response.respond(x, m.fields); err == nil && s.response.isStream {
		_ = x.End()
	}
	m.recycle()
}

// OnTooLarge implements engine.Responder. Why the request is refused is known
// already, and its content is not wanted.
func (s *answerer) OnTooLarge(x engine.Exchange, _ int64) { s.OnBody(x, nil) }
