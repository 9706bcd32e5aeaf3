package loadgen

import (
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept in nanoseconds with three digits, from 100 ns to an hour, and
// in steps of 64 ns where that is more; longer ones count as an hour.
const (
	latencyMin    = 100
	latencyMax    = int64(time.Hour)
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(latencyMin, latencyMax, latencyDigits)
}

// recorder counts messages and their latencies. Connections are spread over
// its shards, so that they rarely wait for each other.
type recorder struct {
	shards []shard

	// The values collected from the shards; of the goroutine that collects.
	interval, total  *hdrhistogram.Histogram
	received, octets int64
}

type shard struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
	received  int64
	octets    int64
	_         [64]byte // no two shards in a cache line
}

func newRecorder() *recorder {
	r := &recorder{shards: make([]shard, min(2*runtime.GOMAXPROCS(0), 16)), interval: newHistogram(), total: newHistogram()}
	for i := range r.shards {
		r.shards[i].histogram = newHistogram()
	}
	return r
}

// shard is the one for connection i.
func (r *recorder) shard(i int) *shard { return &r.shards[i%len(r.shards)] }

// recordLatency records that something took d.
func (s *shard) recordLatency(d time.Duration) {
	s.mu.Lock()
	s.record(d)
	s.mu.Unlock()
}

// recordMessage records that a message of n bytes arrived in the time that is measured.
// If timed is set its latency is d.
func (s *shard) recordMessage(n int, arrived, timed bool, d time.Duration) {
	s.mu.Lock()
	if arrived {
		s.received++
		s.octets += int64(n)
	}
	if timed {
		s.record(d)
	}
	s.mu.Unlock()
}

func (s *shard) record(d time.Duration) {
	_ = s.histogram.RecordValue(min(max(int64(d), 0), latencyMax)) // cannot fail within the range
}

// collect empties the shards. It returns the new values, valid until the next call.
func (r *recorder) collect() (interval *hdrhistogram.Histogram, received int64) {
	r.interval.Reset()
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		if s.histogram.TotalCount() > 0 {
			r.interval.Merge(s.histogram)
			s.histogram.Reset()
		}
		received += s.received
		r.octets += s.octets
		s.received, s.octets = 0, 0
		s.mu.Unlock()
	}
	if r.interval.TotalCount() > 0 {
		r.total.Merge(r.interval)
	}
	r.received += received
	return r.interval, received
}

// latencies sums up everything that was collected.
func (r *recorder) latencies() *Latency { return summarize(r.total) }

// summarize returns nil if h is empty.
func summarize(h *hdrhistogram.Histogram) *Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	at := func(p float64) Millis { return millis(percentile(h, p)) }
	l := &Latency{
		Count: h.TotalCount(), Min: millis(time.Duration(h.Min())), Mean: millis(time.Duration(h.Mean())), Max: millis(time.Duration(h.Max())),
		P50: at(50), P75: at(75), P90: at(90), P99: at(99), P999: at(99.9), P9999: at(99.99),
	}
	// Every half of the rest gets as many points, until a point would stand
	// for less than one sample.
	const pointsPerHalf = 5
	for i := 0; ; i++ {
		rest := math.Exp2(-float64(i) / pointsPerHalf)
		if rest*float64(l.Count) < 1 {
			break
		}
		p := 100 * (1 - rest)
		l.Curve = append(l.Curve, Point{Percentile: p, Latency: at(p)})
	}
	l.Curve = append(l.Curve, Point{Percentile: 100, Latency: l.Max})
	return l
}

// percentile is the smallest latency that p percent of those in h, or more, do not
// exceed. The histogram itself rounds to the nearest sample, which may be one
// too low: among few samples that hides the longest.
func percentile(h *hdrhistogram.Histogram, p float64) time.Duration {
	n := float64(h.TotalCount())
	place := max(1, math.Ceil(p*n/100-1e-6)) // without what floating point adds to a whole number
	return time.Duration(h.ValueAtPercentile(100 * place / n))
}

func millis(d time.Duration) Millis { return Millis(float64(d) / float64(time.Millisecond)) }
