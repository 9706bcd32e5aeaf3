package deflate

import "errors"

// reference inflates one message by the letter of RFC 1951, bit by bit, and
// shares no code with the decoder: it knows nothing of parts and room, and finds
// a symbol by counting codes. It reports the longest distance that occurred.
// before is what was inflated until now, of which a match reaches at most reach back.
type reference struct {
	in      []byte
	pos     int // in bits
	out     []byte
	start   int // of this message in out
	reach   int
	longest int
}

var (
	errRefInput   = errors.New("reference: out of input")
	errRefCorrupt = errors.New("reference: corrupt")
)

func referenceInflate(message, before []byte, reach int) (out []byte, longest int, err error) {
	r := &reference{in: []byte(string(message) + blockTail), out: append([]byte{}, before...), start: len(before), reach: reach}
	err = r.message(8 * len(message))
	return r.out[r.start:], r.longest, err
}

func (r *reference) message(end int) error {
	fresh := true
	for {
		if fresh && r.pos == end || r.pos == 8*len(r.in) {
			return nil
		}
		final, err := r.bits(1)
		if err != nil {
			return err
		}
		kind, err := r.bits(2)
		if err != nil {
			return err
		}
		switch kind {
		case 0:
			err = r.stored()
		case 1:
			var lit [288]int
			for i := range lit {
				lit[i] = 8
				if i >= 144 && i < 256 {
					lit[i] = 9
				}
				if i >= 256 && i < 280 {
					lit[i] = 7
				}
			}
			dist := make([]int, 32)
			for i := range dist {
				dist[i] = 5
			}
			err = r.tokens(lit[:], dist)
		case 2:
			err = r.dynamic()
		default:
			err = errRefCorrupt
		}
		if err != nil {
			return err
		}
		if fresh = final == 1; fresh {
			r.align()
		}
	}
}

func (r *reference) align() { r.pos = (r.pos + 7) &^ 7 }

func (r *reference) bits(n int) (v int, err error) {
	for i := range n {
		if r.pos == 8*len(r.in) {
			return 0, errRefInput
		}
		v |= int(r.in[r.pos/8]>>(r.pos%8)&1) << i
		r.pos++
	}
	return v, nil
}

func (r *reference) stored() error {
	r.align()
	n, err := r.bits(16)
	if err != nil {
		return err
	}
	inverse, err := r.bits(16)
	if err != nil {
		return err
	}
	if n != inverse^0xFFFF {
		return errRefCorrupt
	}
	for range n {
		b, err := r.bits(8)
		if err != nil {
			return err
		}
		r.out = append(r.out, byte(b))
	}
	return nil
}

// refCode is a code as how many symbols have each length, and the symbols in
// the order of their codes.
type refCode struct {
	count   [16]int
	symbols []int
	whole   bool
}

func newRefCode(lens []int) (c refCode) {
	for n := 1; n <= 15; n++ {
		for sym, l := range lens {
			if l == n {
				c.count[n]++
				c.symbols = append(c.symbols, sym)
			}
		}
	}
	c.whole = kraft(lens) == 1<<15
	return c
}

// symbol reads a code: the first code of each length is one more than the last
// of the length before, doubled.
func (r *reference) symbol(c refCode) (int, error) {
	code, first, index := 0, 0, 0
	for _, count := range c.count[1:] {
		b, err := r.bits(1)
		if err != nil {
			return 0, err
		}
		code |= b
		if code-first < count {
			return c.symbols[index+code-first], nil
		}
		if !c.whole {
			return 0, errRefCorrupt // the one bit of a code of one symbol, or of none
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, errRefCorrupt
}

// kraft is how much of all codes of 15 bits the lengths take.
func kraft(lens []int) (sum int) {
	for _, n := range lens {
		if n > 0 {
			sum += 1 << (15 - n)
		}
	}
	return sum
}

// allowed reports whether there may be such a code: complete, empty, or one
// symbol of one bit.
func allowed(lens []int) bool {
	sum, used := kraft(lens), 0
	for _, n := range lens {
		if n > 0 {
			used++
		}
	}
	return sum == 1<<15 || used == 0 || used == 1 && sum == 1<<14
}

func (r *reference) dynamic() error {
	var counts [3]int
	for i, n := range []int{5, 5, 4} {
		v, err := r.bits(n)
		if err != nil {
			return err
		}
		counts[i] = v
	}
	nlit, ndist, norder := counts[0]+257, counts[1]+1, counts[2]+4
	if nlit > 286 || ndist > 30 {
		return errRefCorrupt
	}
	order := make([]int, 19)
	for _, sym := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:norder] {
		v, err := r.bits(3)
		if err != nil {
			return err
		}
		order[sym] = v
	}
	if !allowed(order) {
		return errRefCorrupt
	}
	orderCode := newRefCode(order)
	var lens []int
	for len(lens) < nlit+ndist {
		sym, err := r.symbol(orderCode)
		if err != nil {
			return err
		}
		value, times := 0, 1
		switch sym {
		case 16:
			if len(lens) == 0 {
				return errRefCorrupt
			}
			value = lens[len(lens)-1]
			times, err = r.bits(2)
			times += 3
		case 17:
			times, err = r.bits(3)
			times += 3
		case 18:
			times, err = r.bits(7)
			times += 11
		default:
			value = sym
		}
		if err != nil {
			return err
		}
		for range times {
			lens = append(lens, value)
		}
	}
	if len(lens) > nlit+ndist || lens[256] == 0 || !allowed(lens[:nlit]) || !allowed(lens[nlit:]) {
		return errRefCorrupt
	}
	return r.tokens(lens[:nlit], lens[nlit:])
}

func (r *reference) tokens(litLens, distLens []int) error {
	lit, dist := newRefCode(litLens), newRefCode(distLens)
	lengthBase := []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67,
		83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra := []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase := []int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769,
		1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra := []int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	for {
		sym, err := r.symbol(lit)
		if err != nil {
			return err
		}
		if sym < 256 {
			r.out = append(r.out, byte(sym))
			continue
		}
		if sym == 256 {
			return nil
		}
		if sym -= 257; sym >= len(lengthBase) {
			return errRefCorrupt
		}
		extra, err := r.bits(lengthExtra[sym])
		if err != nil {
			return err
		}
		length := lengthBase[sym] + extra
		if sym, err = r.symbol(dist); err != nil {
			return err
		}
		if sym >= len(distBase) {
			return errRefCorrupt
		}
		if extra, err = r.bits(distExtra[sym]); err != nil {
			return err
		}
		d := distBase[sym] + extra
		if d > len(r.out) || d > r.reach {
			return errRefCorrupt
		}
		r.longest = max(r.longest, d)
		for range length {
			r.out = append(r.out, r.out[len(r.out)-d])
		}
	}
}
