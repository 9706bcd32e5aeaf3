package transport

import (
	"errors"
	"net/http"
	"sync/atomic"

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
// A client that does not take what it is sent is not given more: nothing is taken
// from the session until OnDrain, and the session falls back to reading history.
type loopCarrier struct {
	conversation
	t       *Transport
	conn    atomic.Pointer[engine.Conn] // nil until OnOpen
	opening signal                      // the wake of the handler that opens it
	early   *scratch                    // what the dialect had before OnOpen
	end     dialect.End                 // the loop's: this side's reason, "" while it has none
}

// backlogBytes is how much may wait in a connection before no more is taken from
// its session.
const backlogBytes = 256 << 10

// loopQueueBytes is more than a turn takes from a session, so that no frame is
// ever refused: a queue or a page of history, behind a backlog.
const loopQueueBytes = 64 << 20

// wakeUp is called by the hub.
func (s *loopCarrier) wakeUp() {
	if c := s.conn.Load(); c != nil {
		c.Wake()
		return
	}
	s.opening.wake()
}

// OnOpen implements engine.Handler.
func (s *loopCarrier) OnOpen(c *engine.Conn) {
	s.conn.Store(c)
	s.apply(c, s.early)
	s.early = nil
	c.Wake() // the hub may have had something before
}

// OnMessage gives the dialect what the client sends.
func (s *loopCarrier) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	m := scratches.Get().(*scratch)
	s.receive(typ == engine.MessageBinary, p, m)
	s.apply(c, m)
}

// OnWake sends what the session is owed.
func (s *loopCarrier) OnWake(c *engine.Conn) {
	if s.end != "" || c.Buffered() > backlogBytes {
		return // OnDrain comes
	}
	m := scratches.Get().(*scratch)
	s.take(m)
	s.apply(c, m)
}

// apply does what the dialect decided.
func (s *loopCarrier) apply(c *engine.Conn, m *scratch) {
	e := &m.effects
	if len(e.Frames) > 0 && c.WriteFrames(e.Frames...) == nil {
		s.t.observe.delivered(s.dialect.Transport(), e.Delivered)
	}
	if e.Closing != nil && s.end == "" {
		s.end = e.Closing.End
		_ = c.Close(engine.StatusCode(e.Closing.Code), e.Closing.Reason)
	}
	m.recycle()
}

// OnDrain goes on where a slow client made OnWake stop.
func (s *loopCarrier) OnDrain(c *engine.Conn) { s.OnWake(c) }

// OnClose implements engine.Handler.
func (s *loopCarrier) OnClose(c *engine.Conn, e *engine.CloseError) {
	s.close()
	if s.end == "" {
		s.end = loopEnd(e)
	}
	s.t.endSocket(&s.conversation, s.end, e)
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

// serveOnLoop makes r a WebSocket on a loop, when the dialect has begun.
func (t *Transport) serveOnLoop(w http.ResponseWriter, r *http.Request, d dialect.Dialect) {
	s := &loopCarrier{t: t, opening: newSignal()}
	s.conversation.hub, s.conversation.dialect, s.conversation.wake = t.hub, d, s.wakeUp
	m, header := t.openSocket(w, r, &s.conversation, s.opening)
	if m == nil {
		return
	}
	s.early = m
	if _, err := t.o.Engine.Upgrade(w, r, engine.Admission{Handler: s, Header: header, Limits: t.limits}); err != nil {
		s.close()
		t.o.Logger.DebugContext(r.Context(), "handshake failed", "path", r.URL.Path, "error", err)
	}
}
