package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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
	"\xf0\x90\x80\xc2", "\xe1\x80\xe1", "\xc2\xf0\x90\x80", "\xf1\x80\x80\x80\x80",
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
}

// checkUTF8 feeds p in the parts that cuts make and compares every verdict with
// the definition: true exactly as long as what was seen is viable.
func checkUTF8(t *testing.T, path string, p []byte, cuts ...int) {
	t.Helper()
	var u UTF8
	last := 0
	for _, cut := range append(cuts, len(p)) {
		got, want := u.Write(p[last:cut]), viable(p[:cut])
		if got != want {
			t.Fatalf("%s: %q in parts %v: Write up to %d = %v, want %v", path, p, cuts, cut, got, want)
		}
		if !got {
			return
		}
		if u.Done() != utf8.Valid(p[:cut]) {
			t.Fatalf("%s: %q in parts %v: Done at %d = %v", path, p, cuts, cut, u.Done())
		}
		last = cut
	}
}

func TestUTF8EverySplit(t *testing.T) {
	onEachPath(func(path string) {
		for _, s := range utf8Samples {
			p := []byte(s)
			for i := 0; i <= len(p); i++ {
				for j := i; j <= len(p); j++ {
					checkUTF8(t, path, p, i, j)
				}
			}
		}
	})
}

func TestUTF8ByteByByte(t *testing.T) {
	for _, s := range utf8Samples {
		cuts := make([]int, len(s))
		for i := range cuts {
			cuts[i] = i
		}
		checkUTF8(t, "portable", []byte(s), cuts...)
	}
}

// Every sample at every place of a long text, also at its very end: on each side
// of every border between vectors, after ASCII that is passed over and after
// text that is not.
func TestUTF8SamplesAnywhere(t *testing.T) {
	onEachPath(func(path string) {
		for _, filler := range []string{"a", "\u00e9", "\u20ac", "\U0001F426"} {
			for _, s := range utf8Samples {
				for before := 0; before <= 200; before += len(filler) {
					head := strings.Repeat(filler, before/len(filler)) + s
					for _, after := range []int{0, 1, 3, 40, 170} {
						p := []byte(head + strings.Repeat("a", after))
						checkUTF8(t, path, p)
						checkUTF8(t, path, p, len(head))
					}
				}
			}
		}
	})
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
				checkUTF8(t, "portable", []byte{byte(a), byte(b), c}, 1, 2)
				checkUTF8(t, "portable", []byte{byte(a), byte(b), c})
			}
		}
	}
}

// Four bytes of every kind that the definition of UTF-8 tells apart, and of every
// high and low nibble, at the places where vectors meet: after the first 32 bytes
// of p, and where the last 32 begin.
func TestUTF8EveryKindOfSequence(t *testing.T) {
	kinds := []byte{
		0x00, 0x0D, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
		0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
		0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFD, 0xFF,
	}
	p := bytes.Repeat([]byte("a"), 70)
	onEachPath(func(path string) {
		for _, at := range []int{0, 30, 36, 66} {
			q := p[at : at+4]
			for _, q[0] = range kinds {
				for _, q[1] = range kinds {
					for _, q[2] = range kinds {
						for _, q[3] = range kinds {
							var u UTF8
							if got := u.Write(p) && u.Done(); got != utf8.Valid(p) {
								t.Fatalf("%s: % x at %d of %d: %v", path, q, at, len(p), got)
							}
						}
					}
				}
			}
			copy(q, "aaaa")
		}
	})
}

// Every two bytes, alone and with more that continue them, across the border of
// two vectors.
func TestUTF8EveryPair(t *testing.T) {
	p := bytes.Repeat([]byte("a"), 70)
	q := p[31:35]
	onEachPath(func(path string) {
		for _, tail := range []string{"aa", "\x80a", "\x80\x80"} {
			copy(q[2:], tail)
			for a := range 256 {
				for b := range 256 {
					q[0], q[1] = byte(a), byte(b)
					var u UTF8
					if got := u.Write(p) && u.Done(); got != utf8.Valid(p) {
						t.Fatalf("%s: % x: %v", path, q, got)
					}
				}
			}
		}
	})
}

// Text of every length at every alignment, right and with one byte spoiled.
func TestUTF8EveryLengthAndAlignment(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	onEachPath(func(path string) {
		for length := range 301 {
			for offset := range 32 {
				p := appendText(make([]byte, offset, 400), rnd, length)[offset:]
				checkUTF8(t, path, p)
				if length > 0 {
					p[rnd.IntN(length)] = byte(rnd.Uint32())
					checkUTF8(t, path, p)
				}
			}
		}
	})
}

// appendText appends n bytes of text in which all lengths of characters occur,
// in runs of one kind.
func appendText(p []byte, rnd *rand.Rand, n int) []byte {
	for end := len(p) + n; len(p) < end; {
		low, high := []rune{0, 0x80, 0x800, 0x10000}, []rune{0x80, 0x800, 0xD800, 0x110000}
		kind := rnd.IntN(4)
		for range 1 + rnd.IntN(40) {
			r := low[kind] + rnd.Int32N(high[kind]-low[kind])
			if len(p)+utf8.RuneLen(r) > end {
				r = 'a'
			}
			if len(p) < end {
				p = utf8.AppendRune(p, r)
			}
		}
	}
	return p
}

func FuzzUTF8(f *testing.F) {
	for _, s := range utf8Samples {
		f.Add([]byte(s), uint(1), uint(2), uint8(0))
		f.Add([]byte(s+strings.Repeat("\u20ac", 20)), uint(30), uint(2), uint8(29))
	}
	f.Fuzz(func(t *testing.T, p []byte, a, b uint, before uint8) {
		p = append(bytes.Repeat([]byte("a"), int(before)), p...)
		i := int(a % uint(len(p)+1))
		j := i + int(b%uint(len(p)-i+1))
		onEachPath(func(path string) {
			checkUTF8(t, path, p)
			checkUTF8(t, path, p, i, j)
		})
	})
}

func TestUTF8AllocatesNothing(t *testing.T) {
	p := []byte(strings.Repeat("gr\u00fc\u00dfe ", 100))
	onEachPath(func(path string) {
		n := testing.AllocsPerRun(100, func() {
			var u UTF8
			u.Write(p)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	})
}

// The peers are unicode/utf8 and this machine's memory. "mixed" is a text of all
// lengths of characters, and "latin" one with a letter in forty that is not ASCII.
func BenchmarkUTF8(b *testing.B) {
	for _, text := range []struct{ name, unit string }{
		{"ascii", "plain text "},
		{"mixed", "gr\u00fc\u00dfe \u4f60\u597d \U0001F426 "},
		{"latin", "the quick brown fox jumped over the caf\u00e9 "},
	} {
		for _, size := range []int{16, 64, 125, 4096, 65536} {
			p := []byte(strings.Repeat(text.unit, size/len(text.unit)+1)[:size])
			p = p[:len(p)-unfinished(p)]
			q := make([]byte, len(p))
			b.Run(fmt.Sprintf("%s/%d/ours", text.name, size), func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				var u UTF8
				for b.Loop() {
					if !u.Write(p) {
						b.Fatal("refused")
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%d/unicode-utf8", text.name, size), func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					if !utf8.Valid(p) {
						b.Fatal("refused")
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%d/copy", text.name, size), func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					copy(q, p)
				}
			})
		}
	}
}
