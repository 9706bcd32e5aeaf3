package deflate

import (
	"encoding/binary"
	"sync"
)

// decoder reads DEFLATE blocks (RFC 1951) from input that arrives in any parts
// and writes to output that may end anywhere. It is what a message under way
// needs, and is shared by all connections between messages.
type decoder struct {
	bits  uint64 // what was read of the input and not used yet, lowest bit first
	nbits uint

	state decoderState
	final bool // the block under way is the last of its stream
	fresh bool // a stream begins here: there is nothing that has to end

	left   int // bytes of a stored block, or of a match, that are to be written
	dist   int // of the match
	lits   *litTable
	dists  *distTable
	tail   int    // how much of blockTail was read
	window window // of an Inflater that keeps none

	nlit, ndist, norder int
	nlens               int
	lens                [literalCodes + 2 + distCodes + 2]uint8
	orderLens           [orderCodes]uint8
	order               orderTable
	ownLits             litTable
	ownDists            distTable
}

type decoderState uint8

const (
	stateBlock  decoderState = iota // the three bits that begin a block
	stateStored                     // the length of a stored block
	stateBytes                      // the bytes of one
	stateCounts                     // the three counts that begin a dynamic block
	stateOrder                      // the code length code
	stateLens                       // the code lengths
	stateTokens                     // literals and matches
	stateMatch                      // the rest of a match
)

// status is why a decoder stopped.
type status uint8

const (
	needInput status = iota
	needRoom         // there is at least one more byte to write
	goOn             // not stopped: the state has changed
	corrupt
	tooFar
)

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func (d *decoder) reset() {
	d.bits, d.nbits = 0, 0
	d.state = stateBlock
	d.final, d.fresh = false, true
	d.left, d.tail = 0, 0
	d.window.reset()
}

// run reads from src and writes to dst[n:] until one of them ends. In front of
// dst lies what win holds; a match may reach back at most reach bytes. It
// returns where it stopped in dst, and how much of src is in use.
func (d *decoder) run(dst []byte, n int, src []byte, win *window, reach int) (end, used int, st status) {
	in := 0
	for {
		switch d.state {
		case stateBlock:
			if !d.need(3, src, &in) {
				return n, in, needInput
			}
			d.fresh = false
			v := d.take(3)
			d.final = v&1 != 0
			switch v >> 1 {
			case 0:
				d.skip(d.nbits & 7)
				d.state = stateStored
			case 1:
				d.lits, d.dists = fixedLits, fixedDists
				d.state = stateTokens
			case 2:
				d.state = stateCounts
			default:
				return n, in, corrupt
			}

		case stateStored:
			if !d.need(32, src, &in) {
				return n, in, needInput
			}
			v := uint32(d.take(32))
			if v&0xFFFF != ^v>>16 {
				return n, in, corrupt
			}
			d.left = int(v & 0xFFFF)
			d.state = stateBytes

		case stateBytes:
			for d.left > 0 && d.nbits > 0 { // bytes that were read ahead
				if n == len(dst) {
					return n, in, needRoom
				}
				dst[n] = byte(d.take(8))
				n++
				d.left--
			}
			k := min(d.left, len(dst)-n, len(src)-in)
			copy(dst[n:n+k], src[in:])
			n, in, d.left = n+k, in+k, d.left-k
			if d.left > 0 {
				if n == len(dst) {
					return n, in, needRoom
				}
				return n, in, needInput
			}
			d.endBlock()

		case stateCounts, stateOrder, stateLens:
			if st = d.readCodes(src, &in); st != goOn {
				return n, in, st
			}

		case stateTokens:
			if n, in, st = d.tokens(dst, n, src, in, win, reach); st != goOn {
				return n, in, st
			}

		case stateMatch:
			k := min(d.left, len(dst)-n)
			copyMatch(dst, n, k, d.dist, win)
			n += k
			if d.left -= k; d.left > 0 {
				return n, in, needRoom
			}
			d.state = stateTokens
		}
	}
}

// endBlock leaves a block. After the last of a stream there may be another
// stream in the same message, which begins at a byte (RFC 7692 §7.2.3.4).
func (d *decoder) endBlock() {
	d.state = stateBlock
	if d.final {
		d.final, d.fresh = false, true
		d.skip(d.nbits & 7)
	}
}

// need reads ahead until there are n bits, at most 32, and reports whether
// there are.
func (d *decoder) need(n uint, src []byte, in *int) bool {
	if d.nbits >= n {
		return true
	}
	i := *in
	for d.nbits < n && i < len(src) {
		d.bits |= uint64(src[i]) << d.nbits
		d.nbits += 8
		i++
	}
	*in = i
	return d.nbits >= n
}

