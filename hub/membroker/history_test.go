package membroker

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// TestHistoryAgainstModel changes retention at random and compares with the
// definition: a publication is held until it is older than its Age, or Count
// newer ones exist, or a newer one is not held.
func TestHistoryAgainstModel(t *testing.T) {
	type published struct {
		offset uint64
		at     moment
		r      hub.Retention
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		var h history
		var all []published
		var now moment
		total := tally{}
		evictedTo := uint64(0)
		for offset := uint64(1); offset <= 200; offset++ {
			now += moment(random.IntN(5))
			r := hub.Retention{Count: 1 + random.IntN(30), Age: time.Duration(1 + random.IntN(50))}
			switch random.IntN(40) {
			case 0:
				r = hub.Retention{}
			case 1:
				r = hub.Retention{Count: math.MaxInt, Age: math.MaxInt64}
			}
			p := &hub.Publication{Position: hub.Position{Epoch: "e", Offset: offset}, Data: make([]byte, random.IntN(10))}
			total = total.plus(h.add(p, r, now))
			all = append(all, published{offset, now, r})
			now += moment(random.IntN(5))
			total = total.plus(h.expire(now))
			if random.IntN(30) == 0 {
				n := (h.held.len() + 1) / 2
				total = total.plus(h.drop(n))
				evictedTo = offset - uint64(h.held.len())
			}

			var want []uint64
			for _, p := range slices.Backward(all) {
				// A dropped publication stays so, though time is checked here only now.
				if p.offset <= evictedTo || p.r.Count <= 0 || p.r.Age <= 0 ||
					now-p.at > moment(p.r.Age) || offset-p.offset >= uint64(p.r.Count) {
					evictedTo = max(evictedTo, p.offset)
					break
				}
				want = append(want, p.offset)
			}
			slices.Reverse(want)
			page := h.read(hub.Query{}, p.Position)
			var got []uint64
			bytes := int64(0)
			for _, p := range page.Publications {
				got = append(got, p.Position.Offset)
				bytes += charge(p)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, offset %d: held are %v, want %v", seed, offset, got, want)
			}
			if total != (tally{len(got), bytes}) {
				t.Fatalf("seed %d, offset %d: tally is %+v, held are %d of %d bytes", seed, offset, total, len(got), bytes)
			}
		}
	}
}

func TestMomentDoesNotOverflow(t *testing.T) {
	if got := moment(10).add(math.MaxInt64); got != math.MaxInt64 {
		t.Errorf("moment is %d", got)
	}
	if got := moment(10).add(5); got != 15 {
		t.Errorf("moment is %d", got)
	}
}
