package inspect

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/golden"
)

const document = "../docs/inspect.md"

// The page documents every finding and every field of the JSON form.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "-update -->\n", "<!-- end -->"
	var table strings.Builder
	table.WriteString("| step | finding | grade | says |\n|---|---|---|---|\n")
	for _, k := range Catalogue() {
		fmt.Fprintf(&table, "| %s | `%s` | %s | %s |\n", k.Step, k.ID, k.Grade, k.Says)
	}
	golden.ComparePart(t, document, begin, end, table.String())
	_, after, _ := strings.Cut(string(b), end)
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	var missing []string
	walk = func(rt reflect.Type) {
		for rt.Kind() == reflect.Pointer || rt.Kind() == reflect.Slice {
			rt = rt.Elem()
		}
		if rt.Kind() != reflect.Struct || rt.PkgPath() != reflect.TypeFor[Report]().PkgPath() || seen[rt] {
			return
		}
		seen[rt] = true
		for i := range rt.NumField() {
			f := rt.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && !strings.Contains(after, "`"+name+"`") {
				missing = append(missing, rt.Name()+"."+name)
			}
			if name == "" && !f.Anonymous {
				missing = append(missing, rt.Name()+"."+f.Name+" has no name in JSON")
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Report]())
	if len(missing) > 0 {
		t.Errorf("fields without a word: %v", missing)
	}
}

// The catalogue is in the order of the steps, and each ID is there once.
func TestCatalogue(t *testing.T) {
	if len(Catalogue()) != len(kinds) {
		t.Error("an ID is there twice")
	}
	last := 0
	for _, k := range kinds {
		step := slices.Index(Steps, k.Step)
		if step < last || k.Says == "" {
			t.Errorf("%+v", k)
		}
		last = step
	}
	for _, id := range causes {
		if catalogue[id].Grade != Error {
			t.Errorf("%s is a cause and no error", id)
		}
	}
	for _, g := range []Grade{OK, Note, Warning, Error} {
		text, _ := g.MarshalText()
		var back Grade
		if err := back.UnmarshalText(text); err != nil || back != g {
			t.Errorf("%s became %v, %v", text, back, err)
		}
	}
	if err := new(Grade).UnmarshalText([]byte("fine")); err == nil {
		t.Error("there is no grade fine")
	}
}
