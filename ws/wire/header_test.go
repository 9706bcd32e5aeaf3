package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

var headerVectors = []struct {
	name string
	hex  string
	want Header
}{
	{"empty text", "8100", Header{Fin: true, Opcode: Text}},
	{"RFC 6455 §5.7 unmasked Hello", "8105", Header{Fin: true, Opcode: Text, Length: 5}},
	{"RFC 6455 §5.7 masked Hello", "818537fa213d", Header{Fin: true, Opcode: Text, Masked: true, Mask: [4]byte{0x37, 0xfa, 0x21, 0x3d}, Length: 5}},
	{"first fragment", "0103", Header{Opcode: Text, Length: 3}},
	{"last fragment", "8002", Header{Fin: true, Length: 2}},
	{"RFC 6455 §5.7 256 bytes", "827e0100", Header{Fin: true, Opcode: Binary, Length: 256}},
	{"RFC 6455 §5.7 64 KiB", "827f0000000000010000", Header{Fin: true, Opcode: Binary, Length: 65536}},
	{"longest short length", "827d", Header{Fin: true, Opcode: Binary, Length: 125}},
	{"shortest 16-bit length", "827e007e", Header{Fin: true, Opcode: Binary, Length: 126}},
	{"longest 16-bit length", "827effff", Header{Fin: true, Opcode: Binary, Length: 65535}},
	{"longest 64-bit length", "827f7fffffffffffffff", Header{Fin: true, Opcode: Binary, Length: 1<<63 - 1}},
	{"longest header", "82ff0000000000010000deadbeef", Header{Fin: true, Opcode: Binary, Masked: true, Mask: [4]byte{0xde, 0xad, 0xbe, 0xef}, Length: 65536}},
	{"all reserved bits", "f100", Header{Fin: true, RSV: RSV1 | RSV2 | RSV3, Opcode: Text}},
	{"RSV1", "c100", Header{Fin: true, RSV: RSV1, Opcode: Text}},
	{"reserved opcode", "8f00", Header{Fin: true, Opcode: 0xF}},
}

func TestParseHeader(t *testing.T) {
	for _, v := range headerVectors {
		t.Run(v.name, func(t *testing.T) {
			b, _ := hex.DecodeString(v.hex)
			for i := range b {
				if h, n, err := ParseHeader(b[:i]); n != 0 || err != nil || h != (Header{}) {
					t.Fatalf("prefix of %d bytes: got %+v, %d, %v; want nothing yet", i, h, n, err)
				}
			}
			h, n, err := ParseHeader(append(b, "payload"...))
			if h != v.want || n != len(b) || err != nil {
				t.Fatalf("got %+v, %d, %v; want %+v, %d", h, n, err, v.want, len(b))
			}
			if got := AppendHeader(nil, v.want); !bytes.Equal(got, b) {
				t.Fatalf("AppendHeader = %x, want %s", got, v.hex)
			}
		})
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	for _, v := range []struct {
		name, hex string
		want      error
	}{
		{"16-bit length that fits 7", "827e007d", ErrLengthNotMinimal},
		{"16-bit length zero", "827e0000", ErrLengthNotMinimal},
		{"64-bit length that fits 16", "827f000000000000ffff", ErrLengthNotMinimal},
		{"64-bit length zero, masked, key to come", "82ff0000000000000000", ErrLengthNotMinimal},
		{"most significant bit", "827f8000000000000000", ErrLengthOverflow},
		{"all bits", "827fffffffffffffffff", ErrLengthOverflow},
		{"most significant bit, seen early", "827f80", ErrLengthOverflow},
	} {
		t.Run(v.name, func(t *testing.T) {
			b, _ := hex.DecodeString(v.hex)
			if h, n, err := ParseHeader(b); !errors.Is(err, v.want) || n != 0 || h != (Header{}) {
				t.Fatalf("got %+v, %d, %v; want %v", h, n, err, v.want)
			}
		})
	}
}

func TestAppendFrame(t *testing.T) {
	if got := AppendFrame([]byte("x"), true, Text, []byte("Hello")); string(got) != "x\x81\x05Hello" {
		t.Errorf("AppendFrame = %q", got)
	}
	payload := []byte("Hello")
	got := AppendMaskedFrame(nil, true, Text, [4]byte{0x37, 0xfa, 0x21, 0x3d}, payload)
	if hex.EncodeToString(got) != "818537fa213d7f9f4d5158" { // RFC 6455 §5.7
		t.Errorf("AppendMaskedFrame = %x", got)
	}
	if string(payload) != "Hello" {
		t.Errorf("AppendMaskedFrame changed the caller's payload to %q", payload)
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, v := range headerVectors {
		b, _ := hex.DecodeString(v.hex)
		f.Add(b)
	}
	f.Add([]byte{0x82, 0x7f, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ParseHeader(b)
		switch {
		case err != nil || n == 0:
			if h != (Header{}) || n != 0 {
				t.Fatalf("refused or incomplete, and yet %+v, %d", h, n)
			}
		case h.Length < 0 || n > HeaderBytesMax || n > len(b):
			t.Fatalf("%+v in %d of %d bytes", h, n, len(b))
		default:
			// There is one encoding of a header, so it must come back.
			if again := AppendHeader(nil, h); !bytes.Equal(again, b[:n]) {
				t.Fatalf("%x decodes to %+v which encodes to %x", b[:n], h, again)
			}
		}
	})
}

func BenchmarkParseHeader(b *testing.B) {
	frame := AppendHeader(nil, Header{Fin: true, Opcode: Text, Masked: true, Length: 1000})
	for b.Loop() {
		if _, n, _ := ParseHeader(frame); n != len(frame) {
			b.Fatal(n)
		}
	}
}
