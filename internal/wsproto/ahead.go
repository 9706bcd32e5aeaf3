package wsproto

import "github.com/godwit-io/godwit/ws/wire"

// Ahead returns the opcode of the frame under way or, between frames, of the one
// that p begins with; false when nothing of it has arrived. It decodes nothing:
// a driver asks when it has to decide whether Next may be called yet.
func (c *Conn) Ahead(p []byte) (op wire.Opcode, ok bool) {
	switch {
	case c.inFrame:
		return c.frameOp, true
	case c.headerLen > 0:
		return wire.Opcode(c.header[0] & 0x0f), true
	case len(p) > 0:
		return wire.Opcode(p[0] & 0x0f), true
	}
	return 0, false
}
