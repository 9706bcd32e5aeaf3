package loadgen

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// Every percentile is right to three digits, the number of samples is exact, and
// nothing is lost between collections, whatever shard it came by.
func TestRecorder(t *testing.T) {
	r := newRecorder()
	var writers sync.WaitGroup
	const each, connections = 1000, 20
	for c := range connections {
		writers.Go(func() {
			s := r.shard(c)
			for i := range each {
				s.recordMessage(10, true, true, time.Duration(c*each+i+1)*time.Microsecond)
			}
		})
	}
	collected := int64(0)
	for range 50 {
		_, n := r.collect()
		collected += n
	}
	writers.Wait()
	_, n := r.collect()
	collected += n
	if collected != each*connections || r.received != collected || r.octets != 10*collected {
		t.Fatalf("collected %d of %d, %d bytes", collected, each*connections, r.octets)
	}
	l := r.latencies()
	for _, c := range []struct{ got, want Millis }{{l.P50, 10}, {l.P75, 15}, {l.P90, 18}, {l.P99, 19.8}, {l.P999, 19.98}, {l.Max, 20}, {l.Mean, 10}} {
		if math.Abs(float64(c.got/c.want-1)) > 0.002 {
			t.Errorf("got %v, want %v", float64(c.got), float64(c.want))
		}
	}
	if l.Count != each*connections || l.Min > 0.00101 {
		t.Errorf("%d samples from %v", l.Count, l.Min)
	}
	last := l.Curve[len(l.Curve)-1]
	if first := l.Curve[0]; first.Percentile != 0 || last.Percentile != 100 || last.Latency != l.Max {
		t.Errorf("the curve goes from %v to %v", first, last)
	}
	for i := 1; i < len(l.Curve); i++ {
		if l.Curve[i].Percentile <= l.Curve[i-1].Percentile || l.Curve[i].Latency < l.Curve[i-1].Latency {
			t.Errorf("the curve falls from %v to %v", l.Curve[i-1], l.Curve[i])
		}
	}
}

// The same figures by another way: all samples in a sorted list. They are drawn
// from a distribution with a long tail, as latencies have.
func TestPercentilesAgainstSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	r := newRecorder()
	samples := make([]time.Duration, 50_000)
	for i := range samples {
		samples[i] = time.Duration(math.Exp(random.NormFloat64()*1.5) * float64(200*time.Microsecond))
		r.shard(i).recordLatency(samples[i])
		if i%1000 == 0 {
			r.collect()
		}
	}
	r.collect()
	slices.Sort(samples)
	// The smallest sample that at least so many percent do not exceed.
	exact := func(percentile float64) Millis {
		return millis(samples[max(0, int(math.Ceil(percentile/100*float64(len(samples))-1e-6))-1)])
	}
	l := r.latencies()
	points := append([]Point{{50, l.P50}, {75, l.P75}, {90, l.P90}, {99, l.P99}, {99.9, l.P999}, {99.99, l.P9999}, {100, l.Max}}, l.Curve...)
	for _, p := range points {
		if want := exact(p.Percentile); math.Abs(float64(p.Latency-want)) > max(0.001*float64(want), 64e-6) {
			t.Errorf("%v %%: %v, and sorted %v", p.Percentile, float64(p.Latency), float64(want))
		}
	}
	if int(l.Count) != len(samples) {
		t.Errorf("%d samples of %d", l.Count, len(samples))
	}
}

// Of few samples, each percentile is the one with the right place in the line.
func TestPercentileOfFew(t *testing.T) {
	for n := 1; n <= 1100; n++ {
		h := newHistogram()
		for i := range n {
			_ = h.RecordValue(int64(i+1) << 10) // told apart up to 1100
		}
		for _, p := range []int{0, 50, 75, 90, 99, 100} {
			place := max(1, (n*p+99)/100)
			if got := int(percentile(h, float64(p)) >> 10); got != place {
				t.Fatalf("of %d samples, %d %% is number %d, want %d", n, p, got, place)
			}
		}
	}
}

func TestRecorderLimits(t *testing.T) {
	r := newRecorder()
	r.shard(0).recordLatency(-time.Second)     // clocks are monotonic, so this is 0
	r.shard(0).recordLatency(1000 * time.Hour) // counts as an hour
	r.shard(0).recordMessage(5, true, false, time.Hour)
	r.shard(0).recordMessage(5, false, false, time.Hour)
	r.collect()
	l := r.latencies()
	if l.Count != 2 || l.Min != 0 || math.Abs(float64(l.Max)/3.6e6-1) > 0.001 || r.received != 1 || r.octets != 5 {
		t.Errorf("%+v, %d received", l, r.received)
	}
	if newRecorder().latencies() != nil {
		t.Error("nothing has a distribution")
	}
}

// The work for each message must not allocate.
func TestAllocPerMessage(t *testing.T) {
	p := newPayloads(512, "")
	r := newRecorder()
	number := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		b := p.take(7, number)
		if !p.isPayload(*b, 7, number) {
			t.Fatal("not its own payload")
		}
		p.give(b)
		r.shard(7).recordMessage(512, true, true, time.Millisecond)
		number++
	}); n >= 1 {
		t.Errorf("%v allocations for each message", n)
	}
}
