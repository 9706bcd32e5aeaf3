package deflate

import (
	"math/rand/v2"
	"testing"
)

// The lengths of an encoder's codes are within the limit, belong to a code that
// nothing is left over of, and grow as frequencies fall.
func TestCodeLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	c := new(coder)
	for range 3000 {
		freqs := make([]uint32, 2+r.IntN(literalCodes-1))
		used := 0
		for i := range freqs {
			if r.IntN(3) > 0 {
				freqs[i] = 1 + uint32(r.IntN(1<<r.IntN(15)))
				used++
			}
		}
		limit := codeBitsMax
		if len(freqs) <= orderCodes {
			limit = orderBitsMax
		}
		lens := make([]uint8, len(freqs))
		c.lengths(lens, freqs, limit)
		sum := 0
		for i, n := range lens {
			if (n > 0) != (freqs[i] > 0) || int(n) > limit {
				t.Fatalf("%v: symbol %d has length %d", freqs, i, n)
			}
			if n > 0 {
				sum += 1 << (15 - n)
			}
			for j, m := range lens[:i] {
				if freqs[i] > freqs[j] && freqs[j] > 0 && n > m {
					t.Fatalf("%v: symbol %d is more frequent than %d and has a longer code", freqs, i, j)
				}
			}
		}
		if used > 1 && sum != 1<<15 {
			t.Fatalf("%v: the code is not complete: %v", freqs, lens)
		}
	}
}

// Frequencies that are Fibonacci numbers make the deepest of trees.
func TestCodeLengthsLimited(t *testing.T) {
	c := new(coder)
	for _, limit := range []int{orderBitsMax, codeBitsMax} {
		freqs := []uint32{1, 1}
		for len(freqs) < orderCodes {
			freqs = append(freqs, freqs[len(freqs)-1]+freqs[len(freqs)-2])
		}
		lens := make([]uint8, len(freqs))
		c.lengths(lens, freqs, limit)
		sum, longest := 0, 0
		for _, n := range lens {
			sum += 1 << (15 - n)
			longest = max(longest, int(n))
		}
		if sum != 1<<15 || longest != limit {
			t.Errorf("limit %d: %v", limit, lens)
		}
	}
}

// randomLens is a complete code of so many symbols: leaves of a tree are split
// until there are enough, the deeper ones rather.
func randomLens(r *rand.Rand, symbols, limit int) []uint8 {
	lens := []uint8{1, 1}
	for len(lens) < symbols {
		i := r.IntN(len(lens))
		if k := len(lens) - 1 - r.IntN(min(3, len(lens))); r.IntN(2) == 0 {
			i = k
		}
		if int(lens[i]) == limit {
			continue
		}
		lens[i]++
		lens = append(lens, lens[i])
	}
	r.Shuffle(len(lens), func(i, j int) { lens[i], lens[j] = lens[j], lens[i] })
	return lens
}

// A table finds what the encoder writes, for every code and whatever
// bits follow, and the table is never too small.
func TestTables(t *testing.T) {
	r := rand.New(rand.NewPCG(43, 44))
	lits, dists := new(litTable), new(distTable)
	for range 2000 {
		checkTable(t, r, lits[:], litRoot, randomLens(r, 2+r.IntN(literalCodes-1), codeBitsMax), litEntry[:])
		checkTable(t, r, dists[:], distRoot, randomLens(r, 2+r.IntN(distCodes-1), codeBitsMax), distEntry[:])
	}
}

func checkTable(t *testing.T, r *rand.Rand, table []entry, root uint, lens []uint8, symbols []entry) {
	t.Helper()
	for i := range table {
		table[i] = entry(r.Uint32()) // what another code has left
	}
	if !buildTable(table, root, lens, symbols) {
		t.Fatalf("%v: no table", lens)
	}
	codes := make([]code, len(lens))
	assignCodes(codes, lens)
	for sym, c := range codes {
		b := c.bits() | r.Uint64()<<c.len()
		e := table[b&(1<<root-1)]
		n := e.codeLen()
		if e&entrySpecial != 0 && e&entryEnd == 0 && e.extra() > 0 {
			e = table[e.value()+int(b>>root&(1<<e.extra()-1))]
			n = root + e.codeLen()
		}
		if n != c.len() || e&^0xFF != symbols[sym] {
			t.Fatalf("%v: symbol %d of %d bits is found as %x of %d bits", lens, sym, c.len(), e, n)
		}
	}
}

// A code must be complete, apart from the two that RFC 1951 §3.2.7 allows.
func TestTablesRefused(t *testing.T) {
	table := new(distTable)
	for _, test := range []struct {
		name string
		lens []uint8
		ok   bool
	}{
		{"empty", []uint8{0, 0, 0}, true},
		{"one symbol of one bit", []uint8{0, 1, 0}, true},
		{"one symbol of two bits", []uint8{0, 2, 0}, false},
		{"complete", []uint8{1, 2, 2}, true},
		{"left over", []uint8{1, 2, 0}, false},
		{"left over at the end", []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, false},
		{"complete at the end", []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15}, true},
		{"given away twice", []uint8{1, 1, 1}, false},
		{"given away twice at the end", []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15}, false},
	} {
		if ok := buildTable(table[:], distRoot, test.lens, distEntry[:]); ok != test.ok {
			t.Errorf("%s: %t", test.name, ok)
		}
	}
}
