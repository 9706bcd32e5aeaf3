package wire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// UTF8 validates a text message that arrives in parts (RFC 6455 §8.1). It
// fails at the first byte that cannot be part of valid UTF-8, also when the
// character it belongs to is not complete yet. The zero value is ready for a
// message. It is not safe for concurrent use.
type UTF8 struct {
	// The unfinished character at the end of what was seen: the bytes still to
	// come, and the range that the next of them must lie in. Overlong forms,
	// surrogates and values past U+10FFFF are all excluded by the range of the
	// second byte (Unicode, table 3-7).
	need     uint8
	min, max uint8
}

// The shortest slices that go to assembly: asciiAVX2 loads whole vectors, and
// utf8AVX2 looks at a vector and the three bytes before it.
const (
	asciiAVX2Min = 32
	utf8AVX2Min  = 32 + 3
)

// Write takes the next part of the message and reports whether everything so
// far can be the beginning of valid UTF-8. After false the state is
// meaningless until Reset.
func (u *UTF8) Write(p []byte) bool {
	for u.need > 0 {
		if len(p) == 0 {
			return true
		}
		if p[0] < u.min || p[0] > u.max {
			return false
		}
		u.need--
		u.min, u.max = 0x80, 0xBF
		p = p[1:]
	}

	ascii := 0
	if hasAVX2 && len(p) >= asciiAVX2Min {
		ascii = asciiAVX2(p)
	} else {
		ascii = asciiWords(p)
	}
	return ascii == len(p) || u.text(p, ascii)
}

// Done reports whether the message may end here.
func (u *UTF8) Done() bool { return u.need == 0 }

// Reset makes u ready for the next message.
func (u *UTF8) Reset() { *u = UTF8{} }

// text takes p, of which the first ascii bytes are known to be ASCII. It is apart
// from Write so that plain ASCII does not pay for its registers.
func (u *UTF8) text(p []byte, ascii int) bool {
	// Few short parts end within a character, so this is tried before looking.
	if len(p) < utf8AVX2Min && utf8.Valid(p[ascii:]) {
		return true
	}

	// Whatever can be an unfinished character lies in the last three bytes.
	whole := len(p) - unfinished(p)
	if hasAVX2 && whole >= utf8AVX2Min {
		// A short rest takes some of the ASCII along: that is quicker than going
		// through it byte by byte.
		if !utf8AVX2(p[min(ascii, whole-utf8AVX2Min):whole]) || unfinished(p[:whole]) != 0 {
			return false
		}
	} else if !utf8.Valid(p[ascii:whole]) {
		return false
	}
	return whole == len(p) || u.begin(p[whole:])
}

// begin takes the unfinished character in tail.
func (u *UTF8) begin(tail []byte) bool {
	u.min, u.max = 0x80, 0xBF
	switch b := tail[0]; {
	case b >= 0xC2 && b <= 0xDF:
		u.need = 1
	case b >= 0xE0 && b <= 0xEF:
		u.need = 2
		switch b {
		case 0xE0:
			u.min = 0xA0
		case 0xED:
			u.max = 0x9F
		}
	case b >= 0xF0 && b <= 0xF4:
		u.need = 3
		switch b {
		case 0xF0:
			u.min = 0x90
		case 0xF4:
			u.max = 0x8F
		}
	default:
		return false
	}
	return len(tail) == 1 || u.Write(tail[1:])
}

// unfinished returns how many bytes at the end of p begin a character that p
// does not complete.
func unfinished(p []byte) int {
	for i := 1; i <= 3 && i <= len(p); i++ {
		b := p[len(p)-i]
		if b < 0x80 {
			return 0
		}
		if b >= 0xC0 { // a leading byte: how long is its character?
			length := 2
			if b >= 0xF0 {
				length = 4
			} else if b >= 0xE0 {
				length = 3
			}
			if length > i {
				return i
			}
			return 0
		}
	}
	return 0
}

// asciiWords returns the length of the prefix of p that is plain ASCII.
func asciiWords(p []byte) int {
	const high = 0x8080808080808080
	rest := p
	for len(rest) >= 64 {
		v := rest[:64:64]
		w := binary.LittleEndian.Uint64(v) | binary.LittleEndian.Uint64(v[8:]) |
			binary.LittleEndian.Uint64(v[16:]) | binary.LittleEndian.Uint64(v[24:]) |
			binary.LittleEndian.Uint64(v[32:]) | binary.LittleEndian.Uint64(v[40:]) |
			binary.LittleEndian.Uint64(v[48:]) | binary.LittleEndian.Uint64(v[56:])
		if w&high != 0 {
			break
		}
		rest = rest[64:]
	}
	if len(rest) >= 32 {
		v := rest[:32:32]
		w := binary.LittleEndian.Uint64(v) | binary.LittleEndian.Uint64(v[8:]) |
			binary.LittleEndian.Uint64(v[16:]) | binary.LittleEndian.Uint64(v[24:])
		if w&high == 0 {
			rest = rest[32:]
		}
	}
	for len(rest) >= 8 {
		if w := binary.LittleEndian.Uint64(rest) & high; w != 0 {
			return len(p) - len(rest) + bits.TrailingZeros64(w)/8
		}
		rest = rest[8:]
	}
	if len(rest) >= 4 && binary.LittleEndian.Uint32(rest)&(high>>32) == 0 {
		rest = rest[4:]
	}
	for i, b := range rest {
		if b >= utf8.RuneSelf {
			return len(p) - len(rest) + i
		}
	}
	return len(p)
}
