package sockjs

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/godwit-io/godwit/sockjs/internal/frames"
	"github.com/godwit-io/godwit/ws/wire"
)

// send implements carrier.
func (s *socket) send(typ MessageType, data []byte) error {
	if typ == MessageText && !utf8.Valid(data) {
		return ErrNotUTF8
	}
	scratch := scratches.get()
	out := scratch
	if s.transport == WebSocket {
		out = append(appendMessage(append(out, "a["...), typ, data), ']')
		typ = MessageText
	} else {
		out = data
	}
	err := s.writeMessage(typ, out, 1)
	scratches.put(scratch)
	return err
}

// appendMessage appends a message as an element of a frame.
func appendMessage(dst []byte, typ MessageType, data []byte) []byte {
	if typ == MessageBinary {
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, data)
		return append(dst, '"')
	}
	return frames.AppendString(dst, data)
}

// writeFrames implements carrier. The messages of a call leave in one frame of SockJS.
func (s *socket) writeFrames(encoded [][]byte) error {
	if s.transport == RawWebSocket {
		return s.writeRaw(encoded)
	}
	scratch := scratches.get()
	out := append(scratch, "a["...)
	n := 0
	for _, f := range encoded {
		for len(f) > 0 {
			typ, payload, rest, err := cutFrame(f)
			if err != nil {
				return err
			}
			if n > 0 {
				out = append(out, ',')
			}
			out = appendMessage(out, typ, payload)
			f = rest
			n++
		}
	}
	if n == 0 {
		return nil
	}
	out = append(out, ']')
	err := s.writeMessage(MessageText, out, n)
	scratches.put(out)
	return err
}

// writeRaw sends frames as they are.
func (s *socket) writeRaw(encoded [][]byte) error {
	n := 0
	for _, f := range encoded {
		for len(f) > 0 {
			_, _, rest, err := cutFrame(f)
			if err != nil {
				return err
			}
			f = rest
			n++
		}
	}
	s.mu.Lock()
	var err error
	switch {
	case s.closing != nil:
		err = ErrClosed
	case s.early != nil:
		for _, f := range encoded {
			s.early.queue = append(s.early.queue, f...)
		}
		err = s.noteEarly(n)
	default:
		err = s.note(s.conn.WriteFrames(encoded...))
	}
	return s.written(err, n)
}

// writeMessage sends a message of the WebSocket, which has n messages of the session.
func (s *socket) writeMessage(typ MessageType, p []byte, n int) error {
	s.mu.Lock()
	var err error
	switch {
	case s.closing != nil:
		err = ErrClosed
	case s.early != nil:
		s.early.queue = wire.AppendFrame(s.early.queue, true, wire.Opcode(typ), p)
		err = s.noteEarly(n)
	default:
		err = s.note(s.conn.Write(typ, p))
	}
	return s.written(err, n)
}

// noteEarly counts the messages that wait until the session is open; mu is held.
func (s *socket) noteEarly(n int) error {
	e, o := s.early, &s.server.o
	if e.count += n; e.count > n && (e.count > o.QueueMessagesMax || len(e.queue) > o.QueueBytesMax) {
		s.end(CloseSlow, "too much waits for this client")
		return ErrQueueFull
	}
	return nil
}

// written ends a write; mu is held, and given back.
func (s *socket) written(err error, n int) error {
	isFull := err == ErrQueueFull
	hasConn := s.conn != nil
	s.mu.Unlock()
	switch {
	case err == nil:
		s.server.sent.Add(uint64(n))
	case isFull && hasConn:
		s.conclude()
	}
	return err
}
