package deflate

import "math/bits"

// The two alphabets of RFC 1951 §3.2.5. A block is a sequence of literals,
// lengths (each with a distance) and one end of block.
const (
	endOfBlock   = 256
	firstLength  = 257
	literalCodes = 286 // 0..255 literals, 256 end of block, 257..285 lengths
	distCodes    = 30
	orderCodes   = 19 // the code that describes the other two (§3.2.7)

	lengthMin = 3
	lengthMax = 258

	codeBitsMax  = 15
	orderBitsMax = 7
)

// codeOrder is the order in which the lengths of the code length code are sent.
var codeOrder = [orderCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// interval is what one length or distance code stands for: base plus the value
// of so many extra bits.
type interval struct {
	base  uint16
	extra uint8
}

// lengths and dists are the tables of §3.2.5. They are regular, apart from
// length 258, which has a code of its own.
var (
	lengths = func() (t [literalCodes - firstLength]interval) {
		next := uint16(lengthMin)
		for i := range t {
			e := uint8(max(0, i/4-1))
			t[i] = interval{next, e}
			next += 1 << e
		}
		t[len(t)-1] = interval{lengthMax, 0}
		return t
	}()
	dists = func() (t [distCodes]interval) {
		next := uint16(1)
		for i := range t {
			e := uint8(max(0, i/2-1))
			t[i] = interval{next, e}
			next += 1 << e
		}
		return t
	}()
)

// lengthCodes maps a length less lengthMin to its index in lengths.
var lengthCodes = func() (t [lengthMax - lengthMin + 1]uint8) {
	for code, l := range lengths {
		for i := range 1 << l.extra {
			if n := int(l.base) + i; n <= lengthMax {
				t[n-lengthMin] = uint8(code)
			}
		}
	}
	return t
}()

// distCode returns the index in dists of a distance less one: two codes for
// each power of two, told apart by the bit below the highest.
func distCode(less1 uint32) uint32 {
	if less1 < 2 {
		return less1
	}
	n := uint32(bits.Len32(less1)) - 1
	return 2*n + less1>>(n-1)&1
}

// fixedLengths are the lengths of the fixed code (§3.2.6). Codes 286 and 287
// take part in it and may not occur.
var fixedLengths = func() (t [288]uint8) {
	for i := range t {
		switch {
		case i < 144:
			t[i] = 8
		case i < 256:
			t[i] = 9
		case i < 280:
			t[i] = 7
		default:
			t[i] = 8
		}
	}
	return t
}()

// fixedDistLengths are those of the fixed distance code, of which 30 and 31 may
// not occur.
var fixedDistLengths = func() (t [32]uint8) {
	for i := range t {
		t[i] = 5
	}
	return t
}()
