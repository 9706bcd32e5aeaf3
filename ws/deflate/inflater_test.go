package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// RFC 7692 §7.2.3.
func TestInflateVectors(t *testing.T) {
	f := NewInflater(Direction{}, nil)
	for _, test := range []struct{ section, message, want string }{
		{"§7.2.3.1", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"§7.2.3.2", "\xf2\x00\x11\x00\x00", "Hello"},
		{"§7.2.3.3", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		{"§7.2.3.4", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"§7.2.3.5", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"§7.2.3.6", "\x00", ""},
		{"§7.2.3.2 after the others", "\xf2\x00\x11\x00\x00", "Hello"},
	} {
		got, err := f.Append(nil, []byte(test.message), true)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %q, %v, want %q", test.section, got, err, test.want)
		}
		if !f.Idle() {
			t.Errorf("%s: the message has not ended", test.section)
		}
	}
}

// Input that ends a message, and input that does not.
func TestInflateEnds(t *testing.T) {
	const hello, helloFinal = "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00"
	for _, test := range []struct {
		name, message, want string
		err                 error
	}{
		{"no bytes at all", "", "", nil},
		{"a final block with nothing behind it", helloFinal, "Hello", nil},
		{"two streams in one message", helloFinal + hello, "HelloHello", nil},
		{"three, the last one final", helloFinal + helloFinal + helloFinal, "HelloHelloHello", nil},
		{"a stream that refers to the one before", helloFinal + "\xf2\x00\x11\x00\x00", "HelloHello", nil},
		{"many empty blocks", strings.Repeat("\x00\x00\x00\xff\xff", 1000) + "\x00", "", nil},
		{"final empty blocks", strings.Repeat("\x01\x00\x00\xff\xff", 1000), "", nil},
		{"the tail left on", hello + blockTail, "Hello", ErrEnd},
		{"inside a fixed block", hello[:4], "Helh", ErrEnd}, // the tail reads as the rest of a letter, but not as the end
		{"inside a stored block", "\x00\x0a\x00\xf5\xffHel", "Hel\x00\x00\xff\xff", ErrEnd},
		{"inside the length of a stored block", "\x00\x05", "", ErrCorrupt},
		{"inside a dynamic block's header", "\x05", "", ErrCorrupt}, // the tail reads as a code left over
	} {
		for i := range 8 {
			dir := Direction{NoContextTakeover: i&1 != 0}
			part, room := 1<<30>>(i&2*15), 1+i&4*100 // whole or byte by byte
			next := func(int) int { return part }
			f := NewInflater(dir, defaults())
			got, err := inParts(f, []byte(test.message), next, room)
			if err != test.err || string(got) != test.want {
				t.Errorf("%s, parts of %d, room %d: %q, %v, want %q, %v", test.name, part, room, got, err, test.want, test.err)
			}
			if test.err != nil {
				continue
			}
			if got, err = inParts(f, []byte(hello), next, room); err != nil || string(got) != "Hello" {
				t.Errorf("after %s: %q, %v, want Hello", test.name, got, err)
			}
		}
	}
}

