package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

var words = strings.Fields(`the quick brown fox jumps over a lazy dog while seven wizards brew potions and
	knights ride through green valleys of the northern kingdom where rivers meet the sea under pale light`)

// jsonMessage is n bytes of what applications send: keys that repeat, values
// that do not.
func jsonMessage(r *rand.Rand, n int) []byte {
	var b strings.Builder
	word := func() string { return words[r.IntN(len(words))] }
	fmt.Fprintf(&b, `{"channel":"match/%d/score","offset":%d,"time":"2026-03-%02dT%02d:%02d:%02d.%03dZ","events":[`,
		r.IntN(1000), r.IntN(1<<30), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000))
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":"%08x","user":{"name":"%s_%d","level":%d},`, r.Uint32(), word(), r.IntN(10000), r.IntN(100))
		fmt.Fprintf(&b, `"text":"%s %s %s %s %s",`, word(), word(), word(), word(), word())
		fmt.Fprintf(&b, `"price":%.2f,"x":%d,"ok":%t},`, r.Float64()*1000, r.IntN(1<<20), r.IntN(2) == 0)
	}
	return []byte(b.String()[:n])
}

// jsonMessages returns messages that differ, enough of them for any window to
// forget the first before the last.
func jsonMessages(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	messages := make([][]byte, max(64, 4<<20/n))
	for i := range messages {
		messages[i] = jsonMessage(r, n)
	}
	return messages
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// conversations are messages in the order they are sent on one connection.
var conversations = map[string][][]byte{
	"json": func() (c [][]byte) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range []int{5, 64, 512, 700, 4096, 1, 512, 70000, 300, 0, 20000} {
			c = append(c, jsonMessage(r, n))
		}
		return c
	}(),
	"random": func() (c [][]byte) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, n := range []int{1, 100, 5000, 70000, 140000, 3} {
			c = append(c, randomBytes(r, n))
		}
		return append(c, c[1], c[2]) // the second time they are in the window
	}(),
	"runs": {
		bytes.Repeat([]byte{0}, 100000), []byte("a"), bytes.Repeat([]byte("a"), 259), bytes.Repeat([]byte("ab"), 40000),
		bytes.Repeat([]byte("abc"), 300), bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz"), 5000),
	},
	"skewed": {skewed(40000), skewed(3000), skewed(200)},
	"empty":  {nil, nil, []byte("x"), nil},
	"mixed": func() (c [][]byte) {
		r := rand.New(rand.NewPCG(7, 8))
		for range 300 {
			m := jsonMessage(r, 20+r.IntN(2000))
			copy(m[r.IntN(len(m)):], randomBytes(r, r.IntN(500)))
			c = append(c, m)
		}
		return c
	}(),
}

// skewed has symbols as rare as it takes for an optimal code to be longer than
// 15 bits: their frequencies are Fibonacci numbers, in an order without repeats.
func skewed(n int) []byte {
	var b []byte
	for sym, f, g := byte(0), 1, 1; len(b) < n; sym, f, g = sym+1, g, f+g {
		b = append(b, bytes.Repeat([]byte{sym}, f)...)
	}
	r := rand.New(rand.NewPCG(9, 10))
	r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return b
}

func defaults() *Options {
	o := Options{}.WithDefaults()
	return &o
}

// unlimited is for tests that are not about limits.
func unlimited() *Options {
	o := Options{MessageBytesMax: NoLimit, RatioMax: NoLimit}.WithDefaults()
	return &o
}

// stdDeflate compresses with compress/flate, as a peer with one zlib stream for
// the whole connection does, or with one for each message.
func stdDeflate(t testing.TB, messages [][]byte, level int, takeover bool) (compressed [][]byte) {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		out.Reset()
		if !takeover {
			w.Reset(&out)
		}
		w.Write(m)
		w.Flush()
		b, ok := bytes.CutSuffix(out.Bytes(), []byte(blockTail))
		if !ok {
			t.Fatal("no tail")
		}
		compressed = append(compressed, bytes.Clone(b))
	}
	return compressed
}

// stdInflate decompresses a message with compress/flate, which knows no
// messages: a final block is put behind it, and after one inside it begins anew.
func stdInflate(message, before []byte) ([]byte, error) {
	in := bytes.NewReader([]byte(string(message) + blockTail + "\x01\x00\x00\xff\xff"))
	out := bytes.Clone(before)
	for in.Len() > 0 {
		r := flate.NewReaderDict(in, out[max(0, len(out)-1<<15):])
		b, err := io.ReadAll(r)
		out = append(out, b...)
		if err != nil {
			return out[len(before):], err
		}
		if in.Len() == len(blockTail)+5 {
			break // a final block ended the message: there is nothing to end
		}
	}
	return out[len(before):], nil
}
