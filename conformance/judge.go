package conformance

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/wire"
)

// arrival is what the peer did next, as a case sees it.
type arrival struct {
	kind    arrivalKind
	op      wire.Opcode // of a message
	payload []byte      // of a message or a pong
	code    wire.CloseCode
	reason  []byte
	err     error // of the end

	compressed bool
}

type arrivalKind uint8

const (
	aMessage arrivalKind = iota
	aPing                // answered already
	aPong
	aClose
	anEnd     // of the connection
	aSilence  // nothing came in time
	aMistake  // the peer broke the protocol; the case is over
	arrivalsN = iota
)

var arrivalNames = [arrivalsN]string{"a message", "a ping", "a pong", "a close frame", "the end of the connection", "silence", "a protocol error"}

func (a *arrival) String() string {
	switch a.kind {
	case aMessage:
		return "a " + a.op.String() + " message " + orEmpty(showPayload(a.payload))
	case aPong, aPing:
		return arrivalNames[a.kind] + " " + orEmpty(showPayload(a.payload))
	case aClose:
		return "a close frame with " + describeCode(a.code)
	case anEnd:
		return arrivalNames[a.kind] + " without a close frame (" + describeEnd(a.err) + ")"
	}
	return arrivalNames[a.kind]
}

func orEmpty(s string) string {
	if s == "" {
		return "(empty)"
	}
	return s
}

func describeCode(c wire.CloseCode) string {
	if c == wire.CloseNoStatus {
		return "no code"
	}
	return "code " + c.String()
}

// next waits for what the peer does next: for d at most, or as long as the case
// may take if d is 0. Pings are answered, and returned.
func (s *session) next(d time.Duration) arrival {
	var timer <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	for !s.over {
		if r, ok := s.inbox.take(); ok {
			if a, ok := s.look(r); ok {
				return a
			}
			continue
		}
		select {
		case <-s.inbox.wake:
		case <-timer:
			return arrival{kind: aSilence}
		case <-s.ctx.Done():
			return arrival{kind: aSilence}
		}
	}
	return arrival{kind: aMistake}
}

// look holds a frame of the peer to the protocol. ok is false when there is
// nothing to tell the case yet.
func (s *session) look(r received) (a arrival, ok bool) {
	if r.err != nil {
		if errors.Is(r.err, errFrame) {
			return s.mistake("the peer sent what is %s", r.err)
		}
		if s.ctx.Err() != nil {
			return arrival{kind: aSilence}, true
		}
		s.ended = true
		return arrival{kind: anEnd, err: r.err}, true
	}
	h := r.header
	if s.closeGot {
		return s.mistake("the peer sent a %s frame after its close frame (RFC 6455 §5.5.1)", h.Opcode)
	}
	switch {
	case h.Masked && s.role == Server:
		return s.mistake("the server sent a masked frame (RFC 6455 §5.1)")
	case !h.Masked && s.role == Client:
		return s.mistake("the client sent a frame that is not masked (RFC 6455 §5.1)")
	case h.Opcode.IsReserved():
		return s.mistake("the peer sent a frame with a %s (RFC 6455 §5.2)", h.Opcode)
	case h.RSV&^wire.RSV1 != 0, h.RSV != 0 && s.agreed == nil:
		return s.mistake("the peer set reserved bits, %03b, that no extension defines (RFC 6455 §5.2)", h.RSV)
	case h.RSV != 0 && (h.Opcode.IsControl() || h.Opcode == wire.Continuation):
		return s.mistake("the peer set RSV1 on a %s frame (RFC 7692 §6)", h.Opcode)
	}
	if h.Masked {
		if len(s.keys) > 0 && h.Mask == s.lastKey {
			return s.mistake("the client used mask key %x twice in a row (RFC 6455 §5.3)", h.Mask)
		}
		s.lastKey = h.Mask
		s.keys = append(s.keys, h.Mask)
	}
	if h.Opcode.IsControl() {
		return s.lookControl(r)
	}
	return s.lookData(r)
}

func (s *session) mistake(format string, args ...any) (arrival, bool) {
	s.fail(format, args...)
	return arrival{kind: aMistake}, true
}

func (s *session) lookControl(r received) (a arrival, ok bool) {
	h := r.header
	if !h.Fin {
		return s.mistake("the peer sent a fragmented %s frame (RFC 6455 §5.5)", h.Opcode)
	}
	if h.Length > wire.ControlPayloadBytesMax {
		return s.mistake("the peer sent a %s frame of %d bytes (RFC 6455 §5.5)", h.Opcode, h.Length)
	}
	switch h.Opcode {
	case wire.Ping:
		if !s.closeSent {
			s.send(frame{fin: true, op: wire.Pong, payload: r.payload})
		}
		return arrival{kind: aPing, payload: r.payload}, true
	case wire.Pong:
		return arrival{kind: aPong, payload: r.payload}, true
	}
	s.closeGot = true
	code, reason, err := wire.ParseClose(r.payload)
	switch err {
	case wire.ErrCloseLength:
		return s.mistake("the peer sent a close frame of one byte (RFC 6455 §5.5.1)")
	case wire.ErrCloseCode:
		return s.mistake("the peer sent close code %s, which must not be sent (RFC 6455 §7.4)", code)
	case wire.ErrCloseReason:
		return s.mistake("the peer sent a close reason that is not UTF-8 (RFC 6455 §5.5.1)")
	}
	return arrival{kind: aClose, code: code, reason: reason}, true
}

func (s *session) lookData(r received) (a arrival, ok bool) {
	h := r.header
	switch {
	case h.Opcode == wire.Continuation && s.messageOp == wire.Continuation:
		return s.mistake("the peer sent a continuation frame with no message to continue (RFC 6455 §5.4)")
	case h.Opcode != wire.Continuation && s.messageOp != wire.Continuation:
		return s.mistake("the peer began a message before its last one ended (RFC 6455 §5.4)")
	}
	if h.Opcode != wire.Continuation {
		s.messageOp = h.Opcode
		s.message = nil
		s.compressed = h.RSV&wire.RSV1 != 0
	}
	if s.message == nil {
		s.message = r.payload
	} else {
		s.message = append(s.message, r.payload...)
	}
	if !h.Fin {
		return arrival{}, false
	}
	a = arrival{kind: aMessage, op: s.messageOp, payload: s.message, compressed: s.compressed}
	s.messageOp, s.message = wire.Continuation, nil
	if a.compressed && !s.rawDeflate {
		p, err := s.agreed.inflate(a.payload)
		if err != nil {
			return s.mistake("the peer sent a compressed message that does not inflate: %s (RFC 7692 §7.2.2)", err)
		}
		a.payload = p
	}
	if a.op == wire.Text && !(a.compressed && s.rawDeflate) && !utf8.Valid(a.payload) {
		return s.mistake("the peer sent text that is not UTF-8: % x (RFC 6455 §8.1)", a.payload[:min(len(a.payload), payloadBytesMax)])
	}
	return a, true
}
