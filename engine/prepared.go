package engine

import "github.com/godwit-io/godwit/ws/deflate"

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

// WritePrepared sends a message that was prepared, as Write would. A large one is
// not copied, however long it has to wait.
func (c *Conn) WritePrepared(m *Prepared) error { return c.WritePreparedKey("", m) }

// WritePreparedKey is WritePrepared for the newest value of something that key
// names: with QueueConflate it takes the place of a message with the same key
// that is still waiting. An empty key names nothing.
func (c *Conn) WritePreparedKey(key string, m *Prepared) error {
	c.mu.Lock()
	err := c.put(key, m)
	c.unlockAndSend()
	return err
}

// put queues m; mu is held.
func (c *Conn) put(key string, m *Prepared) error {
	err := c.admit(m.Len(), 1)
	if err == nil {
		err = c.proto.MayWrite()
	}
	switch {
	case err != nil:
	case c.mustWait():
		c.wait(waiting{m: m, key: key, bytes: len(m.Frame()), messages: 1})
	default:
		c.encodePrepared(c.box(), m)
	}
	return err
}

// encodePrepared appends m to o, which is or will be c's; mu is held.
func (c *Conn) encodePrepared(o *outbox, m *Prepared) {
	frame := c.frameOf(m)
	if len(frame) >= sharedBytesMin && c.scatters() {
		o.refer(frame)
	} else {
		o.b = append(o.b, frame...)
	}
	o.mark()
	c.queued += len(frame)
}

// frameOf returns the frame that c sends for m, and tells c's compressor of it.
// It must be sent next. mu is held.
func (c *Conn) frameOf(m *Prepared) []byte {
	if !c.proto.Compressed() {
		return m.Frame()
	}
	frame := m.CompressedFrame(c.extra.compression.FromServer(), c.loop.server.settings.compression)
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
