package deflate

import (
	"compress/flate"
	"io"
	"runtime"
	"testing"
	"unsafe"
)

// Nothing is allocated for a message once a connection has its window.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops things at random")
	}
	messages := jsonMessages(512)[:200]
	compressed := stdDeflate(t, messages, flate.BestSpeed, true)
	alone := stdDeflate(t, messages, flate.BestSpeed, false)
	dst := make([]byte, 0, 4096)
	for _, test := range []struct {
		name string
		dir  Direction
		in   [][]byte
	}{
		{"with context takeover", Direction{}, compressed},
		{"without", Direction{NoContextTakeover: true}, alone},
	} {
		d, f := NewDeflater(test.dir, defaults()), NewInflater(test.dir, defaults())
		received, i := 0, 0
		inflate := func() {
			if _, err := f.Append(dst, test.in[received], true); err != nil {
				t.Fatal(err)
			}
			received++
		}
		deflate := func() {
			d.TryAppend(dst, messages[i%len(messages)])
			d.AppendPart(dst, messages[0][:300], false)
			d.AppendPart(dst, messages[0][300:], true)
			d.Learn(messages[1])
			Append(dst, messages[i%len(messages)], test.dir, d.options)
			i++
		}
		for range 99 { // 50 KiB: every window is full
			inflate()
			deflate()
		}
		if n := testing.AllocsPerRun(100, deflate); n != 0 {
			t.Errorf("%s: %v allocations to deflate", test.name, n)
		}
		if n := testing.AllocsPerRun(99, inflate); n != 0 {
			t.Errorf("%s: %v allocations to inflate", test.name, n)
		}
	}
}

// heapOf is the heap that each of n values keeps alive.
func heapOf[T any](n int, make func() T) int {
	var before, after runtime.MemStats
	values := []T{}
	runtime.GC()
	runtime.GC() // twice, so that pools are empty
	runtime.ReadMemStats(&before)
	for range n {
		values = append(values, make())
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(values)
	return max(0, int(after.HeapAlloc)-int(before.HeapAlloc)) / n
}

// What a connection costs between messages, as the comments of Options and the
// two types say.
func TestMemory(t *testing.T) {
	messages := jsonMessages(4096)[:20]
	compressed := stdDeflate(t, messages, flate.BestSpeed, true)
	deflater := func(dir Direction, o Options, messages ...[]byte) func() *Deflater {
		o = o.WithDefaults()
		dst := make([]byte, 0, 8192)
		return func() *Deflater {
			d := NewDeflater(dir, &o)
			for _, m := range messages {
				d.Append(dst, m)
			}
			return d
		}
	}
	inflater := func(dir Direction, messages ...[]byte) func() *Inflater {
		o := defaults()
		dst := make([]byte, 0, 8192)
		return func() *Inflater {
			f := NewInflater(dir, o)
			for _, m := range messages {
				if _, err := f.Append(dst, m, true); err != nil {
					t.Fatal(err)
				}
			}
			return f
		}
	}
	alone := Direction{NoContextTakeover: true}
	const slack = 600 // the values themselves, and what the runtime moves about
	for _, test := range []struct {
		name string
		got  int
		max  int
	}{
		{"Deflater, new", heapOf(50, deflater(Direction{}, Options{})), 0},
		{"Deflater after 300 bytes", heapOf(50, deflater(Direction{}, Options{}, messages[0][:300])), 2 << 10},
		{"Deflater after 4 KiB", heapOf(50, deflater(Direction{}, Options{}, messages[0])), 8 << 10},
		{"Deflater after 80 KiB", heapOf(50, deflater(Direction{}, Options{}, messages...)), 4 << DefaultHistoryBits},
		{"Deflater after 80 KiB, 15 bits", heapOf(50, deflater(Direction{}, Options{HistoryBits: 15}, messages...)), 4 << 15},
		{"Deflater after 80 KiB, 9 bits agreed", heapOf(50, deflater(Direction{WindowBits: 9}, Options{}, messages...)), 8 << 10},
		{"Deflater, no context takeover", heapOf(50, deflater(alone, Options{}, messages...)), 0},
		{"Inflater, new", heapOf(50, inflater(Direction{})), 0},
		{"Inflater after 4 KiB", heapOf(50, inflater(Direction{}, compressed[0])), 4 << 10},
		{"Inflater after 80 KiB", heapOf(50, inflater(Direction{}, compressed...)), 32 << 10},
		{"Inflater, no context takeover", heapOf(50, inflater(alone, compressed[0], compressed[0])), 0},
	} {
		t.Logf("%s: %d bytes", test.name, test.got)
		if test.got > test.max+slack {
			t.Errorf("%s: %d bytes, at most %d are allowed", test.name, test.got, test.max+slack)
		}
	}
	t.Logf("Inflater: %d bytes, Deflater: %d, decoder: %d, encoder: %d and %d of tokens",
		unsafe.Sizeof(Inflater{}), unsafe.Sizeof(Deflater{}), unsafe.Sizeof(decoder{}), unsafe.Sizeof(encoder{}), 4*tokensMax)

	// The aim: a quarter of a compress/flate writer and a window of 32 KiB.
	own := heapOf(20, deflater(Direction{}, Options{}, messages...)) + heapOf(20, inflater(Direction{}, compressed...))
	std := 32<<10 + heapOf(20, func() *flate.Writer {
		w, _ := flate.NewWriter(io.Discard, flate.BestSpeed)
		w.Write(messages[0])
		w.Flush()
		return w
	})
	t.Logf("both directions: %d bytes, with compress/flate: %d", own, std)
	if own > std/4 {
		t.Errorf("both directions: %d bytes, more than a quarter of %d", own, std)
	}
}