// take uses n bits, which must be there.
func (d *decoder) take(n uint) uint64 {
	v := d.bits & (1<<n - 1)
	d.bits >>= n
	d.nbits -= n
	return v
}

func (d *decoder) skip(n uint) {
	d.bits >>= n
	d.nbits -= n
}

// readCodes reads the description of a dynamic block's codes (RFC 1951 §3.2.7).
func (d *decoder) readCodes(src []byte, in *int) status {
	if d.state == stateCounts {
		if !d.need(14, src, in) {
			return needInput
		}
		d.nlit = int(d.take(5)) + firstLength
		d.ndist = int(d.take(5)) + 1
		d.norder = int(d.take(4)) + 4
		if d.nlit > literalCodes || d.ndist > distCodes {
			return corrupt
		}
		d.orderLens = [orderCodes]uint8{}
		d.nlens = 0
		d.state = stateOrder
	}
	if d.state == stateOrder {
		for ; d.nlens < d.norder; d.nlens++ {
			if !d.need(3, src, in) {
				return needInput
			}
			d.orderLens[codeOrder[d.nlens]] = uint8(d.take(3))
		}
		if !buildTable(d.order[:], orderRoot, d.orderLens[:], orderEntry[:]) {
			return corrupt
		}
		d.nlens = 0
		d.state = stateLens
	}
	for total := d.nlit + d.ndist; d.nlens < total; {
		// A symbol and its extra bits take at most 14.
		d.need(14, src, in)
		e := d.order[d.bits&(1<<orderRoot-1)]
		if e.codeLen() > d.nbits {
			return needInput
		}
		if e&entrySpecial != 0 {
			return corrupt
		}
		symbol := e.value()
		if symbol < 16 {
			d.skip(e.codeLen())
			d.lens[d.nlens] = uint8(symbol)
			d.nlens++
			continue
		}
		extra := runBits[symbol-16]
		if e.codeLen()+extra > d.nbits {
			return needInput
		}
		d.skip(e.codeLen())
		times := int(d.take(extra))
		var v uint8
		switch symbol {
		case 16:
			if d.nlens == 0 {
				return corrupt
			}
			times += 3
			v = d.lens[d.nlens-1]
		case 17:
			times += 3
		case 18:
			times += 11
		}
		if times > total-d.nlens {
			return corrupt
		}
		for range times {
			d.lens[d.nlens] = v
			d.nlens++
		}
	}
	if d.lens[endOfBlock] == 0 {
		return corrupt // the block could not end
	}
	if !buildTable(d.ownLits[:], litRoot, d.lens[:d.nlit], litEntry[:]) ||
		!buildTable(d.ownDists[:], distRoot, d.lens[d.nlit:d.nlit+d.ndist], distEntry[:]) {
		return corrupt
	}
	d.lits, d.dists = &d.ownLits, &d.ownDists
	d.state = stateTokens
	return goOn
}

// tokens decodes until the block, the input or the room ends.
func (d *decoder) tokens(dst []byte, n int, src []byte, in int, win *window, reach int) (end, used int, st status) {
	n, in, st = d.tokensFast(dst, n, src, in, win, reach)
	for st == needInput {
		// One token, only if it is there as a whole: up to 15+5+15+13 bits.
		for d.nbits <= 56 && in < len(src) {
			d.bits |= uint64(src[in]) << d.nbits
			d.nbits += 8
			in++
		}
		b, have := d.bits, d.nbits
		e := d.lits[b&(1<<litRoot-1)]
		if e&(entrySpecial|entryEnd) == entrySpecial && e.extra() > 0 {
			if have < litRoot {
				return n, in, needInput
			}
			b, have = b>>litRoot, have-litRoot
			e = d.lits[e.value()+int(b&(1<<e.extra()-1))]
		}
		if e.codeLen() > have {
			return n, in, needInput
		}
		b, have = b>>e.codeLen(), have-e.codeLen()
		if e&entryLiteral != 0 {
			if n == len(dst) {
				return n, in, needRoom
			}
			dst[n] = byte(e >> 16)
			n++
			d.bits, d.nbits = b, have
			continue
		}
		if e&entrySpecial != 0 {
			if e.invalid() {
				return n, in, corrupt
			}
			d.bits, d.nbits = b, have
			d.endBlock()
			return n, in, goOn
		}

		if e.extra() > have {
			return n, in, needInput
		}
		length := e.value() + int(b&(1<<e.extra()-1))
		b, have = b>>e.extra(), have-e.extra()

		e = d.dists[b&(1<<distRoot-1)]
		if e&entrySpecial != 0 && e.extra() > 0 {
			if have < distRoot {
				return n, in, needInput
			}
			b, have = b>>distRoot, have-distRoot
			e = d.dists[e.value()+int(b&(1<<e.extra()-1))]
		}
		if e.codeLen() > have {
			return n, in, needInput
		}
		if e&entrySpecial != 0 {
			return n, in, corrupt
		}
		b, have = b>>e.codeLen(), have-e.codeLen()
		if e.extra() > have {
			return n, in, needInput
		}
		dist := e.value() + int(b&(1<<e.extra()-1))
		b, have = b>>e.extra(), have-e.extra()

		if dist > reach || dist > n+win.have {
			return n, in, tooFar
		}
		d.bits, d.nbits = b, have
		k := min(length, len(dst)-n)
		copyMatch(dst, n, k, dist, win)
		n += k
		if k < length {
			d.left, d.dist = length-k, dist
			d.state = stateMatch
			return n, in, needRoom
		}
	}
	return n, in, st
}

