package membroker

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var r ring[*int]
	var model []*int
	for step := range 20_000 {
		// Long phases of growing and of shrinking.
		if random.IntN(10) < 3+4*(step/1000%2) {
			v := &step
			r.push(v)
			model = append(model, v)
		} else if len(model) > 0 {
			if got := r.pop(); got != model[0] {
				t.Fatalf("step %d: popped %p, want %p", step, got, model[0])
			}
			model = model[1:]
		}
		if r.len() != len(model) {
			t.Fatalf("step %d: length %d, want %d", step, r.len(), len(model))
		}
		if size := len(r.array); size > max(ringMin, 4*len(model)) {
			t.Fatalf("step %d: an array of %d for %d", step, size, len(model))
		}
		held := slices.DeleteFunc(slices.Clone(r.array), func(p *int) bool { return p == nil })
		if len(held) != len(model) {
			t.Fatalf("step %d: %d are kept alive, want %d", step, len(held), len(model))
		}
		for i := range model {
			if *r.at(i) != model[i] {
				t.Fatalf("step %d: at(%d) is not what was pushed", step, i)
			}
		}
	}
}
