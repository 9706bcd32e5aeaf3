package deflate

// entry is what a decoder finds under the next bits of its input.
//
//	 31  30........16  15  14  13..12  11...8     7......0
//	+---+------------+---+---+-------+----------+----------+
//	| 1 |  literal   |   |   |       |          | code len |  literal
//	| 0 |  length    | 0 |   |       | extra    | code len |  length
//	|   distance     | 0 |   |       | extra    | code len |  distance (16 bits)
//	| 0 |            | 1 | 1 |       |          | code len |  end of block
//	| 0 |  index     | 1 | 0 |       | bits > 0 | root     |  subtable
//	| 0 |            | 1 | 0 |       |   0      | code len |  no such code
//	+---+------------+---+---+-------+----------+----------+
//
// A code longer than the root of its table is found in two steps; the second
// entry has the length of the rest.
type entry uint32

const (
	entryLiteral entry = 1 << 31
	entrySpecial entry = 1 << 15
	entryEnd     entry = 1 << 14
)

func (e entry) codeLen() uint { return uint(e & 0xFF) }
func (e entry) extra() uint   { return uint(e>>8) & 0xF }
func (e entry) value() int    { return int(e >> 16) }

// invalid reports whether a special entry is neither an end nor a subtable.
func (e entry) invalid() bool { return e&(entryEnd|0xF00) == 0 }

// The bits that a table is indexed by first, and the entries it can need in the
// worst of all codes of that many symbols (found by the program "enough" that
// comes with zlib: "enough 288 10 15", "enough 32 8 15").
const (
	litRoot, litEntries   = 10, 1334
	distRoot, distEntries = 8, 402
	orderRoot             = orderBitsMax
)

type (
	litTable   [litEntries]entry
	distTable  [distEntries]entry
	orderTable [1 << orderRoot]entry
)

// What symbols mean, as entries without a code length.
var (
	litEntry = func() (t [288]entry) {
		for i := range t {
			switch {
			case i < endOfBlock:
				t[i] = entryLiteral | entry(i)<<16
			case i == endOfBlock:
				t[i] = entrySpecial | entryEnd
			case i < literalCodes:
				l := lengths[i-firstLength]
				t[i] = entry(l.base)<<16 | entry(l.extra)<<8
			default:
				t[i] = entrySpecial // §3.2.6: 286 and 287 never occur
			}
		}
		return t
	}()
	distEntry = func() (t [32]entry) {
		for i := range t {
			t[i] = entrySpecial
			if i < distCodes {
				t[i] = entry(dists[i].base)<<16 | entry(dists[i].extra)<<8
			}
		}
		return t
	}()
	orderEntry = func() (t [orderCodes]entry) {
		for i := range t {
			t[i] = entry(i) << 16
		}
		return t
	}()
)

// The tables of the fixed codes (§3.2.6).
var fixedLits, fixedDists = func() (*litTable, *distTable) {
	lits, dists := new(litTable), new(distTable)
	buildTable(lits[:], litRoot, fixedLengths[:], litEntry[:])
	buildTable(dists[:], distRoot, fixedDistLengths[:], distEntry[:])
	return lits, dists
}()

// buildTable makes the table of the code that has the given lengths, and
// reports whether there is such a code: no length may be given away twice, and
// none may be left over, except that a code of one symbol has one bit and only
// one of its two values is used, and that a code may be empty (RFC 1951 §3.2.7
// speaks of both for distances).
func buildTable(table []entry, root uint, lens []uint8, symbols []entry) bool {
	var count [codeBitsMax + 1]uint16
	for _, n := range lens {
		count[n&15]++
	}
	count[0] = 0
	longest := uint(codeBitsMax)
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	if longest == 0 || longest == 1 && count[1] == 1 {
		table[0], table[1] = entrySpecial|1, entrySpecial|1
		for sym, n := range lens {
			if n == 1 {
				table[0] = symbols[sym] | 1
			}
		}
		for n := 2; n < 1<<root; n *= 2 {
			copy(table[n:], table[:n])
		}
		return true
	}

	// The symbols in the order of their codes.
	var starts [codeBitsMax + 2]uint16
	left := 1 // codes of the present length that are not given away
	for n := uint(1); n <= codeBitsMax; n++ {
		left = left<<1 - int(count[n])
		if left < 0 {
			return false
		}
		starts[n+1] = starts[n] + count[n]
	}
	if left != 0 {
		return false
	}
	var sorted [288]uint16
	for sym, n := range lens {
		if n != 0 {
			sorted[starts[n]] = uint16(sym)
			starts[n]++
		}
	}

	// Codes are read with their first bit lowest, so the next code is found by
	// adding one at the other end. Up to the root the table is made for codes of
	// one bit, then doubled for each bit more: what is doubled in vain, because
	// it is not a code but the beginning of some, is written over by those.
	reversed := uint(0)
	next := uint(1) << root // where the next subtable begins
	var sub, subBits uint   // the subtable under way
	prefix := ^uint(0)      // the root bits that lead to it
	i := 0
	for n := uint(1); n <= max(longest, root); n++ {
		for ; count[n] > 0; count[n]-- {
			e := symbols[sorted[i]]
			i++
			if n <= root {
				table[reversed] = e | entry(n)
			} else {
				if p := reversed & (1<<root - 1); p != prefix {
					// The subtable has to hold all codes with this prefix: it is
					// as deep as it takes to fill it.
					prefix, sub, subBits = p, next, n-root
					for room := 1<<subBits - int(count[n]); room > 0; {
						subBits++
						room = room<<1 - int(count[root+subBits])
					}
					next += 1 << subBits
					if next > uint(len(table)) {
						return false // never: see litEntries
					}
					table[p] = entrySpecial | entry(sub)<<16 | entry(subBits)<<8 | entry(root)
				}
				for at := reversed >> root; at < 1<<subBits; at += 1 << (n - root) {
					table[sub+at] = e | entry(n-root)
				}
			}
			// Add one to the code of n bits, which is reversed.
			bit := uint(1) << (n - 1)
			for reversed&bit != 0 {
				bit >>= 1
			}
			if bit != 0 {
				reversed = reversed&(bit-1) | bit
			} else {
				reversed = 0
			}
		}
		if n < root {
			copy(table[1<<n:], table[:1<<n])
		}
	}
	return true
}
