//go:build !js

package ws_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// A package that a server and a page share must compile for both, so what this
// package exports is the same on every platform.
func TestEveryPlatformHasTheSameAPI(t *testing.T) {
	want := exported(t, "linux", "amd64")
	if !want["func (*Conn) Read(context.Context) (MessageType, []byte, error)"] || !want["type Conn"] || !want["const StatusNormal"] {
		t.Fatalf("the test has lost the API: %q", slices.Sorted(maps.Keys(want)))
	}
	for _, platform := range [][2]string{{"js", "wasm"}, {"windows", "amd64"}, {"darwin", "arm64"}} {
		got := exported(t, platform[0], platform[1])
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if !got[name] {
				t.Errorf("GOOS=%s lacks: %s", platform[0], name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if !want[name] {
				t.Errorf("GOOS=%s alone has: %s", platform[0], name)
			}
		}
	}
}

// exported returns what the package declares for others on a platform. Of a
// function it has the types, of a type the name.
func exported(t *testing.T, goos, goarch string) map[string]bool {
	t.Helper()
	platform := build.Default
	platform.GOOS, platform.GOARCH, platform.CgoEnabled = goos, goarch, false
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		if match, err := platform.MatchFile(".", entry.Name()); err != nil {
			t.Fatal(err)
		} else if !match {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, entry.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			for _, name := range declared(t, fset, decl) {
				names[name] = true
			}
		}
	}
	return names
}

func declared(t *testing.T, fset *token.FileSet, decl ast.Decl) (names []string) {
	t.Helper()
	source := func(node any) string {
		var b strings.Builder
		if err := printer.Fprint(&b, fset, node); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if !decl.Name.IsExported() {
			return nil
		}
		name := "func "
		if decl.Recv != nil {
			receiver := source(decl.Recv.List[0].Type)
			if !ast.IsExported(strings.TrimLeft(receiver, "*")) {
				return nil
			}
			name += "(" + receiver + ") "
		}
		unnamed(decl.Type.Params)
		unnamed(decl.Type.Results)
		return []string{name + decl.Name.Name + strings.TrimPrefix(source(decl.Type), "func")}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					names = append(names, "type "+spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() {
						names = append(names, decl.Tok.String()+" "+name.Name)
					}
				}
			}
		}
	}
	return names
}

// unnamed takes the names of parameters away, of which no caller knows.
func unnamed(fields *ast.FieldList) {
	if fields == nil {
		return
	}
	var list []*ast.Field
	for _, field := range fields.List {
		for range max(1, len(field.Names)) {
			list = append(list, &ast.Field{Type: field.Type})
		}
	}
	fields.List = list
}
