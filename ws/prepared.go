//go:build !js

package ws

import "context"

// WritePrepared sends a message that was prepared, as Write would. A client
// masks it anew.
func (c *Conn) WritePrepared(ctx context.Context, m *Prepared) error {
	if !c.isServer() {
		return c.Write(ctx, m.Type(), m.Payload())
	}
	frame, compressed := m.Frame(), false
	if c.compressed() {
		if f := m.CompressedFrame(c.agreed.compression.FromServer(), c.options.Compression); f != nil {
			frame, compressed = f, true
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
		if compressed {
			c.proto.Learn(m.Payload())
		}
	}
	return c.transmit(ctx, buf, out, err)
}
