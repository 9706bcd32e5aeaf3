package wire

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// viable reports whether p can be continued to valid UTF-8: an independent
// definition, by trying.
func viable(p []byte) bool {
	if utf8.Valid(p) {
		return true
	}
	for cut := 1; cut <= 3 && cut <= len(p); cut++ {
		tail := p[len(p)-cut:]
		if !utf8.Valid(p[:len(p)-cut]) || utf8.FullRune(tail) {
			continue
		}
		return true
	}
	return false
}

var utf8Samples = []string{
	"", "a", "plain ASCII that is longer than the thirty-two bytes of one turn",
	"\u00e9", "\u20ac", "\U0001F426", "mixed \u00e9 \u20ac \U0001F426 end", strings.Repeat("a", 31) + "\U0010FFFF",
	"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe0\xa0\x80",
	"\xed\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
	"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe", "\xf8\x88\x80\x80\x80",
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
}

// checkUTF8 feeds p in the parts that cuts make and compares every verdict with
// the definition: true exactly as long as what was seen is viable.
func checkUTF8(t *testing.T, p []byte, cuts ...int) {
	t.Helper()
	var u UTF8
	last := 0
	for _, cut := range append(cuts, len(p)) {
		got, want := u.Write(p[last:cut]), viable(p[:cut])
		if got != want {
			t.Fatalf("%q in parts %v: Write up to %d = %v, want %v", p, cuts, cut, got, want)
		}
		if !got {
			return
		}
		if u.Done() != utf8.Valid(p[:cut]) {
			t.Fatalf("%q in parts %v: Done at %d = %v", p, cuts, cut, u.Done())
		}
		last = cut
	}
}

func TestUTF8EverySplit(t *testing.T) {
	for _, s := range utf8Samples {
		p := []byte(s)
		for i := 0; i <= len(p); i++ {
			for j := i; j <= len(p); j++ {
				checkUTF8(t, p, i, j)
			}
		}
	}
}

func TestUTF8ByteByByte(t *testing.T) {
	for _, s := range utf8Samples {
		cuts := make([]int, len(s))
		for i := range cuts {
			cuts[i] = i
		}
		checkUTF8(t, []byte(s), cuts...)
	}
}

// Every code point, and every two-byte and three-byte sequence, whole and split.
func TestUTF8AllSequences(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		p := utf8.AppendRune(nil, r)
		var u UTF8
		if !u.Write(p[:1]) || !u.Write(p[1:]) || !u.Done() {
			t.Fatalf("%U refused", r)
		}
	}
	for a := range 256 {
		for b := range 256 {
			for _, c := range []byte{0x00, 0x7f, 0x80, 0xbf, 0xc0} {
				checkUTF8(t, []byte{byte(a), byte(b), c}, 1, 2)
				checkUTF8(t, []byte{byte(a), byte(b), c})
			}
		}
	}
}

func FuzzUTF8(f *testing.F) {
	for _, s := range utf8Samples {
		f.Add([]byte(s), uint(1), uint(2))
	}
	f.Fuzz(func(t *testing.T, p []byte, a, b uint) {
		i := int(a % uint(len(p)+1))
		j := i + int(b%uint(len(p)-i+1))
		checkUTF8(t, p, i, j)
	})
}

func BenchmarkUTF8(b *testing.B) {
	for name, unit := range map[string]string{"ascii": "plain text ", "mixed": "gr\u00fc\u00dfe \u4f60\u597d \U0001F426 "} {
		for _, size := range []int{64, 4096} {
			p := []byte(strings.Repeat(unit, size/len(unit)+1))
			b.Run(fmt.Sprintf("%s/%d/ours", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				var u UTF8
				for b.Loop() {
					if !u.Write(p) {
						b.Fatal("refused")
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%d/unicode-utf8", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					if !utf8.Valid(p) {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
