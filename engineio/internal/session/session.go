package session

import (
	"bytes"
	"errors"
	"slices"

	"github.com/godwit-io/godwit/engineio/internal/packet"
	"github.com/godwit-io/godwit/ws/wire"
)

// Errors of Send.
var (
	ErrClosed    = errors.New("engineio: the session has ended")
	ErrQueueFull = errors.New("engineio: the queue is full")
)

type phase uint8

const (
	phaseNew phase = iota
	phaseOpen
	phaseClosing // Shut was called, and the client has not been told yet
	phaseEnded
)

// Session is the state of one session.
type Session struct {
	set     *Settings
	polling *polling // nil when a WebSocket carries it

	// beat is when the next ping is due; if awaiting, when its pong must have come. In
	// version 3, it is when the client has been silent for too long.
	beat Time

	version  uint8
	phase    phase
	reason   Reason
	base64   bool // bytes are sent as text on a WebSocket, too
	awaiting bool
	extended bool // beat was moved for a packet that is no pong
}

// polling is the state that a session needs until it has a WebSocket.
type polling struct {
	queue   queue
	waiting bool // a poll is
	posting bool // a POST is under way
	owes    bool // the caller waits for the queue to be empty

	probe      probe
	holdUntil  Time // when a poll that waits gets a noop; 0: it does not
	quietUntil Time // no ping before that, while there is a probe
	upgradeBy  Time // while there is a probe
	closeBy    Time // in phaseClosing
}

// probe is how far an upgrade has come.
type probe uint8

const (
	probeNone probe = iota
	probeOpen
	probeAnswered
)

// New returns a session that begins with Start. With base64 its client cannot take bytes.
func New(set *Settings, version int, base64 bool) Session {
	return Session{set: set, version: uint8(version), base64: base64}
}

// Start begins the session: with the open packet, over the WebSocket or in the answer to
// the first Poll.
func (s *Session) Start(now Time, sid string, onSocket bool, fx *Effects) {
	s.phase = phaseOpen
	s.beat = now.after(s.set.PingInterval)
	if s.version == 3 {
		s.beat = s.beat.after(s.set.PingTimeout)
	}
	p := packet.Packet{Type: packet.Open, Data: s.set.appendOpen(nil, sid, !onSocket && s.set.CanUpgrade)}
	if onSocket {
		fx.add(Send, s.AppendFrame(nil, p))
		return
	}
	s.polling = &polling{}
	s.polling.queue.add(p)
}

// IsOpen reports whether messages go both ways.
func (s *Session) IsOpen() bool { return s.phase == phaseOpen }

// IsPolling reports whether polling carries the session.
func (s *Session) IsPolling() bool { return s.polling != nil }

// IsPlain reports whether a message on the WebSocket is what version 4 makes of it.
func (s *Session) IsPlain() bool { return s.polling == nil && s.version == 4 && !s.base64 }

// HasEnded reports whether the session is over.
func (s *Session) HasEnded() bool { return s.phase == phaseEnded }

// HandsOn reports whether messages that have arrived are for the application: not when this
// side has ended the session.
func (s *Session) HandsOn() bool {
	switch s.reason {
	case QueueFull, ForcedClose, ShuttingDown, Panicked:
		return false
	}
	return s.phase != phaseNew
}

// Reason is why it is.
func (s *Session) Reason() Reason { return s.reason }

// Version is the version of the protocol.
func (s *Session) Version() int { return int(s.version) }

// Buffered is how many bytes of messages wait for a poll. A caller that is told of some may
// wait for Drained.
func (s *Session) Buffered() int {
	if s.polling == nil || s.polling.queue.messages == 0 {
		return 0
	}
	s.polling.owes = true
	return max(s.polling.queue.bytes, 1)
}

// AppendFrame appends the WebSocket frame of p.
func (s *Session) AppendFrame(dst []byte, p packet.Packet) []byte {
	h := wire.Header{Fin: true, Opcode: wire.Text, Length: int64(packet.TextLen(p, int(s.version)))}
	if p.Binary && !s.base64 {
		h.Opcode, h.Length = wire.Binary, int64(len(p.Data))
		if s.version == 3 {
			h.Length++
		}
	}
	dst = slices.Grow(dst, wire.HeaderBytesMax+int(h.Length))
	dst = wire.AppendHeader(dst, h)
	if h.Opcode == wire.Binary {
		return packet.AppendBinary(dst, p, int(s.version))
	}
	return packet.AppendText(dst, p, int(s.version))
}

