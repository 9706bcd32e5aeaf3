package deflate

import "sync"

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
	ending bool   // the message was read, and now blockTail is
	tail   int    // how much of it was
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
	d.ending = false
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

// ended reports whether a block ended with the last bit.
func (d *decoder) ended() bool { return d.state == stateBlock && d.nbits == 0 }

// endsHere reports whether a message may end without the tail: where a stream
// begins there is nothing to end. That is a message of no bytes at all, or one
// whose final block has no empty one behind it. No sender should write either,
// some do, and what they mean is plain.
func (d *decoder) endsHere() bool { return d.fresh && d.nbits == 0 }

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
