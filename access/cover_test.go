package access_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

func pattern(t testing.TB, text string) access.Pattern {
	t.Helper()
	p, err := access.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		granted, asked     string
		covers, intersects bool
	}{
		{"**", "**", true, true},
		{"**", "*", true, true},
		{"**", "a/**", true, true},
		{"**", "@ann/*", false, false},
		{"*", "**", false, true},
		{"a/**", "a/*", true, true},
		{"a/**", "a/**", true, true},
		{"a/**", "**", false, true},
		{"a/*", "a/**", false, true},
		{"a/*", "a/b", true, true},
		{"a/*/**", "a/**", false, true},
		{"a/b", "a/*", false, true},
		{"a/b", "*/c", false, false},
		{"*/b", "a/*", false, true},
		{"a", "a/**", false, false},
		{"@ann/*", "**", false, false},
		{"@ann/*", "*/x", false, false},
		{"@{user}/*", "@ann/*", true, true},
		{"@{user}/**", "@bob/*", false, false},
		{"inbox/{user}/*", "inbox/ann/*", true, true},
		{"inbox/{user}/*", "inbox/*/*", false, true},
		{"inbox/{user}/**", "inbox/bob/*", false, false},
		{"{user}/*", "@ann/*", false, false},
		{"**", "private-a/*", false, false},
		{"a/**", "a/*/presence-b", false, false},
		{"private-a/**", "private-a/*", true, true},
		{"a/private-b", "a/*", false, false},
		{"a/private-b/**", "a/**", false, false},
		{"private-{user}/*", "private-ann/*", true, true},
	} {
		granted, asked := pattern(t, test.granted), pattern(t, test.asked)
		if got := granted.Covers(asked, "ann"); got != test.covers {
			t.Errorf("%s covers %s: %v", test.granted, test.asked, got)
		}
		if got := granted.Intersects(asked, "ann"); got != test.intersects {
			t.Errorf("%s intersects %s: %v", test.granted, test.asked, got)
		}
	}
}

// TestCoversEveryName compares with what patterns match, on all short names.
func TestCoversEveryName(t *testing.T) {
	segments := []string{"a", "b", "@ann", "@bob", "ann", "private-ann"}
	var names []string
	var add func(prefix string, depth int)
	add = func(prefix string, depth int) {
		for _, s := range segments {
			names = append(names, prefix+s)
			if depth > 1 {
				add(prefix+s+"/", depth-1)
			}
		}
	}
	add("", 4)
	random := rand.New(rand.NewPCG(1, 2))
	text := func(more ...string) string {
		choices := append([]string{"a", "b", "*", "*", "@ann", "ann", "private-ann"}, more...)
		var parts []string
		for range 1 + random.IntN(3) {
			parts = append(parts, choices[random.IntN(len(choices))])
		}
		if random.IntN(3) == 0 {
			parts[len(parts)-1] = "**"
		}
		return strings.Join(parts, "/")
	}
	for range 3000 {
		granted, asked := pattern(t, text("{user}", "@{user}", "@bob", "private-{user}")), pattern(t, text())
		covers, intersects := true, false
		for _, name := range names {
			if asked.Matches(name, "") {
				matches := granted.Matches(name, "ann")
				covers = covers && matches
				intersects = intersects || matches
			}
		}
		if got := granted.Covers(asked, "ann"); got != covers {
			t.Errorf("%s covers %s: %v, and of the names it matches: %v", granted, asked, got, covers)
		}
		if got := granted.Intersects(asked, "ann"); got != intersects {
			t.Errorf("%s intersects %s: %v, and of the names it matches: %v", granted, asked, got, intersects)
		}
	}
}

func TestMayAll(t *testing.T) {
	grants, err := access.ParseGrants(map[string][]string{"subscribe": {"a/**", "@{user}/*"}, "manage": {"m/*"}})
	if err != nil {
		t.Fatal(err)
	}
	id := &access.Identity{Kind: access.Token, User: "ann", Grants: grants}
	for asked, want := range map[string]bool{
		"a/*": true, "a/**": true, "a/b/*": true, "@ann/*": true, "m/*": true,
		"*": false, "**": false, "*/b": false, "@bob/*": false, "m/**": false, "a**": false,
	} {
		if got := access.May(id, nil, access.Subscribe, asked); got != want {
			t.Errorf("%s: %v", asked, got)
		}
		d := access.Decide(id, nil, access.Subscribe, asked)
		if d.Allowed != want || !want && !strings.Contains(d.Reason, "covers all") {
			t.Errorf("%s: %v", asked, d)
		}
	}
	if access.May(id, nil, access.Publish, "a/*") {
		t.Error("a grant to subscribe lets publish")
	}
}
