package shrinkmap_test

import (
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

func TestMapIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var m shrinkmap.Map[int, int]
	model := make(map[int]int)
	for step := range 200_000 {
		// Long phases of growing and of shrinking.
		k := random.IntN(5000)
		if random.IntN(10) < 1+7*(step/50_000%2) {
			m.Set(k, step)
			model[k] = step
		} else {
			m.Delete(k)
			delete(model, k)
		}
		got, ok := m.Get(k)
		want, wantOK := model[k]
		if got != want || ok != wantOK || m.Len() != len(model) {
			t.Fatalf("step %d: %d is %d, %v of %d; want %d, %v of %d", step, k, got, ok, m.Len(), want, wantOK, len(model))
		}
	}
	if !maps.Equal(maps.Collect(m.All), model) {
		t.Error("All yields something else")
	}
	for range m.All {
		break
	}
}

func TestMapGivesMemoryBack(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	const n = 200_000
	for _, left := range []int{0, 100} {
		var m shrinkmap.Map[int, [4]int]
		before := heap()
		for i := range n {
			m.Set(i, [4]int{})
		}
		full := heap()
		for i := range n - left {
			m.Delete(i)
		}
		after := heap()
		if full < before+n*32 || after > before+n {
			t.Errorf("%d left: %d KiB before, %d full, %d after", left, before>>10, full>>10, after>>10)
		}
		runtime.KeepAlive(&m)
	}
}
