package trie_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub/internal/trie"
)

// TestTrie adds and removes patterns at random; what matches is what each pattern by
// itself says.
func TestTrie(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	segments := []string{"a", "b", "@a", "private-a", "*"}
	text := func(isPattern bool) string {
		var parts []string
		for range 1 + random.IntN(4) {
			n := len(segments)
			if !isPattern {
				n--
			}
			parts = append(parts, segments[random.IntN(n)])
		}
		if isPattern && random.IntN(2) == 0 {
			parts[len(parts)-1] = "**"
		}
		return strings.Join(parts, "/")
	}
	type entry struct {
		pattern string
		v       int
	}
	var tr trie.Trie[int]
	var model []entry
	for step := range 50_000 {
		switch random.IntN(4) {
		case 0:
			e := entry{text(true), random.IntN(3)}
			tr.Add(e.pattern, e.v)
			model = append(model, e)
		case 1:
			e := entry{text(true), random.IntN(3)}
			i := slices.Index(model, e)
			if got := tr.Remove(e.pattern, e.v); got != (i >= 0) {
				t.Fatalf("step %d: removing %v says %v", step, e, got)
			}
			if i >= 0 {
				model = slices.Delete(model, i, i+1)
			}
		default:
			name := text(false)
			var want []int
			for _, e := range model {
				p, err := access.ParsePattern(e.pattern)
				if err != nil {
					t.Fatal(err)
				}
				if p.Matches(name, "") {
					want = append(want, e.v)
				}
			}
			got := tr.Match(name, nil)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("step %d: %q matches %v, want %v of %v", step, name, got, want, model)
			}
		}
		if tr.Len() != len(model) {
			t.Fatalf("step %d: %d values, want %d", step, tr.Len(), len(model))
		}
		if len(model) > 60 {
			for _, e := range model {
				tr.Remove(e.pattern, e.v)
			}
			model = nil
		}
	}
}

// BenchmarkMatch is what one name costs among many patterns that do not match it.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprint("patterns=", n), func(b *testing.B) {
			var tr trie.Trie[int]
			for i := range n {
				tr.Add(fmt.Sprintf("room/%d/*", i), i)
			}
			var dst []int
			b.ReportAllocs()
			for b.Loop() {
				dst = tr.Match("room/0/chat", dst[:0])
			}
			if len(dst) != 1 {
				b.Fatal(dst)
			}
		})
	}
}