func TestInflateCorrupt(t *testing.T) {
	for _, test := range []struct {
		name, message string
		want          error
	}{
		{"block of type 3", "\x06", ErrCorrupt},
		{"stored length and its inverse differ", "\x00\x05\x00\xfa\xfeHello", ErrCorrupt},
		{"length code 286", pack("010 11000110"), ErrCorrupt},
		{"length code 287", pack("010 11000111"), ErrCorrupt},
		{"distance code 30", pack("010 0000001 11110"), ErrCorrupt},
		{"distance code 31", pack("010 0000001 11111"), ErrCorrupt},
		{"distance before the first byte", pack("010 0000001 00000"), ErrDistance},
		{"distance one too far", pack("010 10010001 0000001 00001"), ErrDistance},
		{"257 + 30 literal codes", pack("001 01111 00000 0000"), ErrCorrupt},
		{"31 distance codes", pack("001 00000 01111 0000"), ErrCorrupt},
		{"code length code given away twice", pack("001 00000 00000 0000 100 100 100 000"), ErrCorrupt},
		{"code length code left over", pack("001 00000 00000 0000 010 010 010 000"), ErrCorrupt},
		{"repeat of nothing", pack("001 00000 00000 0000 100 100 000 000 0 00"), ErrCorrupt},
		{"more lengths than announced", pack("001 00000 00000 0000 000 100 100 000 1 1111111 1 1111111"), ErrCorrupt},
		{"half a code of one symbol", pack("001 00000 00000 0000 000 000 000 100 1"), ErrCorrupt},
		// One bit for "1", one for "138 zeros and fewer": two literals and no end.
		{"no end of block", pack("001 00000 00000 0111 000 000 100" + strings.Repeat("000", 14) +
			"100 0 0 1 1111111 1 0101011 0"), ErrCorrupt},
		// The same with 255 zeros and the end behind, so the last literal has no room.
		{"length without a distance", pack("001 10000 00000 0111 000 000 100" + strings.Repeat("000", 14) +
			"100 1 1111111 1 1010110 0 0 1 0000000 1"), ErrCorrupt},
	} {
		// Byte by byte, and with so much around it that the fast path is taken.
		var f *Inflater
		var err error
		for _, part := range []int{1, 1 << 30} {
			f = NewInflater(Direction{}, defaults())
			padded := []byte(test.message + strings.Repeat("\x00", 50))
			if _, err = inParts(f, padded, func(int) int { return part }, 1000); err != test.want {
				t.Errorf("%s, parts of %d: %v, want %v", test.name, part, err, test.want)
			}
		}
		if _, _, _, again := f.Next(make([]byte, 10), []byte{0}, true); again != err {
			t.Errorf("%s: then %v, want the same error again", test.name, again)
		}
	}
}

// pack makes bytes of bits as they are read, the first lowest. Blanks are for
// the reader.
func pack(s string) string {
	s = strings.ReplaceAll(s, " ", "")
	b := make([]byte, (len(s)+7)/8)
	for i := range s {
		b[i/8] |= (s[i] - '0') << (i % 8)
	}
	return string(b)
}

// cut calls f with the parts of b that next cuts.
func cut(b []byte, next func(rest int) int, f func(part []byte, last bool) error) error {
	for {
		n := min(next(len(b)), len(b))
		if err := f(slices.Clone(b[:n]), n == len(b)); err != nil || n == len(b) {
			return err
		}
		b = b[n:]
	}
}

// inParts inflates a message that comes in parts into rooms of the given size.
func inParts(f *Inflater, message []byte, next func(rest int) int, room int) (out []byte, err error) {
	dst := make([]byte, room)
	err = cut(message, next, func(part []byte, last bool) error {
		for {
			n, used, more, err := f.Next(dst, part, last)
			out, part = append(out, dst[:n]...), part[used:]
			switch {
			case err != nil:
				return err
			case !more && len(part) > 0:
				return fmt.Errorf("%d bytes are not used and no more are to come", len(part))
			case more && n == 0 && used == 0:
				return errors.New("no progress")
			case !more:
				return nil
			}
		}
	})
	return out, err
}

// The same bytes in any parts and into any rooms give the same message.
func TestInflateChunking(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second or more")
	}
	r := rand.New(rand.NewPCG(21, 22))
	byBytes := func(n int) func(int) int { return func(int) int { return n } }
	random := func(int) int { return r.IntN(20) } // empty parts, too
	cuts := []func(int) int{byBytes(1 << 30), byBytes(1), byBytes(7), byBytes(8), byBytes(9), random}
	rooms := []int{1, 2, 7, 257, 258, 267, 268, 300, 5000}
	for name, messages := range conversations {
		messages = slices.DeleteFunc(slices.Clone(messages), func(m []byte) bool { return len(m) > 20000 })
		messages = messages[:min(len(messages), 12)]
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 9} {
			for _, takeover := range []bool{true, false} {
				compressed := stdDeflate(t, messages, level, takeover)
				for i, next := range cuts {
					for _, room := range rooms {
						f := NewInflater(Direction{NoContextTakeover: !takeover}, defaults())
						for k, c := range compressed {
							got, err := inParts(f, c, next, room)
							if err != nil || !bytes.Equal(got, messages[k]) {
								t.Fatalf("%s, level %d, takeover %t, cut %d, room %d, message %d: %d of %d bytes, %v",
									name, level, takeover, i, room, k, len(got), len(messages[k]), err)
							}
						}
					}
				}
			}
		}
	}
}

