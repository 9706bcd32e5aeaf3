//go:build !js

package ws

import "context"

// WritePrepared sends messages that were prepared, as Write would, in one write. A
// client masks them anew, one after another.
func (c *Conn) WritePrepared(ctx context.Context, messages ...*Prepared) error {
	if !c.isServer() {
		for _, m := range messages {
			if err := c.Write(ctx, m.Type(), m.Payload()); err != nil {
				return err
			}
		}
		return nil
	}
	size := 0
	for _, m := range messages {
		frame, _ := c.frameOf(m) // made before the lock is taken
		size += len(frame)
	}
	if err := c.acquireMessage(ctx); err != nil {
		return err
	}
	buf := getBuffer(size)
	out := c.takeQueue((*buf)[:0])
	err := c.proto.MayWrite()
	if err == nil {
		for _, m := range messages {
			frame, compressed := c.frameOf(m)
			out = append(out, frame...)
			c.noteEncoded(frame)
			if compressed {
				c.proto.Learn(m.Payload())
			}
		}
	}
	return c.transmit(ctx, buf, out, err)
}

// frameOf returns the frame in which a server sends m, and whether it is compressed.
func (c *Conn) frameOf(m *Prepared) ([]byte, bool) {
	if c.compressed() {
		if f := m.CompressedFrame(c.agreed.compression.FromServer(), c.options.Compression); f != nil {
			return f, true
		}
	}
	return m.Frame(), false
}
