package guard

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/godwit-io/godwit/access"
)

func policies(t testing.TB, patterns ...string) *Policies {
	t.Helper()
	list := make([]Policy, len(patterns))
	for i, text := range patterns {
		p, err := access.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = Policy{Match: p}
	}
	return NewPolicies(list)
}

func TestTheFirstPolicyThatMatchesCounts(t *testing.T) {
	p := policies(t, "a/b", "*/b", "a/**", "c", "**", "d")
	for channel, want := range map[string]string{
		"a/b": "a/b", "x/b": "*/b", "a/c": "a/**", "c": "c", "d": "**", "x/y/z": "**", "@ann": "",
	} {
		got := ""
		if found := p.Find(channel); found != nil {
			got = found.Match.String()
		}
		if got != want {
			t.Errorf("%s has the policy of %q, want %q", channel, got, want)
		}
	}
	if (*Policies)(nil).Find("a") != nil || NewPolicies(nil).Find("a") != nil || NewPolicies(nil).OfHub("a") != nil {
		t.Error("no policies have one")
	}
}

// The index finds what going through the list finds.
func TestPoliciesAreFoundInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	segments := []string{"a", "b", "c", "*"}
	name := func(depth int, wild bool) (s string) {
		for i := range depth {
			if i > 0 {
				s += "/"
			}
			s += segments[r.IntN(len(segments)-1)]
			if wild && r.IntN(3) == 0 {
				s = s[:len(s)-1] + "*"
			}
		}
		return s
	}
	for range 2000 {
		patterns := make([]string, r.IntN(10))
		for i := range patterns {
			patterns[i] = name(1+r.IntN(3), true)
			if r.IntN(4) == 0 {
				patterns[i] += "/**"
			}
		}
		p := policies(t, patterns...)
		channel := name(1+r.IntN(4), false)
		var want *Policy
		for i := range p.list {
			if p.list[i].Match.Matches(channel, "") {
				want = &p.list[i]
				break
			}
		}
		if got := p.Find(channel); got != want {
			t.Fatalf("%q in %q: %v, want %v", channel, patterns, got, want)
		}
	}
}

func BenchmarkFindPolicy(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		patterns := make([]string, n)
		for i := range patterns {
			patterns[i] = fmt.Sprintf("kind-%d/**", i)
		}
		p := policies(b, append(patterns, "**")...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Find("kind-7/some/channel")
			}
		})
	}
}
