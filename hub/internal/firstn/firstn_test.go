package firstn_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/godwit-io/godwit/hub/internal/firstn"
)

func TestList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		limit, count := 1+random.IntN(50), random.IntN(1000)
		l := firstn.List[string]{Limit: limit, Name: func(s string) string { return s }}
		var all []string
		for _, i := range random.Perm(count) {
			name := fmt.Sprintf("%04d", i)
			all = append(all, name)
			l.Add(name)
		}
		slices.Sort(all)
		want := all[:min(limit, count)]
		if got := l.Sorted(); !slices.Equal(got, want) {
			t.Fatalf("the first %d of %d are %q", limit, count, got)
		}
		if count > limit && l.Wants(all[count-1]) {
			t.Errorf("the last of %d is wanted among the first %d", count, limit)
		}
	}
}
