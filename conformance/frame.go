package conformance

import (
	"encoding/binary"

	"github.com/godwit-io/godwit/ws/wire"
)

// frame is a frame to send, right or wrong.
type frame struct {
	fin     bool
	rsv     uint8
	op      wire.Opcode
	payload []byte

	wrongMask bool     // masked by a server, or bare from a client
	key       *[4]byte // instead of a random key
	width     int      // bytes of the extended length, 0 for the shortest form
	claim     uint64   // announced instead of the payload's length, unless 0
}

func text(s string) frame     { return frame{fin: true, op: wire.Text, payload: []byte(s)} }
func binaryOf(b []byte) frame { return frame{fin: true, op: wire.Binary, payload: b} }
func cont(s string) frame     { return frame{fin: true, op: wire.Continuation, payload: []byte(s)} }
func ping(s string) frame     { return frame{fin: true, op: wire.Ping, payload: []byte(s)} }
func pong(s string) frame     { return frame{fin: true, op: wire.Pong, payload: []byte(s)} }

// message is a whole message in a frame.
func message(op wire.Opcode, s string) frame {
	return frame{fin: true, op: op, payload: []byte(s)}
}

// closing is a close frame with a code that need not be valid.
func closing(code wire.CloseCode, reason string) frame {
	return frame{fin: true, op: wire.Close, payload: append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)}
}

// closingRaw is a close frame with any payload.
func closingRaw(payload string) frame {
	return frame{fin: true, op: wire.Close, payload: []byte(payload)}
}

// more returns f as a frame that others follow.
func (f frame) more() frame {
	f.fin = false
	return f
}

func (f frame) withRSV(rsv uint8) frame {
	f.rsv = rsv
	return f
}

func (f frame) withWrongMask() frame {
	f.wrongMask = true
	return f
}

func (f frame) withKey(key [4]byte) frame {
	f.key = &key
	return f
}

// withWidth writes the length in 2 or 8 bytes though fewer would do.
func (f frame) withWidth(bytes int) frame {
	f.width = bytes
	return f
}

// withClaim announces another length than the payload has.
func (f frame) withClaim(length uint64) frame {
	f.claim = length
	return f
}

// header returns what f says in its header.
func (f frame) header(masked bool, key [4]byte) (h wire.Header, length uint64) {
	length = uint64(len(f.payload))
	if f.claim != 0 {
		length = f.claim
	}
	h = wire.Header{Fin: f.fin, RSV: f.rsv, Opcode: f.op, Masked: masked}
	if masked {
		h.Mask = key
	}
	return h, length
}

// encode returns the bytes of f, and how many of them are its header.
func (f frame) encode(masked bool, key [4]byte) (b []byte, headerBytes int) {
	h, length := f.header(masked, key)
	if f.width == 0 && length>>63 == 0 {
		h.Length = int64(length)
		b = wire.AppendHeader(nil, h)
	} else {
		b = appendWideHeader(nil, h, f.width, length)
	}
	headerBytes = len(b)
	b = append(b, f.payload...)
	if masked {
		wire.Mask(b[headerBytes:], key, 0)
	}
	return b, headerBytes
}

// appendWideHeader writes what wire.AppendHeader never would: a length that is
// not in its shortest form, or one of 2^63 and more.
func appendWideHeader(dst []byte, h wire.Header, width int, length uint64) []byte {
	h.Length = 0
	mask := h.Masked
	h.Masked = false
	dst = wire.AppendHeader(dst, h)
	if mask {
		dst[len(dst)-1] |= 0x80
	}
	if width == 2 {
		dst[len(dst)-1] |= 126
		dst = binary.BigEndian.AppendUint16(dst, uint16(length))
	} else {
		dst[len(dst)-1] |= 127
		dst = binary.BigEndian.AppendUint64(dst, length)
	}
	if mask {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}
