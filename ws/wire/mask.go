package wire

import (
	"encoding/binary"
	"math/bits"
)

// Mask applies the mask key to b in place, which masks plain bytes and unmasks
// masked ones (RFC 6455 §5.3). pos is how many bytes of the payload came before
// b. It returns the position after b, modulo 4, to pass on with the next part.
func Mask(b []byte, key [4]byte, pos int) int {
	next := (pos + len(b)) & 3

	// The key as it falls on b, twice, so that a word takes two keys at once.
	k32 := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
	k := uint64(k32)<<32 | uint64(k32)

	// Four independent words a turn keep the load and store ports busy.
	for len(b) >= 32 {
		v := b[:32:32]
		binary.LittleEndian.PutUint64(v, binary.LittleEndian.Uint64(v)^k)
		binary.LittleEndian.PutUint64(v[8:], binary.LittleEndian.Uint64(v[8:])^k)
		binary.LittleEndian.PutUint64(v[16:], binary.LittleEndian.Uint64(v[16:])^k)
		binary.LittleEndian.PutUint64(v[24:], binary.LittleEndian.Uint64(v[24:])^k)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(k)
		k >>= 8
	}
	return next
}
