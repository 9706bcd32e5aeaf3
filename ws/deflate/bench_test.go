package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strconv"
	"testing"
)

// benchSizes are the messages that benchmarks send: JSON, each another.
var benchSizes = []int{64, 512, 4096, 65536}

// Both directions beside what a library does that keeps a compress/flate writer
// for each connection and primes a pooled reader with its window.
func BenchmarkDeflate(b *testing.B) {
	for _, n := range benchSizes {
		messages := jsonMessages(n)
		run := func(name string, send func(dst, p []byte) []byte) {
			b.Run(name+"/"+strconv.Itoa(n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n))
				var dst []byte
				i, out := 0, 0
				for b.Loop() {
					dst = send(dst[:0], messages[i%len(messages)])
					out += len(dst)
					i++
				}
				b.ReportMetric(float64(out)/float64(n*i), "ratio")
			})
		}
		for name, o := range map[string]Options{
			"default":   {},
			"fast":      {Level: LevelFast},
			"15bits":    {HistoryBits: 15},
			"fast15bit": {HistoryBits: 15, Level: LevelFast},
		} {
			o = o.WithDefaults()
			run(name, NewDeflater(Direction{}, &o).Append)
		}
		run("alone", NewDeflater(Direction{NoContextTakeover: true}, defaults()).Append)
		var out bytes.Buffer
		w, _ := flate.NewWriter(&out, flate.BestSpeed)
		run("flate", func(dst, p []byte) []byte {
			out.Reset()
			w.Write(p)
			w.Flush()
			return append(dst, out.Bytes()[:out.Len()-len(blockTail)]...)
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, n := range benchSizes {
		messages := jsonMessages(n)
		own := make([][]byte, len(messages))
		d := NewDeflater(Direction{}, defaults())
		for i, m := range messages {
			own[i] = d.Append(nil, m)
		}
		for from, compressed := range map[string][][]byte{"own": own, "flate": stdDeflate(b, messages, flate.BestSpeed, true)} {
			run := func(name string, begin func(), receive func(p []byte) error) {
				b.Run(fmt.Sprintf("%s/from=%s/%d", name, from, n), func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(n))
					for i := 0; b.Loop(); i++ {
						if i%len(compressed) == 0 {
							begin()
						}
						if err := receive(compressed[i%len(compressed)]); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			dst := make([]byte, 0, n+300)
			f := new(Inflater)
			run("default", func() { *f = *NewInflater(Direction{}, defaults()) }, func(p []byte) (err error) {
				dst, err = f.Append(dst[:0], p, true)
				return err
			})

			window := make([]byte, 0, 1<<15)
			in := new(bytes.Reader)
			r := flate.NewReader(in)
			whole := make([]byte, n)
			tailed := make([]byte, 0, n+300)
			run("flate", func() { window = window[:0] }, func(p []byte) error {
				tailed = append(append(tailed[:0], p...), blockTail...)
				in.Reset(tailed)
				r.(flate.Resetter).Reset(in, window)
				_, err := io.ReadFull(r, whole)
				if drop := len(window) + min(n, 1<<15) - 1<<15; drop > 0 {
					window = window[:copy(window, window[drop:])]
				}
				window = append(window, whole[max(0, n-1<<15):]...)
				return err
			})
		}
	}
}
