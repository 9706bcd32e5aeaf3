package tlslink

import (
	"bytes"
	"testing"
)

// However records arrive, what tls is given of them is whole, in order, and never
// the end of one record with the next.
func TestRecordCuts(t *testing.T) {
	var stream []byte
	ends := map[int]bool{}
	for _, size := range []int{1, 0, 5, 300, 16 << 10, 2} {
		stream = append(stream, 23, 3, 3, byte(size>>8), byte(size))
		stream = append(stream, make([]byte, size)...)
		ends[len(stream)] = true
	}
	for i := range stream {
		if stream[i] == 0 {
			stream[i] = byte(i) // so that order shows; the lengths' zeros come back below
		}
	}
	at := 0
	for _, size := range []int{1, 0, 5, 300, 16 << 10, 2} {
		stream[at+3], stream[at+4] = byte(size>>8), byte(size)
		at += headerBytes + size
	}
	for _, chunk := range []int{1, 2, 3, 7, 100, 4096, len(stream)} {
		for _, room := range []int{1, 3, 512, 64 << 10} {
			var r record
			var got []byte
			p := make([]byte, room)
			for rest := stream; len(rest) > 0; {
				in := rest[:min(chunk, len(rest))]
				rest = rest[len(in):]
				for len(in) > 0 {
					n := r.cut(p, in)
					if n == 0 {
						t.Fatalf("chunks of %d into %d: nothing is given of %d bytes", chunk, room, len(in))
					}
					for i := len(got) + 1; i < len(got)+n; i++ {
						if ends[i] {
							t.Fatalf("chunks of %d into %d: %d to %d goes past an end at %d", chunk, room, len(got), len(got)+n, i)
						}
					}
					got = append(got, p[:n]...)
					in = in[n:]
				}
			}
			if !bytes.Equal(got, stream) {
				t.Fatalf("chunks of %d into %d: the bytes differ", chunk, room)
			}
		}
	}
	lost := record{lost: true}
	if n := lost.cut(make([]byte, 100), stream); n != 100 {
		t.Errorf("%d bytes are given where records are not known", n)
	}
}
