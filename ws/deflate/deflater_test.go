package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"testing"
)

// RFC 7692 §7.2.3, where our output is that of the RFC, or shorter: it refers
// to four of five bytes for the second Hello.
func TestDeflateVectors(t *testing.T) {
	d := NewDeflater(Direction{}, nil)
	for i, want := range []string{
		"\xf2\x48\xcd\xc9\xc9\x07\x00", // §7.2.3.1
		"\x02\x13\x00\x00",             // §7.2.3.2: the same again, from the window
	} {
		if got := d.Append(nil, []byte("Hello")); string(got) != want {
			t.Errorf("Hello, time %d: % x, want % x", i+1, got, want)
		}
	}
	if got := d.Append(nil, nil); string(got) != "\x00" { // §7.2.3.6
		t.Errorf("empty message: % x, want 00", got)
	}
	alone := NewDeflater(Direction{NoContextTakeover: true}, defaults())
	for range 2 {
		if got := alone.Append(nil, []byte("Hello")); string(got) != "\xf2\x48\xcd\xc9\xc9\x07\x00" {
			t.Errorf("Hello without context takeover: % x", got)
		}
	}
}

// Every window, either level, with and without context takeover, whole and in
// parts: the reference inflates it to the same, and no distance exceeds the window.
func TestDeflateRoundTrip(t *testing.T) {
	for bits := WindowBitsMin; bits <= WindowBitsMax; bits++ {
		if (raceEnabled || testing.Short()) && bits%3 != 0 {
			continue // nothing here is concurrent, and the race detector is slow
		}
		if testing.Short() && bits != WindowBitsMin && bits != WindowBitsMax {
			continue
		}
		for level := range LevelFast + 1 {
			for _, alone := range []bool{false, true} {
				t.Run(fmt.Sprintf("bits=%d/level=%d/alone=%t", bits, level, alone), func(t *testing.T) {
					for name, messages := range conversations {
						o := Options{HistoryBits: WindowBitsMax, Level: level}.WithDefaults()
						testRoundTrip(t, name, messages, Direction{alone, bits}, &o)
					}
				})
			}
		}
	}
}

func testRoundTrip(t *testing.T, name string, messages [][]byte, dir Direction, o *Options) {
	t.Helper()
	r := rand.New(rand.NewPCG(11, 12))
	whole, parts := NewDeflater(dir, o), NewDeflater(dir, o)
	inflateWhole, inflateParts := NewInflater(dir, unlimited()), NewInflater(dir, unlimited())
	var before []byte
	longest := 0
	for i, m := range messages {
		input := bytes.Clone(m)
		c := whole.Append([]byte("before"), input)
		if !bytes.Equal(input, m) {
			t.Fatalf("%s, message %d: the payload was written to", name, i)
		}
		c, ok := bytes.CutPrefix(c, []byte("before"))
		if !ok {
			t.Fatalf("%s, message %d: dst was not appended to", name, i)
		}
		if most := len(m) + 6*(len(m)/1000) + 16; len(c) > most {
			t.Errorf("%s, message %d: %d bytes became %d, more than %d", name, i, len(m), len(c), most)
		}

		if dir.NoContextTakeover {
			before = nil
		}
		before = before[max(0, len(before)-1<<15):]
		out, far, err := referenceInflate(c, before, 1<<dir.WindowBits)
		if err != nil || !bytes.Equal(out, m) {
			t.Fatalf("%s, message %d of %d bytes: the reference gets %d bytes, %v", name, i, len(m), len(out), err)
		}
		longest = max(longest, far)
		if out, err = stdInflate(c, before); err != nil || !bytes.Equal(out, m) {
			t.Fatalf("%s, message %d of %d bytes: compress/flate gets %d bytes, %v", name, i, len(m), len(out), err)
		}
		before = append(before, m...)
		if out, err = inflateWhole.Append(nil, c, true); err != nil || !bytes.Equal(out, m) {
			t.Fatalf("%s, message %d of %d bytes: we get %d bytes, %v", name, i, len(m), len(out), err)
		}

		// In parts, each of which can be inflated when it is there.
		out = nil
		for rest, last := m, false; !last; {
			n := r.IntN(len(rest) + 1)
			last = r.IntN(8) == 0
			if last {
				n = len(rest)
			}
			c := parts.AppendPart(nil, rest[:n], last)
			if out, err = inflateParts.Append(out, c, last); err != nil {
				t.Fatalf("%s, message %d in parts: %v", name, i, err)
			}
			rest = rest[n:]
			if !bytes.Equal(out, m[:len(m)-len(rest)]) {
				t.Fatalf("%s, message %d in parts: %d bytes after %d were sent", name, i, len(out), len(m)-len(rest))
			}
		}
	}
	if name == "mixed" && !dir.NoContextTakeover && longest <= 3<<dir.WindowBits/4 {
		t.Errorf("%s: the longest distance is %d: the window of %d is not used", name, longest, 1<<dir.WindowBits)
	}
}

// HistoryBits limits what is kept and referred to, whatever was agreed.
func TestDeflateHistoryBits(t *testing.T) {
	o := Options{HistoryBits: 9}.WithDefaults()
	for _, agreed := range []int{8, 15} {
		d := NewDeflater(Direction{WindowBits: agreed}, &o)
		var before []byte
		for _, m := range conversations["mixed"] {
			out, far, err := referenceInflate(d.Append(nil, m), before, 1<<min(9, agreed))
			if err != nil || !bytes.Equal(out, m) {
				t.Fatalf("agreed %d: %v, distance up to %d", agreed, err, far)
			}
			before = append(before, m...)
		}
	}
}

