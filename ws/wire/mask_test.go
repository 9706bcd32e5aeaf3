package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// maskPlain is RFC 6455 §5.3 word for word.
func maskPlain(b []byte, key [4]byte, pos int) {
	for i := range b {
		b[i] ^= key[(pos+i)%4]
	}
}

func TestMaskEveryLengthAlignmentAndPosition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	backing := make([]byte, 200)
	for length := range 100 {
		for offset := range 9 {
			for pos := range 4 {
				for i := range backing {
					backing[i] = byte(rnd.Uint32())
				}
				key := [4]byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())}
				want := bytes.Clone(backing)
				maskPlain(want[offset:offset+length], key, pos)
				next := Mask(backing[offset:offset+length], key, pos)
				if !bytes.Equal(backing, want) {
					t.Fatalf("length %d offset %d pos %d: wrong bytes", length, offset, pos)
				}
				if next != (pos+length)%4 {
					t.Fatalf("length %d pos %d: next position %d", length, pos, next)
				}
			}
		}
	}
}

func FuzzMaskInParts(f *testing.F) {
	f.Add([]byte("some payload that is longer than one unrolled turn of the loop"), uint32(0x37fa213d), uint(7))
	f.Fuzz(func(t *testing.T, b []byte, k uint32, cut uint) {
		key := [4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}
		want := bytes.Clone(b)
		maskPlain(want, key, 0)
		at := int(cut % uint(len(b)+1))
		pos := Mask(b[:at], key, 0)
		Mask(b[at:], key, pos)
		if !bytes.Equal(b, want) {
			t.Fatalf("cut at %d: %x, want %x", at, b, want)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 64, 1024, 4096, 65536} {
		p, q := make([]byte, size), make([]byte, size)
		b.Run(fmt.Sprintf("mask/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				Mask(p, [4]byte{1, 2, 3, 4}, 0)
			}
		})
		b.Run(fmt.Sprintf("copy/%d", size), func(b *testing.B) { // the peer: this machine's memory
			b.SetBytes(int64(size))
			for b.Loop() {
				copy(q, p)
			}
		})
	}
}
