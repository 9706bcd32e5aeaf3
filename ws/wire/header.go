package wire

import (
	"encoding/binary"
	"errors"
)

const (
	// HeaderBytesMax is the longest frame header: 2 bytes, an 8-byte length
	// and a mask key.
	HeaderBytesMax = 14

	// ControlPayloadBytesMax is the longest payload of a control frame
	// (RFC 6455 §5.5).
	ControlPayloadBytesMax = 125
)

// Errors of ParseHeader. Each is a protocol error of the frame's sender.
var (
	ErrLengthNotMinimal = errors.New("wire: frame length is not in its shortest form")
	ErrLengthOverflow   = errors.New("wire: most significant bit of a 64-bit frame length is set")
)

// Header is everything in a frame before its payload.
type Header struct {
	Fin    bool    // the last frame of its message; always so for control frames
	RSV    uint8   // the three reserved bits, RSV1 is 4
	Opcode Opcode  // four bits; reserved ones may be among them
	Masked bool    // a mask key follows, as in every frame of a client
	Mask   [4]byte // zero unless Masked
	Length int64   // payload bytes, never negative
}

// The bits of Header.RSV.
const (
	RSV1 uint8 = 4
	RSV2 uint8 = 2
	RSV3 uint8 = 1
)

// ParseHeader decodes the header at the front of b and returns the bytes it
// occupies. n is 0, with no error, when b ends before the header does.
//
// It refuses what no frame may have: a length that is not minimal
// (RFC 6455 §5.2, "the minimal number of bytes MUST be used") or one of 2^63
// and more. Both are seen before the whole header has arrived. Whether the
// opcode, the reserved bits, the mask and the length fit the connection is the
// caller's to judge.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) < 2 {
		return Header{}, 0, nil
	}
	h.Fin = b[0]&0x80 != 0
	h.RSV = b[0] >> 4 & 7
	h.Opcode = Opcode(b[0] & 0xF)
	h.Masked = b[1]&0x80 != 0

	n = 2
	switch short := b[1] & 0x7F; short {
	case 126:
		if len(b) < 4 {
			return Header{}, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.Length < 126 {
			return Header{}, 0, ErrLengthNotMinimal
		}
		n = 4
	case 127:
		if len(b) < 10 {
			if len(b) > 2 && b[2]&0x80 != 0 {
				return Header{}, 0, ErrLengthOverflow
			}
			return Header{}, 0, nil
		}
		long := binary.BigEndian.Uint64(b[2:])
		if long>>63 != 0 {
			return Header{}, 0, ErrLengthOverflow
		}
		if long <= 0xFFFF {
			return Header{}, 0, ErrLengthNotMinimal
		}
		h.Length = int64(long)
		n = 10
	default:
		h.Length = int64(short)
	}
	if h.Masked {
		if len(b) < n+4 {
			return Header{}, 0, nil
		}
		h.Mask = [4]byte(b[n:])
		n += 4
	}
	return h, n, nil
}

// AppendHeader appends h to dst in its shortest form. h.Length must not be
// negative.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.Opcode)&0xF | h.RSV&7<<4
	if h.Fin {
		b0 |= 0x80
	}
	var b1 byte
	if h.Masked {
		b1 = 0x80
	}
	switch {
	case h.Length < 126:
		dst = append(dst, b0, b1|byte(h.Length))
	case h.Length <= 0xFFFF:
		dst = append(dst, b0, b1|126, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}

// AppendFrame appends a whole unmasked frame, as a server sends it, to dst.
func AppendFrame(dst []byte, fin bool, op Opcode, payload []byte) []byte {
	dst = AppendHeader(dst, Header{Fin: fin, Opcode: op, Length: int64(len(payload))})
	return append(dst, payload...)
}

// AppendMaskedFrame appends a whole masked frame, as a client sends it, to dst.
// payload is copied, not modified.
func AppendMaskedFrame(dst []byte, fin bool, op Opcode, mask [4]byte, payload []byte) []byte {
	dst = AppendHeader(dst, Header{Fin: fin, Opcode: op, Masked: true, Mask: mask, Length: int64(len(payload))})
	start := len(dst)
	dst = append(dst, payload...)
	Mask(dst[start:], mask, 0)
	return dst
}
