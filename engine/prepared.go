package engine

import (
	"github.com/godwit-io/godwit/engine/internal/outbox"
	"github.com/godwit-io/godwit/ws/deflate"
)

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

// WritePrepared sends messages that were prepared, all or none of them, as Write
// would. A large one is not copied, however long it has to wait.
func (c *Conn) WritePrepared(messages ...*Prepared) error {
	size := 0
	for _, m := range messages {
		size += m.Len()
	}
	c.mu.Lock()
	err := c.admit(size, len(messages))
	if err == nil {
		err = c.proto.MayWrite()
	}
	if err == nil && len(messages) > 0 {
		o := c.box()
		for _, m := range messages {
			c.encodePrepared(o, m)
		}
	}
	c.unlockAndSend()
	return err
}

// encodePrepared appends m to o, which is or will be c's; mu is held.
func (c *Conn) encodePrepared(o *outbox.Outbox, m *Prepared) {
	frame := c.frameOf(m)
	if len(frame) >= outbox.SharedBytesMin && c.canScatter() {
		o.Refer(frame)
	} else {
		o.Bytes = append(o.Bytes, frame...)
	}
	o.Mark()
	c.queued += len(frame)
}

// frameOf returns the frame that c sends for m, and tells c's compressor of it.
// It must be sent next. mu is held.
func (c *Conn) frameOf(m *Prepared) []byte {
	if !c.proto.Compressed() {
		return m.Frame()
	}
	frame := m.CompressedFrame(c.extra.rare.compression.FromServer(), c.loop.server.settings.compression)
	if frame == nil {
		return m.Frame()
	}
	c.proto.Learn(m.Payload())
	return frame
}

// formOf returns m compressed for a window of form bits, or as it is for 0 and
// when compression is of no use.
func formOf(m *Prepared, form int, o *deflate.Options) []byte {
	if form > 0 {
		if frame := m.CompressedFrame(deflate.Direction{WindowBits: form}, o); frame != nil {
			return frame
		}
	}
	return m.Frame()
}
