//go:build !purego

package wire

import (
	"testing"

	"golang.org/x/sys/cpu"
)

// That asciiAVX2 stops early costs time and changes no verdict, so only this
// test sees how early.
func TestASCIIPrefix(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("this processor has no AVX2")
	}
	for length := asciiAVX2Min; length <= 300; length++ {
		p := make([]byte, length)
		if n := asciiAVX2(p); n != length {
			t.Fatalf("%d bytes of ASCII: %d", length, n)
		}
		for at := range p {
			p[at] = 0x80
			n := asciiAVX2(p)
			if n > at || n <= at-128 {
				t.Fatalf("byte %d of %d is not ASCII: %d", at, length, n)
			}
			if words := asciiWords(p); words != at {
				t.Fatalf("byte %d of %d is not ASCII: asciiWords = %d", at, length, words)
			}
			p[at] = 0
		}
	}
}
