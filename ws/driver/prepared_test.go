package driver_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

func prepare(t *testing.T, typ driver.MessageType, p []byte) *driver.Prepared {
	t.Helper()
	m, err := driver.Prepare(typ, p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPrepareRefuses(t *testing.T) {
	for _, c := range []struct {
		typ  driver.MessageType
		p    string
		want error
	}{
		{driver.MessageText, "grün", nil},
		{driver.MessageText, "\xff", driver.ErrNotUTF8},
		{driver.MessageText, "half \xc3", driver.ErrNotUTF8},
		{driver.MessageBinary, "\xff", nil},
		{0, "", driver.ErrMessageType},
		{driver.MessageType(wire.Close), "", driver.ErrMessageType},
	} {
		if m, err := driver.Prepare(c.typ, []byte(c.p)); err != c.want || (m == nil) != (err != nil) {
			t.Errorf("%v, %q: %v, %v, want %v", c.typ, c.p, m, err, c.want)
		}
	}
}

// A prepared message stays what it was, whatever becomes of the caller's slice and
// whatever is appended to what the message gives away.
func TestPreparedNeverChanges(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		p := bytes.Repeat([]byte{'x'}, size)
		m := prepare(t, driver.MessageText, p)
		clear(p)
		_ = append(m.Payload(), 'y')
		_ = append(m.Frame(), 'y')
		want := bytes.Repeat([]byte{'x'}, size)
		if m.Type() != driver.MessageText || m.Len() != size || !bytes.Equal(m.Payload(), want) {
			t.Errorf("%d bytes: %v of %d, or they have changed", size, m.Type(), m.Len())
		}
		if frame := wire.AppendFrame(nil, true, wire.Text, want); !bytes.Equal(m.Frame(), frame) {
			t.Errorf("%d bytes: the frame is not the one of wire", size)
		}
	}
}

// A compressed frame inflates to the message at every window, is made once for
// each, and is as long as its header says.
func TestCompressedFrame(t *testing.T) {
	text := []byte(strings.Repeat(`{"price":1000}`, 1000))
	m := prepare(t, driver.MessageText, text)
	o := deflate.Options{}.WithDefaults()
	for bits := deflate.WindowBitsMin; bits <= deflate.WindowBitsMax; bits++ {
		d := deflate.Direction{WindowBits: bits, NoContextTakeover: bits%2 == 0}
		frame := m.CompressedFrame(d, &o)
		if len(frame) == 0 || len(frame) >= len(m.Frame()) {
			t.Fatalf("%d bits: %d bytes of %d", bits, len(frame), len(m.Frame()))
		}
		h, n, err := wire.ParseHeader(frame)
		if err != nil || !h.Fin || h.RSV != wire.RSV1 || h.Opcode != wire.Text || h.Masked || h.Length != int64(len(frame)-n) {
			t.Fatalf("%d bits: %+v, %v", bits, h, err)
		}
		got, err := deflate.NewInflater(d, &o).Append(nil, frame[n:], true)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bits: inflates to %d bytes, %v", bits, len(got), err)
		}
		if again := m.CompressedFrame(d, &o); &again[0] != &frame[0] {
			t.Errorf("%d bits: compressed again", bits)
		}
	}
	largest := m.CompressedFrame(deflate.Direction{WindowBits: deflate.WindowBitsMax}, &o)
	if zero := m.CompressedFrame(deflate.Direction{}, &o); &zero[0] != &largest[0] {
		t.Error("no window bits are not 15")
	}
}

// Compression that is of no use is not done: below the threshold, and for what
// does not get shorter.
func TestCompressedFrameOfNoUse(t *testing.T) {
	noise := make([]byte, 1000)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	zeros := func(n int) []byte { return make([]byte, n) }
	for name, c := range map[string]struct {
		p         []byte
		threshold int
		of        bool
	}{
		"noise":                {noise, 0, false},
		"at the default":       {zeros(deflate.DefaultThresholdBytes), 0, true},
		"below the default":    {zeros(deflate.DefaultThresholdBytes - 1), 0, false},
		"at a threshold":       {zeros(500), 500, true},
		"below a threshold":    {zeros(499), 500, false},
		"none is too short":    {zeros(20), 1, true},
		"nothing, whatever is": {nil, 1, false},
	} {
		m := prepare(t, driver.MessageBinary, c.p)
		o := deflate.Options{ThresholdBytes: c.threshold}.WithDefaults()
		for range 2 {
			if frame := m.CompressedFrame(deflate.Direction{}, &o); (frame != nil) != c.of {
				t.Errorf("%s: a frame of %d bytes", name, len(frame))
			}
		}
	}
}

// All loops of an engine ask at the same moment, and share what one of them made.
func TestCompressedFrameIsMadeOnce(t *testing.T) {
	m := prepare(t, driver.MessageBinary, make([]byte, 100_000))
	o := deflate.Options{}.WithDefaults()
	var all sync.WaitGroup
	frames := make([][]byte, 8)
	for i := range frames {
		all.Go(func() { frames[i] = m.CompressedFrame(deflate.Direction{WindowBits: 12}, &o) })
	}
	all.Wait()
	for _, f := range frames {
		if &f[0] != &frames[0][0] {
			t.Fatal("made more than once")
		}
	}
}

func TestPreparedAllocs(t *testing.T) {
	p := make([]byte, 1000)
	if got := testing.AllocsPerRun(100, func() { _, _ = driver.Prepare(driver.MessageText, p) }); got > 2 {
		t.Errorf("Prepare allocates %v times, want 2: the message and its frame", got)
	}
	m := prepare(t, driver.MessageText, p)
	o := deflate.Options{}.WithDefaults()
	if got := testing.AllocsPerRun(100, func() { m.CompressedFrame(deflate.Direction{}, &o) }); got > 0 {
		t.Errorf("CompressedFrame allocates %v times for a frame that is there", got)
	}
}
