//go:build !js

package ws

import (
	"context"
	"sync"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// Prepared is a message that is sent to many connections: it is framed once, and
// compressed once for each window size that clients have agreed on. It is safe
// for concurrent use.
type Prepared struct {
	typ     MessageType
	payload []byte
	plain   []byte // the frame

	mu         sync.Mutex
	compressed [deflate.WindowBitsMax + 1][]byte // the frame, by window bits; empty: it does not get shorter
	tried      [deflate.WindowBitsMax + 1]bool
}

// Prepare returns the message p, which it keeps: p must not be modified
// afterwards. It returns ErrMessageType or ErrNotUTF8.
func Prepare(typ MessageType, p []byte) (*Prepared, error) {
	switch {
	case typ != MessageText && typ != MessageBinary:
		return nil, ErrMessageType
	case typ == MessageText && !utf8.Valid(p):
		return nil, ErrNotUTF8
	}
	return &Prepared{typ: typ, payload: p, plain: wire.AppendFrame(nil, true, opcode(typ), p)}, nil
}

// WritePrepared sends a message that was prepared, as Write would. A client
// masks it anew.
func (c *Conn) WritePrepared(ctx context.Context, m *Prepared) error {
	if !c.isServer() {
		return c.Write(ctx, m.typ, m.payload)
	}
	frame, learn := m.plain, false
	if c.compressed() {
		if f := m.frame(c.agreed.compression.FromServer(), c.options.compression); len(f) > 0 {
			frame, learn = f, true
		}
	}
	if err := c.acquireMessage(ctx); err != nil {
		return err
	}
	buf := getBuffer(len(frame))
	out := c.takeQueue((*buf)[:0])
	err := c.proto.MayWrite()
	if err == nil {
		out = append(out, frame...)
		c.noteEncoded(frame)
		if learn {
			c.proto.Learn(m.payload)
		}
	}
	return c.transmit(ctx, buf, out, err)
}

// frame is the compressed frame for connections that send in direction d, empty
// if compressing it is of no use.
func (m *Prepared) frame(d deflate.Direction, o *deflate.Options) []byte {
	if len(m.payload) < o.ThresholdBytes {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.tried[d.WindowBits] {
		m.tried[d.WindowBits] = true
		if p := deflate.Append(nil, m.payload, d, o); len(p) < len(m.payload) {
			h := wire.Header{Fin: true, RSV: wire.RSV1, Opcode: opcode(m.typ), Length: int64(len(p))}
			m.compressed[d.WindowBits] = append(wire.AppendHeader(nil, h), p...)
		}
	}
	return m.compressed[d.WindowBits]
}
