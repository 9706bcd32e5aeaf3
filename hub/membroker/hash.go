package membroker

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// nameKey makes hashes of names that cannot be predicted from outside, and that another
// process can make, too, when it is given the key: forgotten channels are known by their
// hashes alone. maphash cannot do that.
type nameKey [3]uint64

func newNameKey() (k nameKey) {
	var b [24]byte
	_, _ = rand.Read(b[:]) // it never fails
	for i := range k {
		k[i] = binary.LittleEndian.Uint64(b[8*i:]) | 1
	}
	return k
}

// of is the hash of a name. Each step multiplies to 128 bits and folds them, as the
// runtime does for its maps where the processor has no instructions for it.
func (k *nameKey) of(name string) uint64 {
	h := k[0] ^ uint64(len(name))
	if len(name) < 8 {
		for i := range len(name) {
			h ^= uint64(name[i]) << (8 * i)
		}
		return fold(fold(h, k[1]), k[2])
	}
	last := littleEndian(name[len(name)-8:]) // with the bytes before it, if it is no whole word
	for ; len(name) > 8; name = name[8:] {
		h = fold(h^littleEndian(name), k[1])
	}
	return fold(fold(h^last, k[1]), k[2])
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func littleEndian(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
