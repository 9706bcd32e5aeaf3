package packet

import (
	"strconv"

	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/ws/wire"
)

// AppendText appends the text of the packet, which Parse reads, to dst. Its attachments
// are not among it. Args and Data must be valid JSON, and there must not be more than
// AttachmentsMax attachments.
func (p *Packet) AppendText(dst []byte) []byte {
	typ := p.Type
	if len(p.Attachments) > 0 && (typ == Event || typ == Ack) {
		typ += binaryEvent - Event
		dst = append(dst, '0'+byte(typ))
		dst = strconv.AppendInt(dst, int64(len(p.Attachments)), 10)
		dst = append(dst, '-')
	} else {
		dst = append(dst, '0'+byte(typ))
	}
	if p.Namespace != "" && p.Namespace != Main {
		dst = append(dst, p.Namespace...)
		dst = append(dst, ',')
	}
	if p.HasID {
		dst = strconv.AppendUint(dst, p.ID, 10)
	}
	switch p.Type {
	case Event:
		dst = append(dst, '[')
		dst = jsontext.AppendString(dst, p.Event)
		if len(p.Args) > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, p.Args...)
		dst = append(dst, ']')
	case Ack:
		dst = p.Args.AppendArray(dst)
	case Connect, ConnectError:
		dst = append(dst, p.Data...)
	}
	return dst
}

// Frames returns the packet as a server sends it over a WebSocket of Engine.IO 4: a text
// frame with the digit 4 and the text of the packet, and a binary frame for each
// attachment. They are whole and not masked, so all receivers can share them. The memory is
// new; attachments are copied.
func (p *Packet) Frames() [][]byte {
	frames := make([][]byte, 1, 1+len(p.Attachments))
	frames[0] = p.textFrame()
	for _, a := range p.Attachments {
		frames = append(frames, frame(wire.Binary, a))
	}
	return frames
}

// textFrame returns the frame of the text.
func (p *Packet) textFrame() []byte {
	size := 2*wire.HeaderBytesMax + len(p.Namespace) + 24 + len(p.Event) + len(p.Event)/8 + len(p.Args) + len(p.Data)
	return p.AppendFrame(make([]byte, 0, size))
}

// AppendFrame appends the first of the packet's Frames to dst, which is the only one if
// the packet has no attachments.
func (p *Packet) AppendFrame(dst []byte) []byte {
	// The text is written behind the longest header that it may need. It then moves to where
	// its header ends.
	start := len(dst)
	dst = append(dst, make([]byte, wire.HeaderBytesMax)...)
	dst = append(dst, '4')
	dst = p.AppendText(dst)
	text := dst[start+wire.HeaderBytesMax:]
	end := wire.AppendHeader(dst[:start], wire.Header{Fin: true, Opcode: wire.Text, Length: int64(len(text))})
	return append(end, text...)
}

func frame(op wire.Opcode, payload []byte) []byte {
	return wire.AppendFrame(make([]byte, 0, len(payload)+wire.HeaderBytesMax), true, op, payload)
}
