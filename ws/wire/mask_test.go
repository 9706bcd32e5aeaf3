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

// A vector is 32 bytes, so 32 alignments are all there are. Each of both, length
// and alignment, meets every position.
func TestMaskEveryLengthAndAlignment(t *testing.T) {
	rnd := rand.NewChaCha8([32]byte{1})
	var key [4]byte
	before, want, got := make([]byte, 400), make([]byte, 400), make([]byte, 400)
	onEachPath(func(path string) {
		for length := range 301 {
			for offset := range 32 {
				rnd.Read(before)
				rnd.Read(key[:])
				copy(want, before)
				copy(got, before)
				pos := (length + offset) % 4
				maskPlain(want[offset:offset+length], key, pos)
				next := Mask(got[offset:offset+length], key, pos)
				if !bytes.Equal(got, want) {
					t.Fatalf("%s: length %d offset %d pos %d: wrong bytes", path, length, offset, pos)
				}
				if next != (pos+length)%4 {
					t.Fatalf("%s: length %d pos %d: next position %d", path, length, pos, next)
				}
			}
		}
	})
}

func FuzzMaskInParts(f *testing.F) {
	f.Add([]byte("some payload that is longer than one unrolled turn of the loop"), uint32(0x37fa213d), uint(7), uint8(0))
	f.Add(bytes.Repeat([]byte("long enough for assembly "), 20), uint32(0x37fa213d), uint(200), uint8(13))
	f.Fuzz(func(t *testing.T, b []byte, k uint32, cut uint, offset uint8) {
		key := [4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}
		at := int(cut % uint(len(b)+1))
		from := 8 + int(offset%32)
		frame := make([]byte, 8+32+len(b)+8) // zeros around the payload
		payload := frame[from : from+len(b)]
		want := bytes.Clone(frame)
		copy(want[from:], b)
		maskPlain(want[from:from+len(b)], key, 0)
		onEachPath(func(path string) {
			copy(payload, b)
			pos := Mask(payload[:at], key, 0)
			Mask(payload[at:], key, pos)
			if !bytes.Equal(frame, want) {
				t.Fatalf("%s: offset %d cut at %d: %x, want %x", path, offset, at, frame, want)
			}
		})
	})
}

func TestMaskAllocatesNothing(t *testing.T) {
	p := make([]byte, 1000)
	onEachPath(func(path string) {
		if n := testing.AllocsPerRun(100, func() { Mask(p, [4]byte{1, 2, 3, 4}, 0) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	})
}

// The peer is this machine's memory: copy of the same size. "+8" lies behind a
// frame header of eight bytes, as a payload does in a receive buffer: it is not
// aligned, and in both peers it runs over the end of a page.
func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 64, 125, 1024, 4096, 65536} {
		benchmarkMask(b, fmt.Sprint(size), make([]byte, size), make([]byte, size))
	}
	for _, size := range []int{4096, 65536} {
		p, q := make([]byte, size+4096), make([]byte, size+4096) // whole pages are aligned to pages
		benchmarkMask(b, fmt.Sprintf("%d+8", size), p[8:8+size], q[8:8+size])
	}
}

func benchmarkMask(b *testing.B, name string, p, q []byte) {
	b.Run("mask/"+name, func(b *testing.B) {
		b.SetBytes(int64(len(p)))
		for b.Loop() {
			Mask(p, [4]byte{1, 2, 3, 4}, 0)
		}
	})
	b.Run("copy/"+name, func(b *testing.B) {
		b.SetBytes(int64(len(p)))
		for b.Loop() {
			copy(q, p)
		}
	})
}
