package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

// specificity orders patterns as Call says: words before *, * before **.
func specificity(pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		switch s {
		case "*":
			segments[i] = "1"
		case "**":
			segments[i] = "2"
		default:
			segments[i] = "0"
		}
	}
	return strings.Join(segments, "")
}

// The tree finds the same as a look at every pattern, and forgets removed patterns.
func TestRoutesAgainstAllPatterns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	segment := func(words ...string) string { return words[r.IntN(len(words))] }
	name := func(words ...string) string {
		segments := make([]string, 1+r.IntN(4))
		for i := range segments {
			segments[i] = segment(words...)
		}
		return strings.Join(segments, "/")
	}
	var tree routes[string]
	kept := map[string]access.Pattern{}
	for range 20_000 {
		pattern := name("a", "b", "@a", "private-a", "*")
		if r.IntN(3) == 0 {
			pattern += "/**"
		}
		if r.IntN(10) == 0 {
			pattern = "**"
		}
		if _, ok := kept[pattern]; ok || len(kept) > 20 {
			for pattern := range kept {
				tree.remove(pattern)
				delete(kept, pattern)
				break
			}
			continue
		}
		p, err := access.ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		kept[pattern] = p
		tree.set(pattern, &pattern)

		asked := name("a", "b", "c", "@a", "private-a")
		best := ""
		for text, p := range kept {
			if p.Matches(asked, "") && (best == "" || specificity(text) < specificity(best)) {
				best = text
			}
		}
		got := ""
		if found := tree.find(asked); found != nil {
			got = *found
		}
		if got != best {
			t.Fatalf("%s is found under %q, want %q of %v", asked, got, best, kept)
		}
	}
	for pattern := range kept {
		if tree.get(pattern) == nil {
			t.Errorf("%s is not there", pattern)
		}
		tree.remove(pattern)
	}
	tree.remove("never/there")
	if tree.root.next != nil {
		t.Errorf("the empty tree holds %v", tree.root.next)
	}
}

// Methods and their patterns are written like those of channels, so that grants mean them.
func FuzzMethod(f *testing.F) {
	for _, name := range []string{"math/add", "math/*", "**", "", "a//b", "../a", "{user}", "@ann/x", "ü", "a\x00", strings.Repeat("a", 256)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if method, channel := CheckMethod(name), CheckChannel(name); (method == nil) != (channel == nil) {
			t.Fatalf("%q: as a method %v, as a channel %v", name, method, channel)
		}
		var wrong *MethodError
		err := checkMethodPattern(name)
		if err != nil {
			if !errors.As(err, &wrong) || wrong.Problem == "" {
				t.Fatalf("%q: %v", name, err)
			}
			return
		}
		var tree routes[string]
		tree.set(name, &name)
		p, _ := access.ParsePattern(name)
		for _, method := range []string{name, strings.ReplaceAll(name, "*", "x"), strings.ReplaceAll(name, "**", "x/y")} {
			if CheckMethod(method) == nil && (tree.find(method) != nil) != p.Matches(method, "") {
				t.Fatalf("%q finds %q, and matches it: %v", method, name, p.Matches(method, ""))
			}
		}
		if tree.remove(name); tree.root.next != nil {
			t.Fatalf("%q is still there", name)
		}
	})
}

// Of equals the session whose turn was longest ago is next, and a full one is last.
func TestAnswerersAgainstASearch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var a answerers
	var all []*registration
	turn := uint64(0)
	for range 20_000 {
		switch n := r.IntN(10); {
		case n == 0 && len(all) < 20:
			x := &registration{max: 1 + r.IntN(3)}
			all = append(all, x)
			a.add(x)
		case n == 1 && len(all) > 0:
			i := r.IntN(len(all))
			a.remove(all[i])
			all = slices.Delete(all, i, i+1)
		case n < 6 && len(all) > 0:
			x := all[r.IntN(len(all))]
			x.open, x.missed, x.isStalled = r.IntN(4), r.IntN(3), r.IntN(5) == 0
			a.fix(x)
		}
		var best *registration
		for _, x := range all {
			if !x.isFull() && (best == nil || x.open+x.missed < best.open+best.missed || x.open+x.missed == best.open+best.missed && x.turn < best.turn) {
				best = x
			}
		}
		got := a.next()
		if (got == nil) != (best == nil) || got != nil && (got.open+got.missed != best.open+best.missed || got.turn != best.turn) {
			t.Fatalf("next is %+v, want %+v", got, best)
		}
		if got != nil {
			turn++
			got.turn = turn
			got.open++
			a.fix(got)
		}
	}
}

func BenchmarkRoutes(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var tree routes[string]
			for i := range n {
				text := fmt.Sprintf("service-%d/*", i)
				tree.set(text, &text)
			}
			b.ReportAllocs()
			for b.Loop() {
				if tree.find("service-7/add") == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}
