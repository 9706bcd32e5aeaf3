package conformance

import (
	"errors"
	"fmt"
)

// inflater reads DEFLATE blocks (RFC 1951) and watches what the standard
// library's reader does not tell: how far back they refer.
type inflater struct {
	src     []byte
	history []byte // what may be referred to before the first byte
	window  int    // the farthest that may be referred back

	pos  int // in src, of the next byte
	bits uint32
	held uint // how many bits are in bits
	out  []byte
	far  int // the farthest distance seen
}

// inflatedBytesMax bounds one message.
const inflatedBytesMax = 64 << 20

var errDeflateEnd = errors.New("the compressed data end in the middle of a block")

// run inflates all blocks of src. Data may follow a final block, since a sender
// may end one and begin another (RFC 7692 §7.2.3.4).
func (d *inflater) run() ([]byte, error) {
	for d.pos < len(d.src) || d.held >= 3 {
		header, err := d.take(3)
		if err != nil {
			return nil, err
		}
		final := header&1 != 0
		switch header >> 1 {
		case 0:
			err = d.stored()
		case 1:
			err = d.coded(fixedLiterals, fixedDistances)
		case 2:
			err = d.dynamic()
		default:
			err = errors.New("a block has the reserved type 3")
		}
		if err != nil {
			return nil, err
		}
		if final {
			d.bits, d.held = 0, 0 // the next block begins with a byte
		}
	}
	return d.out, nil
}

func (d *inflater) take(n uint) (uint32, error) {
	for d.held < n {
		if d.pos == len(d.src) {
			return 0, errDeflateEnd
		}
		d.bits |= uint32(d.src[d.pos]) << d.held
		d.pos++
		d.held += 8
	}
	v := d.bits & (1<<n - 1)
	d.bits >>= n
	d.held -= n
	return v, nil
}

func (d *inflater) stored() error {
	d.bits, d.held = 0, 0 // to the next byte; take never holds a whole one
	if len(d.src)-d.pos < 4 {
		return errDeflateEnd
	}
	b := d.src[d.pos:]
	n, not := int(b[0])|int(b[1])<<8, int(b[2])|int(b[3])<<8
	if n^0xFFFF != not {
		return errors.New("a stored block's length does not match its complement")
	}
	if len(b)-4 < n {
		return errDeflateEnd
	}
	d.out = append(d.out, b[4:4+n]...)
	d.pos += 4 + n
	return nil
}

// code is a canonical Huffman code: how many codes there are of each length, and
// the symbols in the order of their codes (RFC 1951 §3.2.2).
type code struct {
	count   [16]int
	symbols []int
}

func newCode(lengths []uint8) (*code, error) {
	c := &code{symbols: make([]int, 0, len(lengths))}
	for _, n := range lengths {
		c.count[n]++
	}
	c.count[0] = 0
	left := 1
	for n := 1; n < 16; n++ {
		if left = left<<1 - c.count[n]; left < 0 {
			return nil, errors.New("a Huffman code has more codes than its lengths allow")
		}
	}
	for n := uint8(1); n < 16; n++ {
		for symbol, length := range lengths {
			if length == n {
				c.symbols = append(c.symbols, symbol)
			}
		}
	}
	// One code of one bit is the only code that may be incomplete.
	if left > 0 && len(c.symbols) > 1 {
		return nil, errors.New("a Huffman code is not complete")
	}
	return c, nil
}

func (d *inflater) symbol(c *code) (int, error) {
	value, first, index := 0, 0, 0
	for n := 1; n < 16; n++ {
		bit, err := d.take(1)
		if err != nil {
			return 0, err
		}
		value |= int(bit)
		if count := c.count[n]; value-first < count {
			return c.symbols[index+value-first], nil
		} else {
			index += count
			first = (first + count) << 1
		}
		value <<= 1
	}
	return 0, errors.New("bits that are no code of the Huffman code")
}

