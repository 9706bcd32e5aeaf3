package transport

import (
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/transport/dialect"
)

// Messenger carries the messages of a conversation: the session of another protocol,
// such as Engine.IO or SockJS. Its methods are safe for concurrent use and never wait
// for the network.
type Messenger interface {
	// WriteFrames sends messages, each of which is a whole, unmasked WebSocket frame of
	// text or bytes. The frames are shared: they are neither modified nor kept. An error
	// says that the session is over, or takes no more.
	WriteFrames(frames ...[]byte) error

	// Buffered is how many bytes wait for a client that is slow.
	Buffered() int

	// Close ends the conversation behind the messages written. What code and reason become
	// is the protocol's matter.
	Close(code uint16, reason string)

	// Wake has OnWake of the MessageCarrier called soon, in turn with its other methods. It
	// is called from any goroutine, and must work as soon as NewMessageCarrier is called.
	Wake()

	// WakeAt does the same at a time. It replaces an earlier time; the zero time asks
	// for nothing.
	WakeAt(t time.Time)
}

// MessageCarrier carries a conversation over a Messenger. Its methods, which are called
// one at a time, do not block. OnClose must be called.
//
//	client ─► Messenger ─► OnMessage ─► receive ─► Session.Publish
//	hub ─► wake ─► Messenger.Wake ─► OnWake ─► take ─► Messenger.WriteFrames
type MessageCarrier struct {
	conversation
	to      Messenger
	end     dialect.End   // this side's reason, "" while it has none
	alarm   time.Duration // when the Messenger wakes it for a deadline, on the clock of sinceStart; 0 if it does not
	answers func(*dialect.Answer, *dialect.Closing)
}

// NewMessageCarrier returns the carrier of a conversation of d with the client of v, or
// with the holder of a token that it shows in the conversation, if that is not "". A nil
// v, or one of a Transport without a Guard, may do everything. answered, which may be nil,
// is told of the answer of the dialect, before anything is written: with the end of the
// conversation, if it has ended at once. An answer with an error ends it.
func (t *Transport) NewMessageCarrier(to Messenger, v *Visit, token string, d dialect.Dialect, answered func(*dialect.Answer, *dialect.Closing)) *MessageCarrier {
	s := &MessageCarrier{to: to, answers: answered}
	s.t, s.dialect, s.wake, s.visitor = t, d, to.Wake, v.converse(token)
	return s
}

// OnOpen begins the conversation.
func (s *MessageCarrier) OnOpen() {
	if d, ok := s.dialect.(dialect.OverSocket); ok {
		d.Agree("", false)
	}
	m := scratches.Get().(*scratch)
	s.begin(m)
	s.apply(m)
}

// OnMessage gives the dialect a message of the client. data is only used until it returns.
func (s *MessageCarrier) OnMessage(binary bool, data []byte) {
	if s.end != "" {
		return
	}
	m := scratches.Get().(*scratch)
	s.receive(binary, data, m)
	s.apply(m)
}

// OnWake sends the messages that the session is owed, and acts on a deadline that has passed.
func (s *MessageCarrier) OnWake() {
	if s.end != "" || s.to.Buffered() > backlogBytes && !s.mustAttend() {
		return // OnDrain comes
	}
	m := scratches.Get().(*scratch)
	m.singly = true
	s.takeInTime(&s.alarm, m)
	s.apply(m)
}

// OnDrain goes on where a slow client made OnWake stop.
func (s *MessageCarrier) OnDrain() { s.OnWake() }

// IsBusy reports whether so many commands wait for an outcome that the client is to be
// read no more until the next OnWake has returned.
func (s *MessageCarrier) IsBusy() bool { return s.isBusy() }

// Session is the ID of the session of the hub, "" while there is none.
func (s *MessageCarrier) Session() string { return s.id() }

// Identity returns the client's identity as the Guard gave it, nil for Everybody. It is
// known once the dialect was told of the outcome of a CommandIdentify.
func (s *MessageCarrier) Identity() *access.Identity { return s.visitor.identity() }

// HasEnded reports whether this side has ended the conversation.
func (s *MessageCarrier) HasEnded() bool { return s.end != "" }

// OnClose says that the Messenger is over: end is why, where it was not this side that
// ended it. err is what broke it, nil if nothing did.
func (s *MessageCarrier) OnClose(end End, err error) {
	if s.end == "" {
		s.end = end
	}
	s.t.endSocket(&s.conversation, s.end, err)
	s.close()
}

// apply carries out the decisions of the dialect.
func (s *MessageCarrier) apply(m *scratch) {
	defer m.recycle()
	e := &m.effects
	if e.Answer != nil && e.Answer.Err != nil && (e.Closing == nil || e.Closing.Code == 0) {
		e.Closing = dialect.ClosingOf(e.Answer.Err)
	}
	if e.Answer != nil && s.answers != nil {
		s.answers(e.Answer, e.Closing)
		s.answers = nil
	}
	if len(e.Frames) > 0 && s.to.WriteFrames(e.Frames...) == nil {
		s.t.observe.delivered(s.dialect.Transport(), e.Delivered)
	}
	switch {
	case s.end != "":
	case e.Closing != nil:
		s.end = e.Closing.End
		s.leavePresence()
		s.to.Close(e.Closing.Code, e.Closing.Reason)
	default:
		s.setAlarm()
	}
}

// setAlarm has OnWake called for the dialect's deadline. A deadline that moves away
// with every message is looked at again when the first has come.
func (s *MessageCarrier) setAlarm() {
	deadline := s.dialect.Deadline()
	if deadline.IsZero() {
		return
	}
	at := max(sinceStart(deadline), 1)
	if s.alarm != 0 && at >= s.alarm {
		return
	}
	s.alarm = at
	s.to.WakeAt(deadline)
}
