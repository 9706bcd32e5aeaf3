package sockjs

import "github.com/godwit-io/godwit/ws/driver"

// MessageType is the type of a message of a WebSocket. Messages of SockJS are text; only on
// RawWebSocket there is MessageBinary, too.
type MessageType = driver.MessageType

// The types of messages.
const (
	MessageText   = driver.MessageText
	MessageBinary = driver.MessageBinary
)

// Handler takes the events of a session. The calls for one session come one after
// another; those for different sessions may come at the same time, so one Handler may
// serve many sessions and keep the state of each in its Value. None of them may block:
// many connections may share the event loop that calls. Serve is for programs that
// wait.
//
//	Decide ─► OnOpen ─► OnMessage, OnWake, OnDrain … ─► OnClose
//
// A call that panics closes its session with 1011, and no other.
type Handler interface {
	// OnOpen is called once, when the session has been accepted.
	OnOpen(s *Session)

	// OnMessage is called with each message of the client. data belongs to the Server and
	// is valid until OnMessage returns: copy it to keep it. Text is valid UTF-8.
	OnMessage(s *Session, typ MessageType, data []byte)

	// OnWake is called soon after Session.Wake, once for all calls until then, and when
	// the time of Session.WakeAt has come; sometimes once more. It may come before OnOpen
	// for a session that is held, see Options.Decide.
	OnWake(s *Session)

	// OnDrain is called when nothing waits for the client any more, after Session.Buffered
	// said that something does.
	OnDrain(s *Session)

	// OnClose is called once, after everything else. err is never nil. The methods of s
	// return ErrClosed or do nothing by now.
	OnClose(s *Session, err *CloseError)
}

// NopHandler does nothing. Embed it to write only the callbacks that matter.
type NopHandler struct{}

// OnOpen does nothing.
func (NopHandler) OnOpen(*Session) {}

// OnMessage does nothing.
func (NopHandler) OnMessage(*Session, MessageType, []byte) {}

// OnWake does nothing.
func (NopHandler) OnWake(*Session) {}

// OnDrain does nothing.
func (NopHandler) OnDrain(*Session) {}

// OnClose does nothing.
func (NopHandler) OnClose(*Session, *CloseError) {}

var _ Handler = NopHandler{}