// CanSend reports whether a text can be sent: on polling not with the separator.
func (s *Session) CanSend(text []byte) bool {
	return s.polling == nil || s.version == 3 || bytes.IndexByte(text, packet.Separator) < 0
}

// Send sends p, a message: Flush has it leave. A session whose client does not fetch its
// messages ends.
func (s *Session) Send(p packet.Packet, fx *Effects) error {
	switch {
	case s.phase != phaseOpen:
		return ErrClosed
	case s.polling == nil:
		fx.add(Send, s.AppendFrame(nil, p))
		return nil
	}
	q := &s.polling.queue
	if q.messages > 0 && (q.messages >= s.set.QueueCountMax || len(p.Data) > s.set.QueueBytesMax-q.bytes) {
		s.End(QueueFull, fx)
		return ErrQueueFull
	}
	q.add(p)
	return nil
}

// Flush answers the poll that waits with everything that was sent.
func (s *Session) Flush(fx *Effects) {
	pl := s.polling
	if pl == nil || !pl.waiting || pl.queue.isEmpty() || s.phase == phaseEnded {
		return
	}
	encoding := packet.V4
	if s.version == 3 {
		encoding = packet.V3Text
		if pl.queue.hasBinary && !s.base64 {
			encoding = packet.V3Octets
		}
	}
	payload := make([]byte, 0, len(pl.queue.b)+len(pl.queue.b)/2)
	pl.queue.all(func(p packet.Packet) { payload = encoding.Append(payload, p) })
	pl.queue.clear()
	s.answer(payload, encoding == packet.V3Octets, fx)
	if pl.owes {
		pl.owes = false
		fx.add(Drained, nil)
	}
	if s.phase == phaseClosing {
		s.finish(s.reason, fx)
	}
}

// answer ends the poll that waits.
func (s *Session) answer(payload []byte, octets bool, fx *Effects) {
	s.polling.waiting, s.polling.holdUntil = false, 0
	fx.add(AnswerPoll, payload)
	fx.list[len(fx.list)-1].Octets = octets
}

// answerWith ends the poll that waits, if there is one, with a single packet.
func (s *Session) answerWith(t packet.Type, fx *Effects) {
	if !s.polling.waiting {
		return
	}
	encoding := packet.V4
	if s.version == 3 {
		encoding = packet.V3Text
	}
	s.answer(encoding.Append(nil, packet.Packet{Type: t}), false, fx)
}

// push sends a packet that is no message.
func (s *Session) push(p packet.Packet, fx *Effects) {
	if s.polling == nil {
		fx.add(Send, s.AppendFrame(nil, p))
		return
	}
	s.polling.queue.add(p)
	s.Flush(fx)
}

// Shut ends the session when the client has the messages sent.
func (s *Session) Shut(now Time, reason Reason, fx *Effects) {
	if s.phase != phaseOpen {
		return
	}
	s.phase, s.reason = phaseClosing, reason
	if s.polling == nil {
		fx.add(Close, nil)
		return
	}
	// An upgrade goes on: a client in the middle of it may not poll again.
	s.polling.closeBy = now.after(CloseTimeout)
	s.push(packet.Packet{Type: packet.Close}, fx)
}

// End ends the session now.
func (s *Session) End(reason Reason, fx *Effects) {
	if s.phase == phaseEnded || s.phase == phaseNew {
		return
	}
	if pl := s.polling; pl == nil {
		fx.add(Close, nil)
	} else if reason == TransportClose {
		s.answerWith(packet.Noop, fx)
	} else {
		s.answerWith(packet.Close, fx)
	}
	s.finish(reason, fx)
}

// finish says that the session is over.
func (s *Session) finish(reason Reason, fx *Effects) {
	s.phase, s.reason = phaseEnded, reason
	if s.polling != nil {
		if s.polling.probe != probeNone {
			s.polling.probe = probeNone
			fx.add(CloseProbe, nil)
		}
		s.polling.queue = queue{}
	}
	fx.add(Ended, nil)
}
