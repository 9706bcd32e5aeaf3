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

func TestExp(t *testing.T) {
	for _, bits := range []int{8, 9, 11, 13, 15} {
		o := Options{HistoryBits: bits}.WithDefaults()
		d := NewDeflater(Direction{}, &o)
		var all, comp []byte
		for _, n := range []int{3, 64, 512, 4096, 70000, 500} {
			for _, m := range messages(n, 20) {
				all = append(all, m...)
				comp = append(d.Append(comp, m), 0, 0, 255, 255)
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
	for lazy := range LevelFast + 1 {
		for _, bits := range []int{11, 13, 15} {
			for _, n := range []int{64, 512, 4096, 65536} {
				b.Run(fmt.Sprint(lazy)+"/"+strconv.Itoa(bits)+"/"+strconv.Itoa(n), func(b *testing.B) {
					ms := messages(n, max(64, 4<<20/n))
					o := Options{HistoryBits: bits, Level: lazy}.WithDefaults()
					d := NewDeflater(Direction{}, &o)
					var dst []byte
					in, out, i := 0, 0, 0
					for b.Loop() {
						m := ms[i%len(ms)]
						i++
						dst = d.Append(dst[:0], m)
						in += len(m)
						out += len(dst)
					}
					b.ReportMetric(float64(out)/float64(in), "ratio")
				})
			}
		}
	}
}

func BenchmarkInf(b *testing.B) {
	for _, n := range []int{64, 512, 4096, 65536} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			ms := messages(n, max(64, 4<<20/n))
			cs := compressAll(ms)
			o := Options{}.WithDefaults()
			dst := make([]byte, 0, 66000)
			i := 0
			var d *Inflater
			b.ReportAllocs()
			for b.Loop() {
				if i%len(ms) == 0 {
					d = NewInflater(Direction{}, &o)
				}
				c := cs[i%len(ms)]
				i++
				var err error
				dst, err = d.Append(dst[:0], c, true)
				if err != nil || len(dst) != n {
					b.Fatal(err)
				}
			}
		})
	}
}

func compressAll(ms [][]byte) [][]byte {
	var buf bytes.Buffer
	fw, _ := flate.NewWriter(&buf, 1)
	var out [][]byte
	for _, m := range ms {
		buf.Reset()
		fw.Write(m)
		fw.Flush()
		out = append(out, bytes.Clone(buf.Bytes()[:buf.Len()-4]))
	}
	return out
}

func TestInf(t *testing.T) {
	for _, n := range []int{1, 3, 64, 512, 4096, 65536} {
		ms := messages(n, 300000/n+1)
		cs := compressAll(ms)
		o := Options{}.WithDefaults()
		d := NewInflater(Direction{}, &o)
		for i, c := range cs {
			got, err := d.Append(nil, c, true)
			if err != nil || !bytes.Equal(got, ms[i]) {
				t.Fatal(n, i, err, len(got))
			}
		}
	}
}