// Blocks of every kind in one message, so that each begins and ends anywhere in
// what was read ahead.
func TestInflateManyBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	var m, c []byte
	for i := range 400 {
		p := jsonMessage(r, r.IntN(1<<r.IntN(11)))
		b := stdDeflate(t, [][]byte{p}, []int{flate.HuffmanOnly, 0, 1, 9}[r.IntN(4)], false)[0]
		m, c = append(m, p...), append(c, b...)
		switch i % 3 {
		case 0:
			c = append(c, blockTail...) // and the block is whole
		case 1:
			c = append(c, blockTail+"\x01\x00\x00\xff\xff"...) // the stream ends
		default:
			c = append(c, blockTail+"\x00\x01\x00\xfe\xff!"...)
			m = append(m, '!')
		}
	}
	c = append(c, 0)
	for _, part := range []int{1 << 30, 1, 100} {
		for _, room := range []int{len(m) + 1000, 1, 300} {
			got, err := inParts(NewInflater(Direction{}, defaults()), c, func(int) int { return part }, room)
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("parts of %d, room %d: %d of %d bytes, %v", part, room, len(got), len(m), err)
			}
		}
	}
}

// A stored block right behind one of tokens: its first bytes were read ahead.
func TestInflateStoredBehindTokens(t *testing.T) {
	for n := range 40 {
		e := new(encoder)
		e.startBlock()
		m := bytes.Repeat([]byte("x"), 300)
		m = append(m, jsonMessage(rand.New(rand.NewPCG(1, uint64(n))), n)...)
		e.literals(m)
		c := e.appendBlock(nil, m, LevelFast)
		c = e.sync(e.appendStored(c, []byte("stored, and long enough")))
		m = append(m, "stored, and long enough"...)
		for _, room := range []int{1, len(m), 1000} {
			got, err := inParts(NewInflater(Direction{}, defaults()), c, func(n int) int { return n }, room)
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("%d, room %d: %q, %v", n, room, got, err)
			}
		}
	}
}

// Every prefix of a message as a first part, and as the whole.
func TestInflatePrefixes(t *testing.T) {
	m := jsonMessage(rand.New(rand.NewPCG(23, 24)), 900)
	for _, level := range []int{flate.HuffmanOnly, 0, 1} {
		c := stdDeflate(t, [][]byte{m}, level, true)[0]
		for n := range c {
			first := true
			next := func(rest int) int {
				if first {
					first = false
					return n
				}
				return rest
			}
			got, err := inParts(NewInflater(Direction{}, defaults()), c, next, 300)
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("level %d, cut at %d: %d bytes, %v", level, n, len(got), err)
			}

			got, err = NewInflater(Direction{}, defaults()).Append(nil, c[:n], true)
			_, _, want := referenceInflate(c[:n], nil, 1<<15)
			if (err == nil) != (want == nil) {
				t.Fatalf("level %d, the first %d bytes: %v, the reference says %v", level, n, err, want)
			}
			if n > 0 && err == nil && bytes.Equal(got, m) {
				t.Fatalf("level %d, the first %d bytes are the whole message", level, n)
			}
		}
	}
}

