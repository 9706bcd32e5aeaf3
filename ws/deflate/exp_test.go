package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

var words = strings.Fields("the quick brown fox jumps over a lazy dog while seven wizards brew potions and knights ride through green valleys of the northern kingdom where rivers meet the sea under pale autumn light")

func jsonMessage(r *rand.Rand, n int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"channel":"match/%d/score","offset":%d,"time":"2026-03-%02dT%02d:%02d:%02d.%03dZ","events":[`, r.IntN(1000), r.IntN(1<<30), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000))
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":"%08x","user":{"name":"%s_%d","level":%d},"text":"%s %s %s %s %s","price":%.2f,"x":%d,"ok":%t},`,
			r.Uint32(), words[r.IntN(len(words))], r.IntN(10000), r.IntN(100), words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))], r.Float64()*1000, r.IntN(1<<20), r.IntN(2) == 0)
	}
	return []byte(b.String()[:n])
}

func messages(n, count int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	ms := make([][]byte, count)
	for i := range ms {
		ms[i] = jsonMessage(r, n)
	}
	return ms
}

func expAppend(h *history, e *encoder, dst, p []byte, lazy bool) []byte {
	e.reset()
	for len(p) > 0 {
		n := h.add(p)
		p = p[n:]
		e.startBlock()
		start := len(h.buf) - n
		h.tokenize(e, start, lazy)
		dst = e.appendBlock(dst, h.buf[start:])
	}
	return e.sync(dst)
}

func TestExp(t *testing.T) {
	for _, bits := range []int{8, 9, 11, 13, 15} {
		h := &history{window: 1 << bits}
		e := new(encoder)
		var all, comp []byte
		for _, n := range []int{3, 64, 512, 4096, 70000, 500} {
			for _, m := range messages(n, 20) {
				all = append(all, m...)
				comp = append(expAppend(h, e, comp, m, true), 0, 0, 255, 255)
			}
		}
		comp = append(comp, 1, 0, 0, 255, 255)
		got, err := io.ReadAll(flate.NewReader(bytes.NewReader(comp)))
		if err != nil || !bytes.Equal(got, all) {
			t.Fatal(bits, err, len(got), len(all))
		}
		t.Log(bits, float64(len(comp))/float64(len(all)))
	}
}

func BenchmarkExp(b *testing.B) {
	for _, lazy := range []bool{false, true} {
		for _, bits := range []int{11, 13, 15} {
			for _, n := range []int{64, 512, 4096, 65536} {
				b.Run(fmt.Sprint(lazy)+"/"+strconv.Itoa(bits)+"/"+strconv.Itoa(n), func(b *testing.B) {
					ms := messages(n, max(64, 4<<20/n))
					h := &history{window: 1 << bits}
					e := new(encoder)
					var dst []byte
					in, out, i := 0, 0, 0
					for b.Loop() {
						m := ms[i%len(ms)]
						i++
						dst = expAppend(h, e, dst[:0], m, lazy)
						in += len(m)
						out += len(dst)
					}
					b.ReportMetric(float64(out)/float64(in), "ratio")
				})
			}
		}
	}
}
