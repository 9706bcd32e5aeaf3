package conformance

// bitWriter writes DEFLATE blocks symbol by symbol (RFC 1951), to say what no
// compressor would.
type bitWriter struct {
	b    []byte
	held uint32
	n    uint
}

// bits appends the n low bits of v, the lowest first.
func (w *bitWriter) bits(v uint32, n uint) *bitWriter {
	w.held |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.b = append(w.b, byte(w.held))
		w.held >>= 8
	}
	return w
}

// code appends a Huffman code, whose highest bit goes first.
func (w *bitWriter) code(v uint32, n uint) *bitWriter {
	for n > 0 {
		n--
		w.bits(v>>n&1, 1)
	}
	return w
}

// align fills the byte.
func (w *bitWriter) align() *bitWriter {
	if w.n > 0 {
		w.bits(0, 8-w.n)
	}
	return w
}

// fixed begins a block with the fixed codes.
func (w *bitWriter) fixed(final bool) *bitWriter { return w.block(final, 1) }

func (w *bitWriter) block(final bool, kind uint32) *bitWriter {
	var f uint32
	if final {
		f = 1
	}
	return w.bits(f, 1).bits(kind, 2)
}

// stored appends a whole block without compression, of at most 65535 bytes.
func (w *bitWriter) stored(p string) *bitWriter {
	w.block(false, 0).align()
	w.bits(uint32(len(p)), 16).bits(uint32(len(p))^0xFFFF, 16)
	w.b = append(w.b, p...)
	return w
}

// literal appends a byte in the fixed code.
func (w *bitWriter) literal(s string) *bitWriter {
	for _, c := range []byte(s) {
		w.symbol(int(c))
	}
	return w
}

// symbol appends a literal, length or end symbol in the fixed code.
func (w *bitWriter) symbol(s int) *bitWriter {
	switch v := uint32(s); {
	case s < 144:
		return w.code(0x30+v, 8)
	case s < 256:
		return w.code(0x190+v-144, 9)
	case s < 280:
		return w.code(v-256, 7)
	default:
		return w.code(0xC0+v-280, 8)
	}
}

// match appends a reference in the fixed codes.
func (w *bitWriter) match(length, distance int) *bitWriter {
	i := len(lengthBase) - 1
	for length < lengthBase[i] {
		i--
	}
	w.symbol(257+i).bits(uint32(length-lengthBase[i]), lengthExtra[i])
	i = len(distanceBase) - 1
	for distance < distanceBase[i] {
		i--
	}
	return w.code(uint32(i), 5).bits(uint32(distance-distanceBase[i]), distanceExtra[i])
}

// end ends a block of the fixed code.
func (w *bitWriter) end() *bitWriter { return w.symbol(256) }

// message returns the payload of a message: the blocks, and an empty stored
// block of which all but its first bits are left out (RFC 7692 §7.2.1).
func (w *bitWriter) message() string {
	w.block(false, 0).align()
	return string(w.b)
}
