package deflate

import "math/bits"

// code is a Huffman code as the encoder uses it: the bits in the order they are
// written, and above them, from bit 16, how many they are.
type code uint32

func (c code) bits() uint64 { return uint64(c & 0xFFFF) }
func (c code) len() uint    { return uint(c >> 16) }

var (
	fixedCodes = func() (t [literalCodes]code) {
		var all [288]code
		assignCodes(all[:], fixedLengths[:])
		copy(t[:], all[:])
		return t
	}()
	fixedDistCodes = func() (t [distCodes]code) {
		var all [32]code
		assignCodes(all[:], fixedDistLengths[:])
		copy(t[:], all[:])
		return t
	}()
)

// assignCodes numbers codes of the given lengths as RFC 1951 §3.2.2 does: in
// the order of length first and of symbol second.
func assignCodes(codes []code, lens []uint8) {
	var next [codeBitsMax + 2]uint16
	for _, n := range lens {
		next[n+1]++
	}
	next[1] = 0 // symbols that do not occur take no room
	for n := 2; n <= codeBitsMax; n++ {
		next[n] = (next[n-1] + next[n]) << 1
	}
	for i, n := range lens {
		if n == 0 {
			codes[i] = 0
			continue
		}
		// A Huffman code is sent with its most significant bit first (§3.1.1).
		codes[i] = code(bits.Reverse16(next[n])>>(16-n)) | code(n)<<16
		next[n]++
	}
}

// coder builds code lengths. It is scratch memory: nothing in it outlives a call.
type coder struct {
	keys, spare [literalCodes]uint32
	nodes       [literalCodes]uint32
}

// lengths sets lens to the lengths of an optimal prefix code for the
// frequencies, none longer than limit. Frequencies must be below 1<<23.
func (c *coder) lengths(lens []uint8, freqs []uint32, limit int) {
	// A key is a frequency with its symbol in the low bits.
	keys := c.keys[:0]
	most := uint32(0)
	for sym, f := range freqs {
		lens[sym] = 0
		if f > 0 {
			keys = append(keys, f<<9|uint32(sym))
			most = max(most, f)
		}
	}
	if len(keys) <= 2 {
		for _, k := range keys {
			lens[k&511] = 1
		}
		return
	}
	keys = c.sort(keys, most)
	nodes := c.nodes[:len(keys)]
	for i, k := range keys {
		nodes[i] = k >> 9
	}
	depths(nodes)

	var count [codeBitsMax + 1]uint32
	for _, d := range nodes {
		count[min(int(d), limit)]++
	}
	limitLengths(count[:limit+1])

	// The rarest symbols come first and get the longest codes.
	i := 0
	for n := limit; n > 0; n-- {
		for range count[n] {
			lens[keys[i]&511] = uint8(n)
			i++
		}
	}
}

// sort returns the keys in the order of their frequencies, the largest of which
// is most; it may use either array. Few are inserted, many are distributed by
// one byte of the frequency after the other.
func (c *coder) sort(keys []uint32, most uint32) []uint32 {
	if len(keys) <= 24 {
		for i := 1; i < len(keys); i++ {
			k, j := keys[i], i
			for ; j > 0 && keys[j-1] > k; j-- {
				keys[j] = keys[j-1]
			}
			keys[j] = k
		}
		return keys
	}
	to := c.spare[:len(keys)]
	for shift := 9; most > 0; shift, most = shift+8, most>>8 {
		var starts [256]uint16
		for _, k := range keys {
			starts[uint8(k>>shift)]++
		}
		sum := uint16(0)
		for i, n := range starts {
			starts[i] = sum
			sum += n
		}
		for _, k := range keys {
			b := uint8(k >> shift)
			to[starts[b]] = k
			starts[b]++
		}
		keys, to = to, keys
	}
	return keys
}

// depths replaces frequencies in ascending order by the depths of the leaves of
// their Huffman tree, which descend. It is the in-place construction of Moffat
// and Katajainen ("In-Place Calculation of Minimum-Redundancy Codes", 1995): the
// array holds first the weights and parents of inner nodes beside the leaves that
// are left, then depths of inner nodes, then of leaves.
func depths(a []uint32) {
	n := len(a)
	// Join the two lightest nodes until one is left. An inner node's weight
	// becomes the index of its parent once it is used.
	leaf, inner := 0, 0
	for next := range n - 1 {
		var weight uint32
		for range 2 {
			if leaf >= n || inner < next && a[inner] < a[leaf] {
				weight += a[inner]
				a[inner] = uint32(next)
				inner++
			} else {
				weight += a[leaf]
				leaf++
			}
		}
		a[next] = weight
	}
	// From parents to depths, from the root downward.
	a[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		a[i] = a[a[i]] + 1
	}
	// What a level has room for and inner nodes do not take is leaves.
	room, used, depth := 1, 0, uint32(0)
	inner, leaf = n-2, n-1
	for room > 0 {
		for inner >= 0 && a[inner] == depth {
			used++
			inner--
		}
		for ; room > used; room-- {
			a[leaf] = depth
			leaf--
		}
		room, used = 2*used, 0
		depth++
	}
}

// limitLengths repairs a code of which too many have the greatest length,
// because longer ones were cut to it. Each repair takes one such code away,
// splits a shorter one in two and puts the code into the place so gained.
func limitLengths(count []uint32) {
	limit := len(count) - 1
	sum := uint32(0) // Kraft's sum in units of the longest code
	for n := 1; n <= limit; n++ {
		sum += count[n] << (limit - n)
	}
	for ; sum > 1<<limit; sum-- {
		count[limit]--
		n := limit - 1
		for count[n] == 0 {
			n--
		}
		count[n]--
		count[n+1] += 2
	}
}