// tokensFast decodes as long as neither input nor room can run out within a
// token: eight bytes of input are read at once, and a match may write a few
// bytes more than it has.
func (d *decoder) tokensFast(dst []byte, n int, src []byte, in int, win *window, reach int) (end, used int, st status) {
	const room = 2 + lengthMax + 8 // literals, a match, and what it writes too much
	lits, dists := d.lits, d.dists
	b, have := d.bits, d.nbits
	st = needInput
	for in+8 <= len(src) && n+room <= len(dst) {
		// Fill up to at least 56 bits. Whole bytes count; what is read beyond
		// them will be read again, and is the same.
		b |= binary.LittleEndian.Uint64(src[in:]) << (have & 63)
		in += int(63-have) >> 3
		have |= 56

		e := lits[b&(1<<litRoot-1)]
		if e&entryLiteral != 0 {
			b, have = b>>(e.codeLen()&63), have-e.codeLen()
			dst[n] = byte(e >> 16)
			n++
			e = lits[b&(1<<litRoot-1)]
			if e&entryLiteral != 0 {
				b, have = b>>(e.codeLen()&63), have-e.codeLen()
				dst[n] = byte(e >> 16)
				n++
				e = lits[b&(1<<litRoot-1)]
				if e&entryLiteral != 0 {
					b, have = b>>(e.codeLen()&63), have-e.codeLen()
					dst[n] = byte(e >> 16)
					n++
					continue
				}
			}
			if have < 48 {
				continue // it is found again with more input behind it
			}
		}
		if e&entrySpecial != 0 {
			if e&entryEnd == 0 && e.extra() > 0 {
				b, have = b>>litRoot, have-litRoot
				e = lits[e.value()+int(b&(1<<e.extra()-1))]
			}
			if e&entryLiteral != 0 {
				b, have = b>>(e.codeLen()&63), have-e.codeLen()
				dst[n] = byte(e >> 16)
				n++
				continue
			}
			if e&entrySpecial != 0 {
				if e.invalid() {
					st = corrupt
					break
				}
				b, have = b>>(e.codeLen()&63), have-e.codeLen()
				d.bits, d.nbits = b&(1<<have-1), have
				d.endBlock()
				return n, in, goOn
			}
		}
		b, have = b>>(e.codeLen()&63), have-e.codeLen()
		length := e.value() + int(b&(1<<e.extra()-1))
		b, have = b>>e.extra(), have-e.extra()

		e = dists[b&(1<<distRoot-1)]
		if e&entrySpecial != 0 {
			if e.extra() > 0 {
				b, have = b>>distRoot, have-distRoot
				e = dists[e.value()+int(b&(1<<e.extra()-1))]
			}
			if e&entrySpecial != 0 {
				st = corrupt
				break
			}
		}
		b, have = b>>(e.codeLen()&63), have-e.codeLen()
		dist := e.value() + int(b&(1<<e.extra()-1))
		b, have = b>>e.extra(), have-e.extra()

		switch {
		case dist > reach || dist > n+win.have:
			d.bits, d.nbits = b&(1<<have-1), have
			return n, in, tooFar
		case dist > n || dist < 8:
			copyMatch(dst, n, length, dist, win)
		default:
			// Eight at a time: the bytes read were written at least eight ago.
			from, to := dst[n-dist:], dst[n:n+length+8]
			for i := 0; i < length; i += 8 {
				binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(from[i:]))
			}
		}
		n += length
	}
	d.bits, d.nbits = b&(1<<have-1), have
	return n, in, st
}

// copyMatch writes to dst[n:n+length] what lies dist before, where win lies
// before dst.
func copyMatch(dst []byte, n, length, dist int, win *window) {
	if dist > n {
		k := min(length, dist-n)
		win.read(dst[n:n+k], dist-n)
		n, length = n+k, length-k
	}
	// What overlaps repeats: each copy doubles what can be copied.
	for length > 0 {
		k := copy(dst[n:n+length], dst[n-dist:n])
		n, length, dist = n+k, length-k, dist+k
	}
}
