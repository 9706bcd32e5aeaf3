package deflate

import (
	"encoding/binary"
	"math/bits"
)

// history is what a compressor may refer back to, and where in it four bytes
// occurred last:
//
//	buf    0 ............ len-k ........ len            at most 2 windows
//	       | what was sent  | being sent |
//	table  hash of 4 bytes -> two positions in buf, the newer in the low half
//
// Positions are 16 bits, as buf never exceeds 64 KiB. Nothing depends on the
// table being right: a position counts only if it lies before the present one,
// within the window, and the bytes there are equal. That makes it cheap to
// forget (no table is cleared for a message that is taken back).
//
// Both grow with what was sent: a connection that has sent 2 KiB owns 2 KiB of
// buf and as much of table.
type history struct {
	buf    []byte
	table  []uint32
	shift  uint8 // of the hash, so that it fits the table
	window int   // how far back a match may reach: 1<<8 to 1<<15
}

// historyBytesMin is the least buf that is worth allocating.
const historyBytesMin = 1 << 10

// bytesMax is how long buf may get: sliding every so often is cheap, and a
// window of 256 bytes should not make messages blocks of 256 bytes.
func (h *history) bytesMax() int { return max(2*h.window, 4<<10) }

// add appends the front of p to buf, making room first, and returns how much of
// it. At least a quarter of bytesMax fits.
func (h *history) add(p []byte) int {
	n := min(len(p), chunkMax)
	if len(h.buf)+n > cap(h.buf) {
		if cap(h.buf) < h.bytesMax() {
			h.grow(min(len(h.buf)+n, h.bytesMax()))
		}
		if len(h.buf)+n > cap(h.buf) {
			h.slide()
			n = min(n, cap(h.buf)-len(h.buf))
		}
	}
	h.buf = append(h.buf, p[:n]...)
	return n
}

// chunkMax is the most of a message that is made into one block.
const chunkMax = tokensMax

// restart forgets everything, for a message of n bytes on its own. The table is
// only as large as suits them, so that a short message does not pay for
// clearing a large one, and clear, so that the same message always gives the
// same bytes.
func (h *history) restart(n int) {
	h.buf = h.buf[:0]
	size := min(max(n, historyBytesMin), h.bytesMax())
	if cap(h.buf) < size {
		h.grow(size)
		return
	}
	size = 1 << bits.Len(uint(size-1))
	h.setTable(h.table[:cap(h.table)][:size/4])
	clear(h.table)
}

// truncate takes the last n bytes back.
func (h *history) truncate(n int) { h.buf = h.buf[:max(0, len(h.buf)-n)] }

// learn adds p without making tokens of it.
func (h *history) learn(p []byte) {
	p = p[max(0, len(p)-h.window):]
	for len(p) > 0 {
		n := h.add(p)
		p = p[n:]
		for i := len(h.buf) - n; i <= len(h.buf)-4; i += insertStep {
			h.insert(i)
		}
	}
}

// grow makes buf at least size bytes, rounded up to a power of two, and a table
// that suits it.
func (h *history) grow(size int) {
	size = max(1<<bits.Len(uint(size-1)), historyBytesMin)
	buf := make([]byte, len(h.buf), size)
	copy(buf, h.buf)
	h.buf = buf
	h.setTable(make([]uint32, size/4))
	for i := range len(buf) - 3 {
		h.insert(i)
	}
}

func (h *history) setTable(table []uint32) {
	h.table = table
	h.shift = uint8(32 - bits.Len(uint(len(table)-1)))
}

// slide drops what lies before the window.
func (h *history) slide() {
	if len(h.buf) <= h.window {
		return
	}
	by := uint32(len(h.buf) - h.window)
	h.buf = h.buf[:copy(h.buf, h.buf[by:])]
	for i, slot := range h.table {
		newer, older := slot&0xFFFF, slot>>16
		h.table[i] = newer - min(newer, by) | (older-min(older, by))<<16
	}
}

func (h *history) hash(v uint32) uint32 { return v * 0x9E3779B1 >> (h.shift & 31) }

func (h *history) insert(i int) {
	at := h.hash(binary.LittleEndian.Uint32(h.buf[i:]))
	h.table[at] = h.table[at]<<16 | uint32(i)
}

func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// common returns how many bytes at a and b, which is after a, are equal, at
// most up to end.
func common(buf []byte, a, b, end int) int {
	start := b
	for b+8 <= end {
		if x := load64(buf, a) ^ load64(buf, b); x != 0 {
			return b - start + bits.TrailingZeros64(x)>>3
		}
		a += 8
		b += 8
	}
	for b < end && buf[a] == buf[b] {
		a++
		b++
	}
	return b - start
}

// What looking for matches costs. Each is where more made messages no shorter
// that are worth compressing.
const (
	lazyMax    = 16 // a match this long is taken without a look at the next byte
	insertStep = 3  // inside a match, every so many places are noted
	skipShift  = 5  // after 32 bytes without a match every second is looked at, ...
)

// find returns the longest match of the bytes at i, and notes i. Length is 0
// when there is none of at least 4.
func (h *history) find(i int) (length, dist int) {
	buf, table := h.buf, h.table
	cur := load32(buf, i)
	at := int(h.hash(cur))
	if at >= len(table) {
		return 0, 0 // never, and so the compiler need not check below
	}
	slot := table[at]
	table[at] = slot<<16 | uint32(i)
	a, b := int(slot&0xFFFF), int(slot>>16)
	// As unsigned numbers, so that a position that is not before i is too far.
	if uint(i-a-1) < uint(h.window) && load32(buf, a) == cur {
		length, dist = 4+common(buf, a+4, i+4, min(len(buf), i+lengthMax)), i-a
	}
	if uint(i-b-1) < uint(h.window) && load32(buf, b) == cur {
		if length == 0 || i+length < len(buf) && buf[b+length] == buf[i+length] {
			if n := 4 + common(buf, b+4, i+4, min(len(buf), i+lengthMax)); n > length {
				length, dist = n, i-b
			}
		}
	}
	return length, dist
}

// tokenize turns buf from start on into tokens.
func (h *history) tokenize(e *encoder, start int, level Level) {
	buf := h.buf
	lazy := level != LevelFast
	i, pending := start, start // literals from pending to i are not written yet
	last := len(buf) - 4       // where four bytes begin for the last time
	for i <= last {
		length, dist := h.find(i)
		if length == 0 {
			// Data that has not matched for long will not: look less often.
			i += 1 + (i-pending)>>skipShift
			continue
		}
		if lazy {
			for length < lazyMax && i < last {
				l, d := h.find(i + 1)
				if l <= length {
					break
				}
				i++
				length, dist = l, d
			}
		}
		for i > pending && i-dist > 0 && length < lengthMax && buf[i-1] == buf[i-1-dist] {
			i--
			length++
		}
		e.literals(buf[pending:i])
		e.match(length, dist)
		next := i + length
		for i += 2; i < next && i <= last; i += insertStep {
			h.insert(i)
		}
		i, pending = next, next
	}
	e.literals(buf[pending:])
}

func (e *encoder) literals(p []byte) {
	for _, b := range p {
		e.litFreqs[b]++
		e.tokens = append(e.tokens, token(b))
	}
}

func (e *encoder) match(length, dist int) {
	t := newMatch(length, dist)
	e.litFreqs[firstLength+uint32(lengthCodes[t.lengthIndex()])]++
	e.distFreqs[distCode(t.distIndex())]++
	e.tokens = append(e.tokens, t)
}
