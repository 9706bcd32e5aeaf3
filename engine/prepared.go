package engine

import (
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/engine/internal/outbox"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// Prepared is a message that is sent to many connections: it is framed once, and
// compressed once for each window size that clients have agreed on. Its memory
// is shared by the queues of all of them. It never changes and is safe for
// concurrent use.
//
// Where there is context takeover its compressed form still refers to nothing
// before it, which makes it larger than that of Conn.Write; the connection's
// window moves on nevertheless, so messages behind it may refer to it.
type Prepared struct {
	typ     MessageType
	payload []byte // the end of plain
	plain   []byte // the frame

	mu         sync.Mutex // only for making what compressed holds
	compressed [deflate.WindowBitsMax - deflate.WindowBitsMin + 1]atomic.Pointer[[]byte]
}

// Prepare returns the message p. It copies p. It returns ErrMessageType or
// ErrNotUTF8.
func Prepare(typ MessageType, p []byte) (*Prepared, error) {
	switch {
	case typ != MessageText && typ != MessageBinary:
		return nil, ErrMessageType
	case typ == MessageText && !validUTF8(p):
		return nil, ErrNotUTF8
	}
	plain := wire.AppendFrame(make([]byte, 0, len(p)+frameHead(len(p))), true, wire.Opcode(typ), p)
	return &Prepared{typ: typ, payload: plain[len(plain)-len(p):], plain: plain}, nil
}

// frameHead is the length of the header of a server's frame.
func frameHead(payload int) int {
	switch {
	case payload < 126:
		return 2
	case payload < 1<<16:
		return 4
	}
	return 10
}

// Len returns the length of the message.
func (m *Prepared) Len() int { return len(m.payload) }

// Payload returns the message. It is shared, and must not be modified.
func (m *Prepared) Payload() []byte { return m.payload[:len(m.payload):len(m.payload)] }

// WritePrepared sends a message that was prepared, as Write would. A large one is
// not copied, however long it has to wait.
func (c *Conn) WritePrepared(m *Prepared) error {
	c.mu.Lock()
	err := c.admit(len(m.payload), 1)
	if err == nil {
		err = c.proto.MayWrite()
	}
	if err == nil {
		c.encodePrepared(c.box(), m)
	}
	c.unlockAndSend()
	return err
}

// encodePrepared appends m to o, which is or will be c's; mu is held.
func (c *Conn) encodePrepared(o *outbox.Outbox, m *Prepared) {
	frame := m.frameFor(c)
	if len(frame) >= outbox.SharedBytesMin && c.scatters() {
		o.Refer(frame)
	} else {
		o.Bytes = append(o.Bytes, frame...)
	}
	o.Mark()
	c.queued += len(frame)
}

// frameFor returns the frame that c sends for m, and tells c's compressor of it.
// It must be sent next. mu is held.
func (m *Prepared) frameFor(c *Conn) []byte {
	if !c.proto.Compressed() {
		return m.plain
	}
	d := c.extra.compression.FromServer()
	frame := m.deflated(d.WindowBits, c.loop.server.settings.compression)
	if frame == nil {
		return m.plain // any message may go uncompressed (RFC 7692 §6)
	}
	c.proto.Learn(m.payload)
	return frame
}

// deflated returns the compressed frame for a window, nil if compressing m is of
// no use.
func (m *Prepared) deflated(bits int, o *deflate.Options) []byte {
	threshold := o.ThresholdBytes
	if threshold == 0 {
		threshold = deflate.DefaultThresholdBytes
	}
	if len(m.payload) < threshold {
		return nil
	}
	if bits == 0 {
		bits = deflate.WindowBitsMax
	}
	slot := &m.compressed[bits-deflate.WindowBitsMin]
	if made := slot.Load(); made != nil {
		return *made
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if made := slot.Load(); made != nil {
		return *made
	}
	var frame []byte
	if p := deflate.Append(nil, m.payload, deflate.Direction{WindowBits: bits}, o); len(p) < len(m.payload) {
		h := wire.Header{Fin: true, RSV: wire.RSV1, Opcode: wire.Opcode(m.typ), Length: int64(len(p))}
		frame = append(wire.AppendHeader(make([]byte, 0, len(p)+frameHead(len(p))), h), p...)
	}
	slot.Store(&frame)
	return frame
}
