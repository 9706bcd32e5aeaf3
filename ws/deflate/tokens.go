package deflate

import "encoding/binary"

// tokens decodes until the block, the input or the room ends.
func (d *decoder) tokens(
	dst []byte, n int, src []byte, in int, win *window, reach int,
) (end, used int, st status) {
	n, in, st = d.tokensFast(dst, n, src, in, win, reach)
	for st == needInput {
		// One token, only if it is there as a whole: up to 15+5+15+13 bits.
		for d.nbits < 56 && in < len(src) { // so that it stays below 64
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
func (d *decoder) tokensFast(
	dst []byte, n int, src []byte, in int, win *window, reach int,
) (end, used int, st status) {
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
	// An overlapping copy repeats: each step doubles what can be copied.
	for length > 0 {
		k := copy(dst[n:n+length], dst[n-dist:n])
		n, length, dist = n+k, length-k, dist+k
	}
}