// A window that was agreed is all there is: one byte further back is an error,
// even if the byte is known still.
func TestInflateWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 26))
	for bits := WindowBitsMin; bits <= WindowBitsMax; bits++ {
		for _, dir := range []Direction{{false, bits}, {true, bits}} {
			for _, far := range []int{1 << bits, 1<<bits + 1} {
				if far > 1<<WindowBitsMax {
					continue // DEFLATE cannot say it
				}
				// Random bytes, stored, and then three of them again.
				m := randomBytes(r, far)
				e := new(encoder)
				c := e.appendStored(nil, m)
				e.startBlock()
				e.match(3, far)
				c = e.sync(e.appendBlock(c, m, LevelDefault)) // m is too long to be stored
				want := append(slices.Clone(m), m[:3]...)

				for _, room := range []int{1, 100, len(want)} {
					got, err := inParts(NewInflater(dir, unlimited()), c, func(n int) int { return n }, room)
					if far <= 1<<bits && (err != nil || !bytes.Equal(got, want)) {
						t.Fatalf("bits %d, distance %d, room %d: %v", bits, far, room, err)
					}
					if far > 1<<bits && err != ErrDistance {
						t.Fatalf("bits %d, distance %d, room %d: %v, want %v", bits, far, room, err, ErrDistance)
					}
				}
			}
		}
	}
}

// Without context takeover there is nothing to refer to, whatever pools hold.
func TestInflateForgets(t *testing.T) {
	secret := bytes.Repeat([]byte("secret"), 10000)
	c := stdDeflate(t, [][]byte{secret}, 1, true)[0]
	const reference = "\xf2\x00\x11\x00\x00" // H, and four bytes from five before
	for range 20 {
		alone := NewInflater(Direction{NoContextTakeover: true}, defaults())
		if _, err := inParts(alone, c, func(n int) int { return 1 }, 1000); err != nil {
			t.Fatal(err)
		}
		if got, err := alone.Append(nil, []byte(reference), true); err != ErrDistance {
			t.Fatalf("the same connection gets %q, %v", got, err)
		}
		if got, err := NewInflater(Direction{}, defaults()).Append(nil, []byte(reference), true); err != ErrDistance {
			t.Fatalf("another connection gets %q, %v", got, err)
		}
	}
}

// zeros returns messages of n zeros each, as long as the smallest input gives.
func zeros(t testing.TB, takeover bool, n ...int) (compressed [][]byte) {
	var messages [][]byte
	for _, n := range n {
		messages = append(messages, make([]byte, n))
	}
	return stdDeflate(t, messages, flate.BestCompression, takeover)
}

// A message of exactly the limit passes, one more byte fails with 1009: whole,
// in parts, fragmented to single bytes, and when it refers to an earlier message.
func TestInflateMessageBytesMax(t *testing.T) {
	const limit = 100_000
	o := Options{MessageBytesMax: limit}.WithDefaults()
	r := rand.New(rand.NewPCG(27, 28))
	for _, takeover := range []bool{true, false} {
		for _, n := range []int{limit - 1, limit, limit + 1, limit + 1000, 10 * limit} {
			json := jsonMessage(r, 50)
			json = append(json, make([]byte, n-50)...)
			for kind, c := range [][]byte{
				zeros(t, takeover, n)[0],
				zeros(t, takeover, limit, n)[1],
				stdDeflate(t, [][]byte{json}, 1, takeover)[0],
				stdDeflate(t, [][]byte{make([]byte, n)}, 0, takeover)[0],
				stdDeflate(t, [][]byte{make([]byte, n)}, flate.HuffmanOnly, takeover)[0],
			} {
				for _, part := range []int{1, 1 << 30} {
					if part == 1 && testing.Short() {
						continue // a million calls
					}
					for _, room := range []int{1, 1000, limit, limit + 10, 2 * limit} {
						if room == 1 && kind > 0 {
							continue
						}
						f := NewInflater(Direction{NoContextTakeover: !takeover}, &o)
						if takeover && kind == 1 {
							if _, err := f.Append(nil, zeros(t, true, limit)[0], true); err != nil {
								t.Fatal(err)
							}
						}
						got, err := inParts(f, c, func(int) int { return part }, room)
						if n <= limit && (err != nil || len(got) != n) {
							t.Fatalf("takeover %t, kind %d, %d bytes, parts of %d, room %d: %d bytes, %v", takeover, kind, n, part, room, len(got), err)
						}
						if n > limit && (err != ErrTooBig || len(got) != limit) {
							t.Fatalf("takeover %t, kind %d, %d bytes, parts of %d, room %d: %d bytes, %v", takeover, kind, n, part, room, len(got), err)
						}
					}
				}
			}
		}
	}
}

