package deflate

// header describes the two codes of a dynamic block (RFC 1951 §3.2.7): their
// lengths in a row, with runs shortened, in a Huffman code that is itself
// described by lengths of 3 bits.
type header struct {
	lits  [literalCodes]uint8
	dists [distCodes]uint8

	nlit, ndist, norder int
	row                 [literalCodes + distCodes]uint8
	runs                []run
	freqs               [orderCodes]uint32
	lens                [orderCodes]uint8
	codes               [orderCodes]code
}

// run is a symbol of the code length code, 0 to 18, with the value of its extra bits.
type run struct{ symbol, extra uint8 }

// runBits is how many extra bits the symbols from 16 have.
var runBits = [...]uint{2, 3, 7}

// plan prepares the description of lits and dists and returns its size in bits.
func (h *header) plan(c *coder) uint32 {
	h.nlit, h.ndist = literalCodes, distCodes
	for h.lits[h.nlit-1] == 0 { // the end of the block always occurs
		h.nlit--
	}
	for h.ndist > 1 && h.dists[h.ndist-1] == 0 {
		h.ndist--
	}
	row := h.row[:copy(h.row[:], h.lits[:h.nlit])+copy(h.row[h.nlit:], h.dists[:h.ndist])]
	h.shorten(row)

	c.lengths(h.lens[:], h.freqs[:], orderBitsMax)
	assignCodes(h.codes[:], h.lens[:])
	h.norder = orderCodes
	for h.norder > 4 && h.lens[codeOrder[h.norder-1]] == 0 {
		h.norder--
	}
	n := 5 + 5 + 4 + 3*uint32(h.norder)
	for i, f := range h.freqs {
		n += f * uint32(h.lens[i])
	}
	return n + 2*h.freqs[16] + 3*h.freqs[17] + 7*h.freqs[18]
}

// shorten replaces equal lengths in a row: 16 repeats the one before 3 to 6
// times, 17 is 3 to 10 zeros, 18 is 11 to 138.
func (h *header) shorten(row []uint8) {
	h.runs = h.runs[:0]
	clear(h.freqs[:])
	add := func(symbol, extra uint8) {
		h.runs = append(h.runs, run{symbol, extra})
		h.freqs[symbol]++
	}
	for i := 0; i < len(row); {
		v := row[i]
		n := 1
		for i+n < len(row) && row[i+n] == v {
			n++
		}
		i += n
		if v != 0 {
			add(v, 0)
			n--
		}
		for n > 0 {
			switch {
			case n < 3:
				for range n {
					add(v, 0)
				}
				n = 0
			case v != 0:
				k := min(n, 6)
				add(16, uint8(k-3))
				n -= k
			case n <= 10:
				add(17, uint8(n-3))
				n = 0
			default:
				k := min(n, 138)
				add(18, uint8(k-11))
				n -= k
			}
		}
	}
}

func (h *header) append(e *encoder, dst []byte) []byte {
	dst = e.put(dst, uint64(h.nlit-firstLength), 5)
	dst = e.put(dst, uint64(h.ndist-1), 5)
	dst = e.put(dst, uint64(h.norder-4), 4)
	for _, symbol := range codeOrder[:h.norder] {
		dst = e.put(dst, uint64(h.lens[symbol]), 3)
	}
	for _, r := range h.runs {
		c := h.codes[r.symbol]
		dst = e.put(dst, c.bits(), c.len())
		if r.symbol >= 16 {
			dst = e.put(dst, uint64(r.extra), runBits[r.symbol-16])
		}
	}
	return dst
}
