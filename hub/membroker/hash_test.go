package membroker

import (
	"fmt"
	"hash/maphash"
	"math"
	"strings"
	"testing"
)

// Names that differ little are spread evenly over the shards, and over the floors.
func TestHashSpreads(t *testing.T) {
	const names = 1 << 16
	for form, name := range map[string]func(int) string{
		"short": func(i int) string { return fmt.Sprint(i) },
		"long":  func(i int) string { return fmt.Sprintf("some/longer/name/of/a/channel/%08d", i) },
		"runs":  func(i int) string { return strings.Repeat("a", i%200) + fmt.Sprint(i) },
	} {
		key := newNameKey()
		var shards [shardCount]int
		var places [4096]int
		seen := make(map[uint64]bool, names)
		for i := range names {
			h := key.of(name(i))
			if seen[h] {
				t.Errorf("%s: two of %d names have one hash", form, names)
			}
			seen[h] = true
			shards[h%shardCount]++
			places[h>>52]++
		}
		for what, counts := range map[string][]int{"shards": shards[:], "floors": places[:]} {
			mean := float64(names) / float64(len(counts))
			chi := 0.0
			for _, n := range counts {
				chi += (float64(n) - mean) * (float64(n) - mean) / mean
			}
			degrees := float64(len(counts) - 1)
			if chi > degrees+8*math.Sqrt(2*degrees) {
				t.Errorf("%s: %s are used unevenly: χ² is %.0f of %.0f", form, what, chi, degrees)
			}
		}
	}
	if a, b := newNameKey(), newNameKey(); a.of("chat") == b.of("chat") {
		t.Error("two keys make the same hash")
	}
}

func BenchmarkHash(b *testing.B) {
	for _, name := range []string{"chat/lobby", "tenant/1234567/room/abcdefgh"} {
		key, seed := newNameKey(), maphash.MakeSeed()
		b.Run(fmt.Sprint("ours/", len(name)), func(b *testing.B) {
			for b.Loop() {
				key.of(name)
			}
		})
		b.Run(fmt.Sprint("maphash/", len(name)), func(b *testing.B) {
			for b.Loop() {
				maphash.String(seed, name)
			}
		})
	}
}
