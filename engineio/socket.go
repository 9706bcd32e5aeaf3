package engineio

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/ws/driver"
)

// MessageType is the type of a message.
type MessageType = driver.MessageType

// The types of messages.
const (
	MessageText   = driver.MessageText   // valid UTF-8
	MessageBinary = driver.MessageBinary // any bytes
)

// Socket is one session of a client, whatever carries it. All methods are safe for
// concurrent use and for use in callbacks, and none of them waits for the network. After
// the end of the session they do nothing, and writes return ErrClosed.
type Socket struct {
	server *Server
	id     sid

	// isDirect says that messages go to conn as they are, without a look at the session:
	// conn does not change any more.
	isDirect atomic.Bool

	mu      sync.Mutex // guards what follows; locked before those of conn, of exchanges and of the table
	session session.Session
	conn    httpcarrier.Conn // the WebSocket, nil before there is one
	polling *polling         // nil once there is
	value   any
	inbox   *inbox       // items for the holder of the turn to hand on next
	wakeAt  session.Time // of WakeAt, Never for none
	alarm   session.Time // when the session is woken, 0 if it is not
	calls   calls        // that the handler is owed
	inTurn  bool         // a goroutine is calling the handler
	paused  bool         // by PauseReading
	woken   bool         // a goroutine was asked to take the turn
}

// calls are the due calls of the handler, beside messages.
type calls uint8

const (
	callWake calls = 1 << iota
	callDrain
	callClose
)

// polling is the state that a session needs before it has a WebSocket.
type polling struct {
	get    httpcarrier.Exchange // the GET that waits, or the last; nil before the first
	fields []byte               // of its answer
	post   *post                // answered when reading is resumed
	probe  httpcarrier.Conn     // a WebSocket that may become the session's
	timer  *time.Timer
	remote net.Addr
}

// SID returns the identifier of the session, Options.SIDPrefix and 20 characters. It is a
// secret of the client: knowing it is enough to read and write in the session's name. Do
// not show it to others.
func (s *Socket) SID() string { return s.server.options.SIDPrefix + string(s.id[:]) }

// Value returns what SetValue or Verdict.Value set, or nil.
func (s *Socket) Value() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

// SetValue keeps something of the application's with the session.
func (s *Socket) SetValue(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = v
}

// Transport returns what carries the session now. It changes once at most, from
// Polling to WebSocket.
func (s *Socket) Transport() Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transport()
}

func (s *Socket) transport() Transport {
	if s.session.IsPolling() {
		return Polling
	}
	return WebSocket
}

// now returns the state that a request of the session is judged by.
func (s *Socket) now() (version int, on Transport, hasEnded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session.Version(), s.transport(), s.session.HasEnded()
}

// Version returns the version of the protocol that the client speaks: 4, or 3 if
// Options.AllowEIO3 is set.
func (s *Socket) Version() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session.Version()
}

// RemoteAddr returns the client's address: of the handshake, and after an upgrade of the
// WebSocket. It is nil for a client without one.
func (s *Socket) RemoteAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return s.conn.RemoteAddr()
	}
	return s.polling.remote
}

// Buffered returns how many bytes are waiting: for a client that does not read, or that
// has no poll waiting. After it has returned more than zero, OnDrain is called when it is
// zero again.
func (s *Socket) Buffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return s.conn.Buffered()
	}
	return s.session.Buffered()
}

// Close ends the session when the messages written have left: a polling client has 30 seconds
// to fetch it. No more messages are handed on. On a WebSocket code and reason are those of
// the close frame, of which browsers show nothing through Engine.IO clients; a code that
// may not be sent is 1000. OnClose is called with ReasonForcedClose.
func (s *Socket) Close(code uint16, reason string) {
	s.shut(ReasonForcedClose, driver.StatusCode(code), reason)
}

func (s *Socket) shut(why Reason, code driver.StatusCode, text string) {
	s.mu.Lock()
	var fx session.Effects
	s.session.Shut(s.server.now(), session.Reason(why), &fx)
	s.applyClosing(&fx, code, text)
	s.unlockForOthers()
}

// Wake has OnWake called soon, once for all calls of Wake until then, in turn with the
// other calls for the session. It is cheap, and the way to tell a session from another
// goroutine that there is something for it.
func (s *Socket) Wake() {
	s.mu.Lock()
	if !s.session.HasEnded() {
		s.calls |= callWake
	}
	s.unlockForOthers()
}

// WakeAt has OnWake called at t. It replaces an earlier WakeAt, and the zero t cancels it.
// A t in the past is now. The call is never early, and may be 40 ms late.
func (s *Socket) WakeAt(t time.Time) {
	s.mu.Lock()
	s.wakeAt = session.Never
	if !t.IsZero() {
		s.wakeAt = s.server.now() + session.Time(min(max(time.Until(t), 0), driver.Forever))
	}
	s.arm()
	s.mu.Unlock()
}

// PauseReading stops handing on messages until ResumeReading, soon if not at once: for an
// application whose commands wait for something. The client's messages wait in the
// network meanwhile: a WebSocket is not read, and the POST of a polling client, whose
// messages have been handed on, is not answered. Pongs wait, too, so a long pause ends
// the session with ReasonPingTimeout.
func (s *Socket) PauseReading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = true
	if s.conn != nil {
		s.conn.PauseReading()
	}
}

// ResumeReading goes on where PauseReading has stopped.
func (s *Socket) ResumeReading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.paused {
		return
	}
	s.paused = false
	if s.polling != nil {
		s.releasePost()
	}
	if s.conn != nil && !s.inbox.isLong() {
		s.conn.ResumeReading()
	}
}
