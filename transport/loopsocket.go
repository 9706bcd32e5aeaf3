package transport

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/wire"
)

// loopSocket is one WebSocket on an event loop: what socket does with two
// goroutines, it does in callbacks, and idle it is itself all that there is.
//
//	client ─► OnMessage ─► Session.Publish
//	hub ─► Session's wake ─► Conn.Wake ─► OnWake ─► Session.Take ─► one write
//
// A client that does not take what it is sent is not given more: nothing is taken
// from the session until OnDrain, and the session falls back to reading history.
type loopSocket struct {
	t       *Transport
	conn    atomic.Pointer[engine.Conn] // nil until OnOpen
	session *hub.Session
	channel string
	opened  time.Time
	form    hub.Form
	encode  func(*hub.Publication) []byte
	end     End // the loop's: this side's reason, "" while it has none
}

// backlogBytes is how much may wait in a connection before no more is taken from
// its session.
const backlogBytes = 256 << 10

// loopQueueBytes is more than a turn takes from a session, so that no frame is
// ever refused: a queue or a page of history, behind a backlog.
const loopQueueBytes = 64 << 20

// loopMemory is what a turn needs and nobody keeps.
type loopMemory struct {
	pushes []hub.Push
	frames [][]byte
}

var loopMemories = sync.Pool{New: func() any { return new(loopMemory) }}

// wake is called by the hub.
func (s *loopSocket) wake() {
	if c := s.conn.Load(); c != nil {
		c.Wake()
	}
}

// serveOnLoop gives r's connection to the engine. The session is subscribed.
func (s *loopSocket) serveOnLoop(w http.ResponseWriter, r *http.Request, header http.Header) {
	_, err := s.t.o.Engine.Upgrade(w, r, engine.Admission{Handler: s, Header: header, Limits: s.t.limits})
	if err != nil {
		s.session.Close()
		s.t.o.Logger.DebugContext(r.Context(), "handshake failed", "channel", s.channel, "error", err)
	}
}

// OnOpen implements engine.Handler.
func (s *loopSocket) OnOpen(c *engine.Conn) {
	s.conn.Store(c)
	c.Wake() // the hub may have had something before
}

// OnMessage publishes what the client sends.
func (s *loopSocket) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	kind := hub.Text
	if typ == engine.MessageBinary {
		kind = hub.Binary
	}
	start := time.Now()
	_, _, err := s.session.Publish(context.Background(), hub.Message{Channel: s.channel, Kind: kind, Data: bytes.Clone(p)})
	switch {
	case err == nil:
		s.t.observe.published(WebSocket, len(p), start)
	case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
		// The session ends too, and OnWake closes with 1001, which tells the client
		// that what it sent last went nowhere.
	case errors.Is(err, hub.ErrTooLarge):
		s.close(c, EndRefused, engine.StatusMessageTooBig, detail(err))
	case errors.Is(err, hub.ErrTextNotUTF8):
		s.close(c, EndRefused, wire.CloseInvalidPayload, detail(err))
	default:
		s.t.o.Logger.Error("publish failed", "channel", s.channel, "error", err)
		s.close(c, EndFailure, engine.StatusInternalError, "could not publish")
	}
}

// OnWake sends what the session is owed.
func (s *loopSocket) OnWake(c *engine.Conn) {
	if s.end != "" || c.Buffered() > backlogBytes {
		return // OnDrain comes
	}
	m := loopMemories.Get().(*loopMemory)
	defer loopMemories.Put(m)
	pushes, failure := s.session.Take(context.Background(), m.pushes[:0])
	frames, sent, lost := framesOf(m.frames[:0], pushes, s.form, s.encode, s.opened)
	if len(frames) > 0 && c.WriteFrames(frames...) == nil {
		s.t.observe.delivered(WebSocket, sent)
	}
	clear(pushes)
	clear(frames)
	m.pushes, m.frames = pushes, frames
	if cap(pushes) > loopMemoryKept {
		m.pushes, m.frames = nil, nil
	}
	switch {
	case lost:
		s.close(c, EndLost, CloseLost, closeLostReason)
	case failure != nil:
		end := s.t.takeFailed(context.Background(), failure)
		if end == EndShutdown {
			s.close(c, end, engine.StatusGoingAway, "going away")
		} else {
			s.close(c, end, engine.StatusInternalError, "could not read history")
		}
	}
}

// loopMemoryKept is the longest queue of a session.
const loopMemoryKept = 2048

// OnDrain goes on where a slow client made OnWake stop.
func (s *loopSocket) OnDrain(c *engine.Conn) { s.OnWake(c) }

// OnClose implements engine.Handler.
func (s *loopSocket) OnClose(c *engine.Conn, e *engine.CloseError) {
	s.session.Close()
	if s.end == "" {
		s.end = loopEnd(e)
	}
	s.t.observe.ended(WebSocket, s.end)
	s.t.o.Logger.Debug("WebSocket ended", "channel", s.channel, "session", s.session.ID(), "end", string(s.end), "error", e)
}

// close closes c for a reason of this side's own.
func (s *loopSocket) close(c *engine.Conn, end End, code engine.StatusCode, reason string) {
	if s.end == "" {
		s.end = end
		_ = c.Close(code, reason)
	}
}

// loopEnd says which end a connection came to that this side did not close.
func loopEnd(e *engine.CloseError) End {
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
