package engineio

import (
	"errors"
	"slices"
	"sync"

	"github.com/godwit-io/godwit/engineio/internal/packet"
	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/ws/wire"
)

// AppendMessage appends a message to dst as Socket.WritePackets takes it: an Engine.IO
// packet in a WebSocket frame. A text must be valid UTF-8, which is not checked.
func AppendMessage(dst []byte, typ MessageType, data []byte) []byte {
	if typ == MessageBinary {
		return wire.AppendFrame(dst, true, wire.Binary, data)
	}
	dst = slices.Grow(dst, wire.HeaderBytesMax+1+len(data))
	dst = wire.AppendHeader(dst, wire.Header{Fin: true, Opcode: wire.Text, Length: int64(len(data)) + 1})
	dst = append(dst, byte(packet.Message))
	return append(dst, data...)
}

// Write sends p as one message. It does not keep p. Messages written in a callback leave
// when the callback has returned, all of them together.
//
// While a polling client has no request waiting, messages are kept for its next one. One
// message may always be kept, whatever its size. Beyond Options.QueueBytesMax or
// QueueMessagesMax, Write returns ErrQueueFull and the session ends with ReasonQueueFull,
// because a session with a message missing is of no use to anybody; ask Buffered before if
// you would rather leave something out. The other errors are ErrClosed, ErrMessageType,
// ErrNotUTF8, and ErrSeparator on polling.
func (s *Socket) Write(typ MessageType, p []byte) error {
	switch {
	case typ != MessageText && typ != MessageBinary:
		return ErrMessageType
	case !s.isDirect.Load():
		if typ == MessageText && !isUTF8(p) {
			return ErrNotUTF8
		}
		return s.write(packet.Packet{Type: packet.Message, Binary: typ == MessageBinary, Data: p})
	case typ == MessageBinary:
		return s.written(s.conn.Write(typ, p))
	}
	m := texts.Get().(*memory)
	defer m.recycle()
	m.bytes = append(append(m.bytes[:0], byte(packet.Message)), p...)
	return s.written(s.conn.Write(typ, m.bytes))
}

func isUTF8(p []byte) bool {
	var text wire.UTF8
	return text.Write(p) && text.Done()
}

// memory is where a text gets its type, on its way to a WebSocket.
type memory struct{ bytes []byte }

var texts = sync.Pool{New: func() any { return new(memory) }}

// memoryKept is the length up to which the memory of a text is used again.
const memoryKept = 64 << 10

func (m *memory) recycle() {
	if cap(m.bytes) <= memoryKept {
		texts.Put(m)
	}
}

// WriteFrames sends messages that are encoded as WebSocket frames: each element is one or
// more whole, unmasked, unfragmented text or binary frames, as wire.AppendFrame builds
// them, whose payloads are the messages. They are neither modified nor kept. Text must be
// valid UTF-8, which is not checked. All of them are sent, or none. The errors are those
// of Write, and ErrFrame.
//
// A text needs a byte more in Engine.IO than in a WebSocket, so its frame is built anew for
// each Socket. WritePackets is the cheaper way.
func (s *Socket) WriteFrames(encoded ...[]byte) error { return s.writeMessages(encoded, false) }

// WritePackets sends messages that AppendMessage has encoded; each element is one or more
// of them. They are shared: neither modified nor kept, so that a message is encoded once
// for any number of sockets. On a WebSocket they go out as they are, without a copy, and
// without an allocation if encoded is a slice that exists already. They are not looked at
// there, so their faults are the peer's to notice, and they are not compressed. On polling,
// and for clients of version 3, they are translated. The errors are WriteFrames's.
func (s *Socket) WritePackets(encoded ...[]byte) error {
	if s.isDirect.Load() {
		return s.written(s.conn.WriteFrames(encoded...))
	}
	return s.writeMessages(encoded, true)
}

// written handles the outcome of a write to the WebSocket. conn has not changed since isDirect
// was set.
func (s *Socket) written(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNotUTF8):
		return err
	case errors.Is(err, ErrQueueFull):
		s.mu.Lock()
		wasOpen := s.session.IsOpen()
		s.end(session.QueueFull)
		s.unlockForOthers()
		if wasOpen {
			return ErrQueueFull
		}
	}
	return ErrClosed // whatever ended the WebSocket
}

// writeMessages sends the messages in frames, of which a text has its type before it if
// they are packets.
func (s *Socket) writeMessages(encoded [][]byte, arePackets bool) error {
	var messages [8]packet.Packet
	list := messages[:0]
	for _, b := range encoded {
		for len(b) > 0 {
			one, n, err := parseFrame(b, arePackets)
			if err != nil {
				return err
			}
			list, b = append(list, one), b[n:]
		}
	}
	return s.write(list...)
}

// parseFrame reads the message in the first frame of b, which takes n bytes.
func parseFrame(b []byte, isPacket bool) (one packet.Packet, n int, err error) {
	h, n, err := wire.ParseHeader(b)
	if err != nil || n == 0 || !h.Fin || h.RSV != 0 || h.Masked || h.Length > int64(len(b)-n) {
		return packet.Packet{}, 0, ErrFrame
	}
	one = packet.Packet{Type: packet.Message, Binary: h.Opcode == wire.Binary, Data: b[n : n+int(h.Length)]}
	if !one.Binary && h.Opcode != wire.Text {
		return packet.Packet{}, 0, ErrFrame
	}
	if isPacket && !one.Binary {
		if len(one.Data) == 0 || packet.Type(one.Data[0]) != packet.Message {
			return packet.Packet{}, 0, ErrFrame
		}
		one.Data = one.Data[1:]
	}
	return one, n + int(h.Length), nil
}

// write sends messages, all or none.
func (s *Socket) write(messages ...packet.Packet) error {
	s.mu.Lock()
	for i := range messages {
		if !messages[i].Binary && !s.session.CanSend(messages[i].Data) {
			s.mu.Unlock()
			return ErrSeparator
		}
	}
	if !s.session.IsOpen() {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.conn != nil {
		var b []byte
		for _, m := range messages {
			b = s.session.AppendFrame(b, m)
		}
		s.mu.Unlock()
		if len(b) == 0 {
			return nil
		}
		return s.written(s.conn.WriteFrames(b))
	}
	var fx session.Effects
	var err error
	for _, m := range messages {
		if err = s.session.Send(m, &fx); err != nil {
			break // the session has ended
		}
	}
	s.apply(&fx)
	s.unlockForOthers()
	if err != nil {
		return ErrQueueFull
	}
	return nil
}
