package policy_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/godwit-io/godwit/internal/policy"
)

const module = "module example.org/m\n"

// load makes a tree of texts by path, with a go.mod unless one is given.
func load(t *testing.T, files map[string]string) *policy.Tree {
	t.Helper()
	fsys := fstest.MapFS{"go.mod": {Data: []byte(module)}}
	for p, text := range files {
		fsys[p] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := policy.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// expect compares findings with the beginnings of their lines, in order.
func expect(t *testing.T, found []policy.Finding, want ...string) {
	t.Helper()
	for i := 0; i < max(len(found), len(want)); i++ {
		switch {
		case i >= len(want):
			t.Errorf("unexpected finding: %s", found[i])
		case i >= len(found):
			t.Errorf("not found: %s", want[i])
		case !strings.HasPrefix(found[i].String(), want[i]):
			t.Errorf("finding %q does not begin %q", found[i], want[i])
		}
	}
}

func TestLoad(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go":                    "package a",
		"a/a_test.go":               "package a_test",
		"a/gen.go":                  "//go:build ignore\n\npackage main",
		"a/linux.go":                "//go:build linux\n\npackage a",
		"a/testdata/broken.go":      "this is no Go",
		"_old/x.go":                 "nor is this",
		"bench/go.mod":              "module example.org/m/bench",
		"bench/b.go":                "package bench",
		"root_test.go":              "package m_test",
		".git/config":               "x",
		".ci/run":                   "x",
		"js/node_modules/x/x.md":    "x",
		"docs/picture.png":          "\x89PNG\x00",
		"notes.go.txt":              "x",
		"client/dist/generated.min": "x",
	})
	if tree.Module != "example.org/m" {
		t.Errorf("module %q", tree.Module)
	}
	var packages []string
	for _, p := range tree.Packages {
		var files []string
		for _, f := range p.Files {
			files = append(files, f.Path)
		}
		packages = append(packages, p.Dir+" "+p.Name+": "+strings.Join(files, " "))
	}
	if got, want := strings.Join(packages, "\n"), "a a: a/a.go a/a_test.go a/linux.go\n. : root_test.go"; got != want {
		t.Errorf("packages:\n%s\nwant:\n%s", got, want)
	}
	for p, want := range map[string]bool{
		"bench/b.go": true, ".ci/run": true, "docs/picture.png": true, "a/testdata/broken.go": true,
		".git/config": false, "js/node_modules/x/x.md": false, "client/dist/generated.min": false,
	} {
		if got := tree.File(p) != nil; got != want {
			t.Errorf("%s is in the tree: %t", p, got)
		}
	}
	if text := tree.File("docs/picture.png").Text; text != "" {
		t.Errorf("a binary file has the text %q", text)
	}

	_, err := policy.Load(fstest.MapFS{"a.go": {Data: []byte("pack age")}})
	if err == nil || !strings.Contains(err.Error(), "a.go:1") {
		t.Errorf("a file that does not parse: %v", err)
	}
}

func TestFindingString(t *testing.T) {
	for want, f := range map[string]policy.Finding{
		"a.go:3: x: y": {Path: "a.go", Line: 3, Text: "x", Reason: "y"},
		"a: x":         {Path: "a", Text: "x"},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
