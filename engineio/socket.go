package engineio

import (
	"net"
	"time"

	"github.com/godwit-io/godwit/ws/driver"
)

// MessageType says what a message is.
type MessageType = driver.MessageType

// The types of messages.
const (
	MessageText   = driver.MessageText   // valid UTF-8
	MessageBinary = driver.MessageBinary // any bytes
)

// Socket is one session of a client, whatever carries it. All methods are safe for
// concurrent use and for use in callbacks, and none of them waits for the network. After
// the end of the session they do nothing, and writes return ErrClosed.
type Socket struct{ value any }

// SID returns the identifier of the session, 20 characters. It is a secret of the client:
// whoever knows it can read and write in the session's name. Do not show it to others.
func (s *Socket) SID() string { return "" }

// Value returns what SetValue or Verdict.Value set, or nil.
func (s *Socket) Value() any { return s.value }

// SetValue keeps something of the application's with the session.
func (s *Socket) SetValue(v any) { s.value = v }

// Transport returns what carries the session now. It changes once at most, from
// Polling to WebSocket.
func (s *Socket) Transport() Transport { return Polling }

// Version returns the version of the protocol that the client speaks: 4, or 3 if
// Options.AllowEIO3 is set.
func (s *Socket) Version() int { return 4 }

// RemoteAddr returns the client's address: of the handshake, and after an upgrade of the
// WebSocket.
func (s *Socket) RemoteAddr() net.Addr { return nil }

// Write sends p as one message. It does not keep p. What is written in a callback leaves
// when the callback has returned, all of it together.
//
// While a polling client has no request waiting, messages are kept for its next one. One
// message may always be kept, whatever its size. Beyond Options.QueueBytesMax or
// QueueMessagesMax, Write returns ErrQueueFull and the session ends with ReasonQueueFull,
// because a session with a message missing is of no use to anybody; ask Buffered before if
// you would rather leave something out. The other errors are ErrClosed, ErrMessageType,
// ErrNotUTF8, and ErrSeparator on polling.
func (s *Socket) Write(typ MessageType, p []byte) error { return nil }

// WriteFrames sends messages that are encoded as WebSocket frames: each element is one or
// more whole, unmasked, unfragmented text or binary frames, as wire.AppendFrame builds
// them, whose payloads are the messages. They are neither modified nor kept. Text must be
// valid UTF-8, which is not checked. The errors are those of Write, and ErrFrame.
//
// A text needs a byte more in Engine.IO than in a WebSocket, so its frame is built anew for
// each Socket. WritePackets is the cheaper way.
func (s *Socket) WriteFrames(frames ...[]byte) error { return nil }

// WritePackets sends messages that AppendMessage has encoded; each element is one or more
// of them. They are shared: neither modified nor kept, so that a message is encoded once
// for any number of sockets. On a WebSocket they go out as they are, without a copy, and
// without an allocation if frames is a slice that exists already. On polling, and for
// clients of version 3, they are translated. The errors are those of WriteFrames.
func (s *Socket) WritePackets(frames ...[]byte) error { return nil }

// Buffered returns how many bytes are waiting: for a client that does not read, or that
// has no poll waiting. OnDrain is called when it is zero again.
func (s *Socket) Buffered() int { return 0 }

// Close ends the session when what was written has left: a polling client has 30 seconds
// to fetch it. No more messages are handed on. On a WebSocket code and reason are those of
// the close frame, of which browsers show nothing through Engine.IO clients; a code that
// may not be sent is 1000. OnClose is called with ReasonForcedClose.
func (s *Socket) Close(code uint16, reason string) {}

// Wake has OnWake called soon, once for all calls of Wake until then, in turn with the
// other calls for the session. It is cheap, and the way to tell a session from another
// goroutine that there is something for it.
func (s *Socket) Wake() {}

// WakeAt has OnWake called at t. It replaces an earlier WakeAt, and the zero t cancels it.
// A t in the past is now. The call is never early, and may be 40 ms late.
func (s *Socket) WakeAt(t time.Time) {}

// PauseReading stops handing on messages until ResumeReading, soon if not at once: for an
// application whose commands wait for something. What the client sends meanwhile waits in
// the network: a WebSocket is not read, and the POST of a polling client, whose messages
// have been handed on, is not answered. Pongs wait, too, so a long pause ends the session
// with ReasonPingTimeout.
func (s *Socket) PauseReading() {}

// ResumeReading goes on where PauseReading has stopped.
func (s *Socket) ResumeReading() {}