// Pooled memory of other connections has no influence.
func TestDeflateDeterministic(t *testing.T) {
	m := conversations["json"][4]
	alone := Direction{NoContextTakeover: true}
	want := Append(nil, m, alone, defaults())
	for _, other := range conversations {
		for _, o := range other {
			Append(nil, o, Direction{WindowBits: 8 + len(o)%8}, defaults())
			if got := Append(nil, m, alone, defaults()); !bytes.Equal(got, want) {
				t.Fatalf("after a message of %d bytes %d bytes became %d, else %d", len(o), len(m), len(got), len(want))
			}
		}
	}
}

func TestTryAppend(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	json := func(n int) []byte { return jsonMessage(r, n) }
	alone := Direction{NoContextTakeover: true}
	for _, test := range []struct {
		name    string
		dir     Direction
		options Options
		message []byte
		ok      bool
	}{
		{"default threshold", alone, Options{}, json(DefaultThresholdBytes), true},
		{"below it", alone, Options{}, json(DefaultThresholdBytes - 1), false},
		{"with takeover", Direction{}, Options{}, bytes.Repeat([]byte("ab"), DefaultTakeoverThresholdBytes/2), true},
		{"below that", Direction{}, Options{}, bytes.Repeat([]byte("a"), DefaultTakeoverThresholdBytes-1), false},
		{"own threshold", alone, Options{ThresholdBytes: 1000}, json(1000), true},
		{"below one's own", alone, Options{ThresholdBytes: 1000}, json(999), false},
		{"no threshold", alone, Options{ThresholdBytes: 1}, []byte("aaaaaaaaaa"), true},
		{"no shorter", alone, Options{ThresholdBytes: 1}, []byte("a"), false},
		{"empty", alone, Options{ThresholdBytes: 1}, nil, false},
		{"incompressible", alone, Options{}, randomBytes(r, 5000), false},
		{"incompressible, with takeover", Direction{}, Options{}, randomBytes(r, 200000), false},
	} {
		o := test.options.WithDefaults()
		out, ok := NewDeflater(test.dir, &o).TryAppend([]byte("before"), test.message)
		if ok != test.ok || !ok && string(out) != "before" || ok && len(out) >= 6+len(test.message) {
			t.Errorf("%s: %t, %d bytes became %d", test.name, ok, len(test.message), len(out)-6)
		}
	}
}

// A message that goes out uncompressed is not in the peer's window, so it must
// not be in ours.
func TestTryAppendTakesBack(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, bits := range []int{8, 10, 13, 15} {
		o := Options{HistoryBits: bits}.WithDefaults()
		d := NewDeflater(Direction{}, &o)
		f := NewInflater(Direction{}, unlimited())
		var random []byte
		plain := 0
		for i := range 400 {
			var m []byte
			switch r.IntN(4) {
			case 0:
				random = randomBytes(r, 70+r.IntN(1<<r.IntN(17)))
				m = random
			case 1:
				m = random // it would match itself, had it been sent compressed
			default:
				m = jsonMessage(r, 70+r.IntN(2000))
			}
			c, ok := d.TryAppend(nil, m)
			if !ok {
				plain++
				continue
			}
			if got, err := f.Append(nil, c, true); err != nil || !bytes.Equal(got, m) {
				t.Fatalf("bits %d, message %d: %v", bits, i, err)
			}
		}
		if plain < 50 {
			t.Errorf("bits %d: only %d messages were sent uncompressed", bits, plain)
		}
	}
}

// A prepared message moves the peer's window on: Learn says so.
func TestLearn(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for _, bits := range []int{8, 13, 15} {
		o := Options{HistoryBits: bits}.WithDefaults()
		dir := Direction{WindowBits: bits}
		d := NewDeflater(dir, &o)
		f := NewInflater(dir, unlimited())
		for i := range 200 {
			m := jsonMessage(r, r.IntN(1<<(3+r.IntN(15))))
			var c []byte
			if i%2 == 0 {
				c = Append(nil, m, dir, &o)
				d.Learn(m)
			} else {
				c = d.Append(nil, m)
			}
			if got, err := f.Append(nil, c, true); err != nil || !bytes.Equal(got, m) {
				t.Fatalf("bits %d, message %d of %d bytes: %v", bits, i, len(m), err)
			}
		}
	}

	// It is also of use: what was learnt is referred to.
	d := NewDeflater(Direction{}, defaults())
	m := jsonMessage(r, 1000)
	d.Learn(m)
	if c := d.Append(nil, m); len(c) > 30 {
		t.Errorf("a message that was learnt takes %d bytes", len(c))
	}

	alone := NewDeflater(Direction{NoContextTakeover: true}, defaults())
	alone.Learn(m)
	if c := alone.Append(nil, m); len(c) < 300 {
		t.Errorf("without context takeover something was learnt: %d bytes", len(c))
	}
}

// The point of it all: not longer than what compress/flate makes at the level
// that other libraries use.
func TestDeflateRatio(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second or more")
	}
	for _, n := range []int{64, 512, 4096, 65536} {
		messages := jsonMessages(n)[:64]
		std := 0
		for _, c := range stdDeflate(t, messages, flate.BestSpeed, true) {
			std += len(c)
		}
		for level := range LevelFast + 1 {
			o := Options{Level: level}.WithDefaults()
			d := NewDeflater(Direction{}, &o)
			own := 0
			for _, m := range messages {
				own += len(d.Append(nil, m))
			}
			t.Logf("%d bytes, level %d: %.3f, compress/flate %.3f", n, level, float64(own)/float64(64*n), float64(std)/float64(64*n))
			if own > std {
				t.Errorf("%d bytes, level %d: %d bytes, compress/flate needs %d", n, level, own, std)
			}
		}
	}
}
