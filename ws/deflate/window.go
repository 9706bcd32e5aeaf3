package deflate

// window is the end of what was inflated: as much as the peer may refer back
// to. It is a ring whose size is a power of two and grows with what there is.
//
//	 0        pos                    len(buf)
//	+----------+----------------------+
//	|  newer   |        older         |
//	+----------+----------------------+
type window struct {
	buf  []byte
	pos  int // where the next byte goes
	have int // how many bytes are valid
}

// windowBytesMin is the least window that is worth allocating.
const windowBytesMin = 1 << 9

// write adds p; at most limit bytes, a power of two, are kept.
func (w *window) write(p []byte, limit int) {
	if len(p) == 0 {
		return
	}
	if len(p) > limit {
		p = p[len(p)-limit:]
	}
	if w.have+len(p) > len(w.buf) && len(w.buf) < limit {
		w.grow(min(w.have+len(p), limit))
	}
	w.have = min(w.have+len(p), len(w.buf))
	n := copy(w.buf[w.pos:], p)
	copy(w.buf, p[n:])
	w.pos = (w.pos + len(p)) & (len(w.buf) - 1)
}

// grow makes the ring hold at least size bytes.
func (w *window) grow(size int) {
	n := windowBytesMin
	for n < size {
		n *= 2
	}
	buf := make([]byte, n)
	w.read(buf[:w.have], w.have)
	w.buf, w.pos = buf, w.have&(n-1)
}

// read fills dst, no longer than dist, with what begins dist bytes ago.
func (w *window) read(dst []byte, dist int) {
	if len(dst) == 0 {
		return
	}
	from := (w.pos - dist) & (len(w.buf) - 1)
	n := copy(dst, w.buf[from:])
	copy(dst[n:], w.buf)
}

// reset forgets everything and keeps the memory.
func (w *window) reset() { w.pos, w.have = 0, 0 }
