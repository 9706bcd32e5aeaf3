package wire

import (
	"encoding/binary"
	"math/bits"
)

// Mask applies the mask key to b in place, which masks plain bytes and unmasks
// masked ones (RFC 6455 §5.3). pos is how many bytes of the payload came before
// b. It returns the position after b, modulo 4, to pass on with the next part.
func Mask(b []byte, key [4]byte, pos int) int {
	// This much is inlined into the caller, so that the key stays in a register:
	// an array would travel through memory.
	return mask(b, binary.LittleEndian.Uint32(key[:]), pos)
}

// maskAVX2Min is the shortest slice that goes to maskAVX2, which could take 96.
// Below this size the words are as fast.
const maskAVX2Min = 128

func mask(b []byte, key uint32, pos int) int {
	next := (pos + len(b)) & 3

	// The key as it falls on b, twice, so that a word takes two keys at once.
	k32 := bits.RotateLeft32(key, -8*(pos&3))
	if hasAVX2 && len(b) >= maskAVX2Min {
		maskAVX2(b, k32)
		return next
	}
	k := uint64(k32)<<32 | uint64(k32)

	// Every step takes a multiple of the key, so the key need not turn. Most
	// frames are short: the steps halve, and each may be the last.
	for len(b) >= 64 {
		v := b[:64:64]
		binary.LittleEndian.PutUint64(v, binary.LittleEndian.Uint64(v)^k)
		binary.LittleEndian.PutUint64(v[8:], binary.LittleEndian.Uint64(v[8:])^k)
		binary.LittleEndian.PutUint64(v[16:], binary.LittleEndian.Uint64(v[16:])^k)
		binary.LittleEndian.PutUint64(v[24:], binary.LittleEndian.Uint64(v[24:])^k)
		binary.LittleEndian.PutUint64(v[32:], binary.LittleEndian.Uint64(v[32:])^k)
		binary.LittleEndian.PutUint64(v[40:], binary.LittleEndian.Uint64(v[40:])^k)
		binary.LittleEndian.PutUint64(v[48:], binary.LittleEndian.Uint64(v[48:])^k)
		binary.LittleEndian.PutUint64(v[56:], binary.LittleEndian.Uint64(v[56:])^k)
		if len(b) == 64 {
			return next
		}
		b = b[64:]
	}
	if len(b) >= 8 {
		if len(b) >= 32 {
			v := b[:32:32]
			binary.LittleEndian.PutUint64(v, binary.LittleEndian.Uint64(v)^k)
			binary.LittleEndian.PutUint64(v[8:], binary.LittleEndian.Uint64(v[8:])^k)
			binary.LittleEndian.PutUint64(v[16:], binary.LittleEndian.Uint64(v[16:])^k)
			binary.LittleEndian.PutUint64(v[24:], binary.LittleEndian.Uint64(v[24:])^k)
			if len(b) == 32 {
				return next
			}
			b = b[32:]
		}
		if len(b) >= 16 {
			v := b[:16:16]
			binary.LittleEndian.PutUint64(v, binary.LittleEndian.Uint64(v)^k)
			binary.LittleEndian.PutUint64(v[8:], binary.LittleEndian.Uint64(v[8:])^k)
			if len(b) == 16 {
				return next
			}
			b = b[16:]
		}
		if len(b) >= 8 {
			binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
			b = b[8:]
		}
	}
	if len(b) >= 4 {
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)^k32)
		b = b[4:]
	}
	if len(b) >= 2 {
		binary.LittleEndian.PutUint16(b, binary.LittleEndian.Uint16(b)^uint16(k))
		k >>= 16
		b = b[2:]
	}
	if len(b) == 1 {
		b[0] ^= byte(k)
	}
	return next
}
