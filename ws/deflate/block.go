package deflate

import (
	"encoding/binary"
	"slices"
)

// token is a literal, its value, or with the top bit set a match:
//
//	 31  30..23        22..15  14..0
//	+---+-------------+-------+--------------+
//	| 1 | length - 3  |   0   | distance - 1 |
//	+---+-------------+-------+--------------+
type token uint32

const matchToken token = 1 << 31

func newMatch(length, dist int) token {
	return matchToken | token(length-lengthMin)<<23 | token(dist-1)
}

func (t token) lengthIndex() uint32 { return uint32(t) >> 23 & 0xFF }
func (t token) distIndex() uint32   { return uint32(t) & 0x7FFF }

// tokensMax bounds a block: with fewer symbols a code fits less well, with more
// it changes too late.
const tokensMax = 1 << 14

// encoder writes DEFLATE blocks. It is scratch memory that is used for one
// message at a time, and bits holds what does not fill a byte yet.
type encoder struct {
	bits  uint64
	nbits uint

	tokens    []token // of the block under way; its room is tokensMax
	litFreqs  [literalCodes]uint32
	distFreqs [distCodes]uint32

	litCodes  [literalCodes]code
	distCodes [distCodes]code
	codes     coder
	header    header
}

func (e *encoder) reset() { e.bits, e.nbits = 0, 0 }

// startBlock forgets the tokens of the last one.
func (e *encoder) startBlock() {
	e.tokens = e.tokens[:0]
	clear(e.litFreqs[:])
	clear(e.distFreqs[:])
}

// put adds n bits, at most 16, to dst.
func (e *encoder) put(dst []byte, v uint64, n uint) []byte {
	e.bits |= v << e.nbits
	e.nbits += n
	for e.nbits >= 8 {
		dst = append(dst, byte(e.bits))
		e.bits >>= 8
		e.nbits -= 8
	}
	return dst
}

// pad fills the byte under way with zeros.
func (e *encoder) pad(dst []byte) []byte {
	if e.nbits > 0 {
		dst = append(dst, byte(e.bits))
	}
	e.bits, e.nbits = 0, 0
	return dst
}

// sync ends a message or a part of it with an empty stored block, less the four
// bytes that every such block ends with (RFC 7692 §7.2.1).
func (e *encoder) sync(dst []byte) []byte {
	return e.pad(e.put(dst, 0, 3))
}

// The two bits after BFINAL (RFC 1951 §3.2.3), with BFINAL clear.
const (
	blockStored  = 0 << 1
	blockFixed   = 1 << 1
	blockDynamic = 2 << 1
)

// appendBlock writes the tokens, which stand for raw, in the shortest of the
// three ways.
func (e *encoder) appendBlock(dst, raw []byte, level Level) []byte {
	extra := uint32(0)
	matches := uint32(0)
	for i := firstLength; i < literalCodes; i++ {
		extra += e.litFreqs[i] * uint32(lengths[i-firstLength].extra)
		matches += e.litFreqs[i]
	}
	for i, f := range e.distFreqs {
		extra += f * uint32(dists[i].extra)
	}
	e.litFreqs[endOfBlock] = 1

	best := 3 + extra + 5*matches
	for i, f := range e.litFreqs {
		best += f * uint32(fixedLengths[i])
	}
	lits, dist := &fixedCodes, &fixedDistCodes
	kind := uint64(blockFixed)

	// A code of the block's own costs its description and the time to find it.
	// It rarely saves more than 3 bits of a symbol, so few symbols are not worth a try.
	if len(e.tokens) > tokensMin[level] {
		if n := e.plan(matches) + extra; n < best {
			best, kind = n, blockDynamic
			assignCodes(e.litCodes[:], e.header.lits[:])
			assignCodes(e.distCodes[:], e.header.dists[:])
			lits, dist = &e.litCodes, &e.distCodes
		}
	}
	if storedBits(len(raw)) <= best {
		return e.appendStored(dst, raw)
	}
	dst = e.put(dst, kind, 3)
	if kind == blockDynamic {
		dst = e.header.append(e, dst)
	}
	return e.appendTokens(dst, best, lits, dist)
}

// tokensMin is from how many tokens on a code of the block's own is tried. Its
// description takes 30 bytes at the very least, 60 in general; finding it, 2 to
// 4 microseconds.
var tokensMin = [...]int{LevelDefault: 80, LevelFast: 200}

// plan finds codes for the block and returns what it takes in bits, extra bits
// of lengths and distances aside.
func (e *encoder) plan(matches uint32) uint32 {
	if matches == 0 {
		// One code of one bit, which never occurs: the way to say "none" that
		// every decoder understands.
		e.distFreqs[0] = 1
	}
	h := &e.header
	e.codes.lengths(h.lits[:], e.litFreqs[:], codeBitsMax)
	e.codes.lengths(h.dists[:], e.distFreqs[:], codeBitsMax)
	if matches == 0 {
		e.distFreqs[0] = 0
	}
	n := 3 + h.plan(&e.codes)
	for i, f := range e.litFreqs {
		n += f * uint32(h.lits[i])
	}
	for i, f := range e.distFreqs {
		n += f * uint32(h.dists[i])
	}
	return n
}

// storedMax is the most bytes of one stored block.
const storedMax = 1<<16 - 1

// storedBits is what n bytes take in stored blocks, at most.
func storedBits(n int) uint32 {
	blocks := (n + storedMax - 1) / storedMax
	return uint32(8*n + blocks*(3+7+32))
}

// appendStored writes raw as it is (RFC 1951 §3.2.4).
func (e *encoder) appendStored(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n := min(len(raw), storedMax)
		dst = e.pad(e.put(dst, blockStored, 3))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, raw[:n]...)
		raw = raw[n:]
	}
	return dst
}

// appendTokens writes the tokens and the end of the block. bits is an upper
// bound of what that takes.
func (e *encoder) appendTokens(dst []byte, bits uint32, lits *[literalCodes]code, dist *[distCodes]code) []byte {
	// Eight bytes are written at a time, of which the last few may not count.
	pos := len(dst)
	dst = slices.Grow(dst, int(bits/8)+16)
	out := dst[:cap(dst)]
	acc, n := e.bits, e.nbits
	for _, t := range e.tokens {
		// At most 7 bits are left from before, and a match takes at most 48.
		if t < matchToken {
			c := lits[uint8(t)]
			acc |= c.bits() << (n & 63)
			n += c.len()
		} else {
			l := uint32(lengthCodes[t.lengthIndex()])
			c := lits[firstLength+l]
			acc |= c.bits() << (n & 63)
			n += c.len()
			acc |= uint64(t.lengthIndex()+lengthMin-uint32(lengths[l].base)) << (n & 63)
			n += uint(lengths[l].extra)

			d := distCode(t.distIndex())
			c = dist[d]
			acc |= c.bits() << (n & 63)
			n += c.len()
			acc |= uint64(t.distIndex()+1-uint32(dists[d].base)) << (n & 63)
			n += uint(dists[d].extra)
		}
		binary.LittleEndian.PutUint64(out[pos:], acc)
		pos += int(n >> 3)
		acc >>= n &^ 7 & 63
		n &= 7
	}
	e.bits, e.nbits = acc, n
	c := lits[endOfBlock]
	return e.put(dst[:pos], c.bits(), c.len())
}
