package conformance_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/conformance"
)

// TestCatalogue holds the cases to what their type says of them.
func TestCatalogue(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]+/[A-Za-z0-9][A-Za-z0-9.-]*$`)
	section := regexp.MustCompile(`^RFC \d{4} §\d+(\.\d+)*$`)
	for role, least := range map[conformance.Role]int{conformance.Server: 1000, conformance.Client: 1000} {
		cases := conformance.Cases(role)
		if len(cases) < least {
			t.Errorf("%d cases for a %s, and there should be %d", len(cases), role, least)
		}
		seen := map[string]bool{}
		sentences := map[string]string{}
		groups := map[string]int{}
		for _, c := range cases {
			groups[c.Group()]++
			if seen[c.ID] {
				t.Errorf("%s is there twice", c.ID)
			}
			seen[c.ID] = true
			if !form.MatchString(c.ID) {
				t.Errorf("%s has not the form of an ID", c.ID)
			}
			if !section.MatchString(c.Section) {
				t.Errorf("%s cites %q", c.ID, c.Section)
			}
			if len(c.Checks) < 20 || strings.HasSuffix(c.Checks, ".") || strings.Contains(c.Checks, "  ") {
				t.Errorf("%s checks %q", c.ID, c.Checks)
			}
			if other := sentences[c.Checks]; other != "" {
				t.Errorf("%s and %s check the same: %q", other, c.ID, c.Checks)
			}
			sentences[c.Checks] = c.ID
		}
		for _, g := range conformance.Groups() {
			if groups[g.Name] == 0 && !(role == conformance.Client && g.Name == "origin") {
				t.Errorf("group %s has no case for a %s", g.Name, role)
			}
		}
	}
}

func TestSelect(t *testing.T) {
	count := func(role conformance.Role, only, skip []string) int {
		t.Helper()
		cases, err := conformance.Select(role, only, skip)
		if err != nil {
			t.Fatal(err)
		}
		return len(cases)
	}
	all := len(conformance.Cases(conformance.Server))
	utf8 := count(conformance.Server, []string{"utf8"}, nil)
	switch {
	case count(conformance.Server, nil, nil) != all:
		t.Error("no pattern does not select all")
	case count(conformance.Server, []string{"framing/text"}, nil) != 1:
		t.Error("an ID does not select its case")
	case utf8 == 0 || count(conformance.Server, []string{"utf8/*"}, nil) != utf8:
		t.Error("a group is not the same as everything in it")
	case count(conformance.Server, nil, []string{"utf8"}) != all-utf8:
		t.Error("a skipped group is not left out")
	case count(conformance.Server, []string{"utf8", "framing/text"}, []string{"utf8/bad-*"}) >= utf8:
		t.Error("skip does not take from only")
	case count(conformance.Server, []string{"deflate/window-server-1[0-4]"}, nil) != 5:
		t.Error("a class does not select by character")
	}
	for _, pattern := range []string{"nothing", "utf8/nothing-*", "utf8/[", "UTF8", ""} {
		if _, err := conformance.Select(conformance.Server, []string{pattern}, nil); err == nil {
			t.Errorf("%q selects without an error", pattern)
		}
		if _, err := conformance.Select(conformance.Server, nil, []string{pattern}); err == nil {
			t.Errorf("%q skips without an error", pattern)
		}
	}
	if _, err := conformance.Select(conformance.Client, []string{"origin"}, nil); err == nil {
		t.Error("a group without cases for the role is selected without an error")
	}
}
