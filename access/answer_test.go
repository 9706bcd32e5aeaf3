package access_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

func TestWhoMayAnswer(t *testing.T) {
	id := &access.Identity{Kind: access.Token, User: "ann", Grants: grants(t, `{"answer":["math/*","jobs/{user}/**","@{user}/x","one","*/two"],"manage":["**"]}`)}
	for pattern, want := range map[string]bool{
		"math/add": true, "math/*": true, "math/**": false, "math": false, "*": false, "**": false, "*/add": false, "math/*/x": false,
		"jobs/ann/**": true, "jobs/ann/*": true, "jobs/ann/a/b": true, "jobs/ann": false, "jobs/bob/**": false, "jobs/*/a": false, "jobs/**": false,
		"one": true, "*/two": true, "x/two": true, "@bob/two": false, "@ann/x": true, "@bob/x": false,
		"": false, "/": false, "math/": false, "/two": false,
	} {
		d := access.Decide(id, nil, access.Answer, pattern)
		if d.Allowed != want || access.May(id, nil, access.Answer, pattern) != want {
			t.Errorf("%q: %v", pattern, d)
		}
	}
	star := &access.Identity{Kind: access.Token, User: "*", Grants: grants(t, `{"answer":["jobs/{user}"]}`)}
	if access.May(star, nil, access.Answer, "jobs/*") {
		t.Error("a user called * may answer for everybody")
	}
}

// A grant covers a pattern exactly if it matches every method that the pattern does.
func TestGrantsOfAnswersAgainstAllMethods(t *testing.T) {
	words := []string{"a", "b", "@a"}
	var methods []string
	var grow func(prefix string, depth int)
	grow = func(prefix string, depth int) {
		for _, w := range append(words, "z") {
			methods = append(methods, prefix+w)
			if depth > 1 {
				grow(prefix+w+"/", depth-1)
			}
		}
	}
	grow("", 5)
	r := rand.New(rand.NewPCG(5, 6))
	random := func() string {
		segments := make([]string, 1+r.IntN(3))
		for i := range segments {
			segments[i] = append(words, "*", "*")[r.IntN(5)]
		}
		if r.IntN(3) == 0 {
			segments[len(segments)-1] = "**"
		}
		return strings.Join(segments, "/")
	}
	covered := 0
	for range 3000 {
		granted, asked := random(), random()
		mine, err := access.ParsePattern(granted)
		if err != nil {
			t.Fatal(err)
		}
		other, err := access.ParsePattern(asked)
		if err != nil {
			t.Fatal(err)
		}
		want := true
		for _, m := range methods {
			if other.Matches(m, "") && !mine.Matches(m, "") {
				want = false
				break
			}
		}
		g, err := access.ParseGrants(map[string][]string{"answer": {granted}})
		if err != nil {
			t.Fatal(err)
		}
		if got := access.May(&access.Identity{Kind: access.Token, Grants: g}, nil, access.Answer, asked); got != want {
			t.Fatalf("the grant %s lets somebody answer %s: %v, want %v", granted, asked, got, want)
		}
		if want {
			covered++
		}
	}
	if covered < 100 {
		t.Errorf("only %d of the pairs cover", covered)
	}
}