// The ratio counts above the floor only, per message, and the same in any parts.
func TestInflateRatioMax(t *testing.T) {
	const n = 1 << 20
	c := zeros(t, false, n)[0] // about 1030:1
	noisy := stdDeflate(t, [][]byte{append(make([]byte, n), randomBytes(rand.New(rand.NewPCG(1, 1)), 50000)...)}, 9, false)[0]
	for _, test := range []struct {
		name       string
		ratio      int64
		floor      int64
		message    []byte
		want       error
		bytesAbout int // that come out before the error
	}{
		{"default: at the floor", 0, 0, c, nil, n},
		{"default: above it", 0, 1000, c, ErrRatio, 470_000}, // where 1000:1 is exceeded first
		{"none", NoLimit, 1000, c, nil, n},
		{"negative is the default", -1, 1000, c, ErrRatio, 470_000},
		{"the most that DEFLATE can do", 1033, 1000, c, nil, n},
		{"10:1", 10, 1000, c, ErrRatio, 1000},
		{"10:1, floor one below the end", 10, n - 1, c, ErrRatio, n - 1},
		{"10:1, floor at the end", 10, n, c, nil, n},
		{"what comes later does not make up for it", 100, 1000, noisy, ErrRatio, 1000},
	} {
		o := Options{RatioMax: test.ratio, RatioFloorBytes: test.floor, MessageBytesMax: NoLimit}.WithDefaults()
		var first int
		for i, part := range []int{1 << 30, 1, 10} {
			got, err := inParts(NewInflater(Direction{}, &o), test.message, func(int) int { return part }, 5000)
			if err != test.want {
				t.Errorf("%s, parts of %d: %v, want %v", test.name, part, err, test.want)
			}
			if i == 0 {
				if first = len(got); first < test.bytesAbout || first > test.bytesAbout+20000 {
					t.Errorf("%s: %d bytes, want about %d", test.name, first, test.bytesAbout)
				}
			} else if len(got) != first {
				t.Errorf("%s, parts of %d: %d bytes, whole: %d", test.name, part, len(got), first)
			}
		}
	}
}

// A bomb costs what the limit allows and no more.
func TestInflateBombMemory(t *testing.T) {
	bomb := zeros(t, true, 32<<20)[0]
	for _, part := range []int{1 << 30, 100} {
		f := NewInflater(Direction{}, defaults())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		dst := make([]byte, 4096)
		out, err := 0, error(nil)
		for rest := bomb; err == nil && len(rest) > 0; {
			p := rest[:min(part, len(rest))]
			n, used, _, e := f.Next(dst, p, false)
			out, rest, err = out+n, rest[used:], e
		}
		runtime.ReadMemStats(&after)
		if err != ErrTooBig || out != DefaultMessageBytesMax {
			t.Errorf("parts of %d: %d bytes, %v", part, out, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 200<<10 {
			t.Errorf("parts of %d: %d bytes were allocated", part, n)
		}
	}

	// Append grows with what comes out, to about twice the limit in all.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := NewInflater(Direction{}, defaults()).Append(nil, bomb[:10000], true)
	runtime.ReadMemStats(&after)
	if err != ErrTooBig || cap(out) > 3*DefaultMessageBytesMax {
		t.Errorf("Append: %d bytes of room, %v", cap(out), err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 6<<20 {
		t.Errorf("Append: %d bytes were allocated", n)
	}
}

// CompressedBytesMax must not refuse what zlib makes of incompressible data in
// its least thrifty setting: blocks of 127 bytes.
func TestCompressedBytesMax(t *testing.T) {
	for _, n := range []int64{0, 1, 127, 128, 1000, 1 << 20} {
		worst := n + 5*(n+126)/127 + 6
		if most := CompressedBytesMax(n); most < worst || most > n+n/4+64 {
			t.Errorf("CompressedBytesMax(%d) is %d, zlib may need %d", n, most, worst)
		}
	}
	const huge = 1<<63 - 1
	if CompressedBytesMax(huge) != huge {
		t.Error("overflow")
	}
}
