package driver

import (
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// Prepared is a message that is sent to many connections: it is framed once, and
// compressed once for each window size that peers have agreed on. Its memory is
// shared by all connections, of either driver, that it is sent to. It never
// changes and is safe for concurrent use.
//
// Where there is context takeover its compressed form still refers to nothing
// before it, which makes it larger than that of a message that is written to one
// connection; the connection's window moves on nevertheless, so messages behind
// it may refer to it.
type Prepared struct {
	typ     MessageType
	payload []byte // the end of plain
	plain   []byte // the frame

	mu         sync.Mutex // only for making what compressed holds
	compressed [deflate.WindowBitsMax - deflate.WindowBitsMin + 1]atomic.Pointer[[]byte]
}

// Prepare returns the message p. It copies p, which the caller may reuse: a
// message that waits in the queues of many connections would otherwise change
// under all of them. It returns ErrMessageType or ErrNotUTF8.
func Prepare(typ MessageType, p []byte) (*Prepared, error) {
	if err := check(typ, p); err != nil {
		return nil, err
	}
	plain := wire.AppendFrame(make([]byte, 0, frameHeadBytes(len(p))+len(p)), true, wire.Opcode(typ), p)
	return &Prepared{typ: typ, payload: plain[len(plain)-len(p):], plain: plain}, nil
}

// frameHeadBytes is the length of the header of a frame that is not masked.
func frameHeadBytes(payload int) int {
	switch {
	case payload < 126:
		return 2
	case payload < 1<<16:
		return 4
	}
	return 10
}

// Type returns the type of the message.
func (m *Prepared) Type() MessageType { return m.typ }

// Len returns the length of the message in bytes.
func (m *Prepared) Len() int { return len(m.payload) }

// Payload returns the message. It is shared, and must not be modified.
func (m *Prepared) Payload() []byte { return m.payload[:len(m.payload):len(m.payload)] }

// Frame returns the frame in which a server sends the message uncompressed. It is
// shared, and must not be modified.
func (m *Prepared) Frame() []byte { return m.plain[:len(m.plain):len(m.plain)] }

// CompressedFrame returns the frame in which a server sends the message in
// direction d with permessage-deflate (RFC 7692 §7.2.1), or nil when the message
// is shorter than o.ThresholdBytes or compression does not make it shorter: it goes
// out as Frame then, as any message may (RFC 7692 §6). A connection with context
// takeover must tell its compressor, see deflate.Deflater.Learn.
//
// o must come from deflate.Options.WithDefaults. What else it says is used when
// the message is first asked for with a window of that size. The frame is shared,
// and must not be modified.
func (m *Prepared) CompressedFrame(d deflate.Direction, o *deflate.Options) []byte {
	threshold := o.ThresholdBytes
	if threshold == 0 {
		threshold = deflate.DefaultThresholdBytes
	}
	if len(m.payload) < threshold {
		return nil
	}
	bits := d.WindowBits
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
		frame = append(wire.AppendHeader(make([]byte, 0, frameHeadBytes(len(p))+len(p)), h), p...)
	}
	slot.Store(&frame)
	return frame
}
