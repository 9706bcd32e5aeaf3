package sockjs

import (
	"errors"
	"net"
	"time"
)

// Errors of a Session.
var (
	// ErrClosed is returned by the methods of a Session that has ended, or was closed.
	ErrClosed = errors.New("sockjs: the session is closed")

	// ErrQueueFull is returned when there was no room for a message. The session closes
	// with CloseSlow, because its client would miss one.
	ErrQueueFull = errors.New("sockjs: too much waits for the client")

	// ErrNotUTF8 is returned for text that is not valid UTF-8. Nothing was sent.
	ErrNotUTF8 = errors.New("sockjs: text must be valid UTF-8")

	// ErrFrame is returned by WriteFrames for bytes that are no whole, unmasked,
	// uncompressed data frame. Nothing was sent.
	ErrFrame = errors.New("sockjs: not a whole, unmasked frame of text or bytes")
)

// Session is one client's conversation: a WebSocket, or a series of requests. All
// methods are safe for concurrent use and for use in callbacks, and none of them waits
// for the network.
//
// Everything that is written in a callback leaves together when it returns.
type Session struct {
	server    *Server
	handler   Handler
	carrier   carrier
	value     any
	number    uint64
	transport Transport
	isOwn     bool // handler came from Options.Decide
}

// carrier is the implementation of a Session.
type carrier interface {
	send(typ MessageType, p []byte) error
	writeFrames(frames [][]byte) error
	buffered() int
	isCrowded() bool // half of what may wait does; OnDrain comes
	close(code Code, reason string)
	wake()
	wakeAt(t time.Time)
	hold()
	accept()
	pause(on bool)
	remoteAddr() net.Addr
}

// Send sends a message, which is copied. It returns ErrClosed, ErrQueueFull or
// ErrNotUTF8. A nil error says that the message is on its way, not that it has arrived.
func (s *Session) Send(text string) error { return s.carrier.send(MessageText, []byte(text)) }

// Write is Send for bytes. A message of MessageBinary arrives as text in base64, on a
// RawWebSocket as it is.
func (s *Session) Write(typ MessageType, p []byte) error { return s.carrier.send(typ, p) }

// WriteFrames sends messages, each of which is given as a whole, unmasked frame of a
// WebSocket, as driver.Prepared has it: of text or of bytes, see Write. The frames may be
// shared: they are neither modified nor kept. For the bounds of the queue one call is one
// message. Besides the errors of Send it returns ErrFrame.
func (s *Session) WriteFrames(frames ...[]byte) error { return s.carrier.writeFrames(frames) }

// Buffered returns how many bytes wait for the client, because it is slow or is not
// asking for them at the moment. OnDrain comes when they have left. Where messages wait for
// a request, each counts for at least QueueBytesMax/QueueMessagesMax bytes, 1 KiB by default:
// a program that stops writing long before QueueBytesMax never finds the queue full.
func (s *Session) Buffered() int { return s.carrier.buffered() }

// Close ends the session: the client gets earlier messages, then code and reason.
// Before the session was accepted it refuses it. Only the first call counts.
func (s *Session) Close(code uint16, reason string) { s.carrier.close(Code(code), reason) }

// Wake has OnWake called soon, in turn with the other callbacks. Further calls until then
// cost almost nothing. OnWake is never called from within Wake.
func (s *Session) Wake() { s.carrier.wake() }

// WakeAt has OnWake called at t. It replaces an earlier WakeAt, and the zero t cancels
// it. The call is never early.
func (s *Session) WakeAt(t time.Time) { s.carrier.wakeAt(t) }

// Hold lets the client wait until Accept or Close is called, see Options.Decide. It counts
// in Decide only.
func (s *Session) Hold() { s.carrier.hold() }

// Accept tells the client of a session that was held that it is open. OnOpen follows.
func (s *Session) Accept() { s.carrier.accept() }

// PauseReading has OnMessage called no more until ResumeReading. The client feels it: what
// it sends is not answered, or not read. A few messages that have arrived by then are kept.
func (s *Session) PauseReading() { s.carrier.pause(true) }

// ResumeReading undoes PauseReading.
func (s *Session) ResumeReading() { s.carrier.pause(false) }

// ID names the session among the sessions of its Server, for logs and for other users: it is not
// the client's name for its session, which is a secret between the two.
func (s *Session) ID() string { return s.server.publicID(s.number) }

// Transport returns by which the session was begun. It goes on with the same one.
func (s *Session) Transport() Transport { return s.transport }

// RemoteAddr returns the address of the client, or of a proxy: that of the connection
// that began the session.
func (s *Session) RemoteAddr() net.Addr { return s.carrier.remoteAddr() }

// Value returns the value set by SetValue, or nil.
func (s *Session) Value() any { return s.value }

// SetValue sets a value of the application's. It and Value are for Decide and the callbacks
// of the session: they are not to be called at the same time.
func (s *Session) SetValue(v any) { s.value = v }