// Lengths and distances: the least of each symbol, and how many extra bits it
// has (RFC 1951 §3.2.5).
var (
	lengthBase    = [29]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra   = [29]uint{8: 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase  = [30]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceExtra = [30]uint{4: 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// The fixed codes (RFC 1951 §3.2.6). Two codes of each are never used.
var fixedLiterals, fixedDistances = func() (*code, *code) {
	var literals [288]uint8
	for i := range literals {
		switch {
		case i < 144:
			literals[i] = 8
		case i < 256:
			literals[i] = 9
		case i < 280:
			literals[i] = 7
		default:
			literals[i] = 8
		}
	}
	var distances [32]uint8
	for i := range distances {
		distances[i] = 5
	}
	l, _ := newCode(literals[:])
	d, _ := newCode(distances[:])
	return l, d
}()

// codeOrder is the order in which a dynamic block gives the lengths of the code
// for lengths (RFC 1951 §3.2.7).
var codeOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (d *inflater) dynamic() error {
	counts, err := d.take(14)
	if err != nil {
		return err
	}
	literals, distances, codes := int(counts&31)+257, int(counts>>5&31)+1, int(counts>>10)+4
	if literals > 286 || distances > 30 {
		return errors.New("a block has more symbols than there are")
	}
	var lengths [286 + 30]uint8
	for i := range codes {
		v, err := d.take(3)
		if err != nil {
			return err
		}
		lengths[codeOrder[i]] = uint8(v)
	}
	c, err := newCode(lengths[:19])
	if err != nil {
		return err
	}
	clear(lengths[:19])
	for i := 0; i < literals+distances; {
		symbol, err := d.symbol(c)
		if err != nil {
			return err
		}
		if symbol < 16 {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		// 16 repeats the last length, 17 and 18 repeat zero.
		repeat := [3]struct {
			bits  uint
			least int
		}{{2, 3}, {3, 3}, {7, 11}}[symbol-16]
		more, err := d.take(repeat.bits)
		if err != nil {
			return err
		}
		n := repeat.least + int(more)
		if i+n > literals+distances || symbol == 16 && i == 0 {
			return errors.New("code lengths repeat past their end or before their beginning")
		}
		for range n {
			if symbol == 16 {
				lengths[i] = lengths[i-1]
			}
			i++
		}
	}
	if lengths[256] == 0 {
		return errors.New("a block has no code for its end")
	}
	l, err := newCode(lengths[:literals])
	if err != nil {
		return err
	}
	far, err := newCode(lengths[literals : literals+distances])
	if err != nil {
		return err
	}
	return d.coded(l, far)
}

// coded reads the symbols of a block up to its end.
func (d *inflater) coded(literals, distances *code) error {
	for {
		symbol, err := d.symbol(literals)
		switch {
		case err != nil:
			return err
		case symbol < 256:
			d.out = append(d.out, byte(symbol))
			continue
		case symbol == 256:
			return nil
		case symbol > 285:
			return errors.New("a length symbol that is not defined")
		}
		extra, err := d.take(lengthExtra[symbol-257])
		if err != nil {
			return err
		}
		length := lengthBase[symbol-257] + int(extra)
		if symbol, err = d.symbol(distances); err != nil {
			return err
		}
		if symbol > 29 {
			return errors.New("a distance symbol that is not defined")
		}
		if extra, err = d.take(distanceExtra[symbol]); err != nil {
			return err
		}
		if err := d.copy(length, distanceBase[symbol]+int(extra)); err != nil {
			return err
		}
	}
}

func (d *inflater) copy(length, distance int) error {
	d.far = max(d.far, distance)
	switch {
	case distance > d.window:
		return fmt.Errorf("it refers back by %d bytes, past the window of %d", distance, d.window)
	case distance > len(d.out)+len(d.history):
		return fmt.Errorf("it refers back by %d bytes, and there are only %d", distance, len(d.out)+len(d.history))
	case len(d.out)+length > inflatedBytesMax:
		return fmt.Errorf("it inflates to more than %d bytes", inflatedBytesMax)
	}
	for range length {
		if at := len(d.out) - distance; at >= 0 {
			d.out = append(d.out, d.out[at])
		} else {
			d.out = append(d.out, d.history[len(d.history)+at])
		}
	}
	return nil
}
