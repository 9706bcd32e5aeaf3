package policy

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Packages of the tree are named by their directory ("hub/membroker"), all
// others by their import path ("net/http"). Patterns may end in "/...".

// Scope says which files a rule is about.
type Scope uint8

const (
	Code       Scope = 1 << iota // what ends up in a binary
	Tests                        // _test.go
	Everywhere = Code | Tests
)

func (s Scope) covers(f *GoFile) bool {
	if f.Test {
		return s&Tests != 0
	}
	return s&Code != 0
}

// Arrow is an import that must not exist.
type Arrow struct {
	From   string
	To     string
	Reason string
	In     Scope    // default Code
	Except []string // packages that From covers and that may have the import
}

// Arrows finds the imports that a forbidden arrow describes.
func Arrows(t *Tree, arrows []Arrow) []Finding {
	var found []Finding
	for _, a := range arrows {
		if a.In == 0 {
			a.In = Code
		}
		t.imports(func(p *Package, f *GoFile, to string, line int) {
			if a.In.covers(f) && match(a.From, p.Dir) && match(a.To, to) && !matchAny(a.Except, p.Dir) {
				found = append(found, Finding{f.Path, line, fmt.Sprintf("%s imports %s", p.Dir, to), a.Reason})
			}
		})
	}
	return found
}

// Layer is a package's place in the tree: the packages of the same tree that it
// may import.
type Layer struct {
	Packages string // a pattern
	May      []string
	Reason   string
}

// Layers finds imports inside the tree that the importer's layer does not allow,
// and packages that have no layer. The first layer that matches a package is its
// own; what a package may import includes the packages in its own directory.
func Layers(t *Tree, layers []Layer) []Finding {
	layerOf := func(dir string) *Layer {
		for i := range layers {
			if match(layers[i].Packages, dir) {
				return &layers[i]
			}
		}
		return nil
	}
	var found []Finding
	for _, p := range t.Packages {
		if p.Name != "" && layerOf(p.Dir) == nil {
			found = append(found, Finding{p.Dir, 0, "has no place in the table of layers", "who may import whom is decided when a package begins, not when it hurts"})
		}
	}
	t.imports(func(p *Package, f *GoFile, to string, line int) {
		l := layerOf(p.Dir)
		if f.Test || l == nil || !t.holds(to) || matchAny(l.May, to) {
			return
		}
		may := "nothing of this module"
		if len(l.May) > 0 {
			may = "only " + strings.Join(l.May, ", ")
		}
		found = append(found, Finding{f.Path, line, fmt.Sprintf("%s imports %s and may import %s", p.Dir, to, may), l.Reason})
	})
	return found
}

// Outside is what packages may import from other modules; the standard library
// is always allowed.
type Outside struct {
	Packages []string
	May      []string // import path patterns
	Reason   string
}

// Outsiders finds imports of other modules that are not allowed.
func Outsiders(t *Tree, rules []Outside) []Finding {
	var found []Finding
	for _, r := range rules {
		t.imports(func(p *Package, f *GoFile, to string, line int) {
			first, _, _ := strings.Cut(to, "/")
			if !f.Test && matchAny(r.Packages, p.Dir) && strings.Contains(first, ".") && !t.holds(to) && !matchAny(r.May, to) {
				found = append(found, Finding{f.Path, line, fmt.Sprintf("%s imports %s", p.Dir, to), r.Reason})
			}
		})
	}
	return found
}

// Use is a function or type of another package that must not be named.
type Use struct {
	From    []string // in these packages
	Except  []string // but not in these
	Package string   // import path
	Names   []string
	Reason  string
	In      Scope // default Code
}

// Uses finds the names that must not be used, by reading the syntax; a dot
// import of the package counts as a use.
func Uses(t *Tree, uses []Use) []Finding {
	var found []Finding
	for _, u := range uses {
		if u.In == 0 {
			u.In = Code
		}
		for _, p := range t.Packages {
			if !matchAny(u.From, p.Dir) || matchAny(u.Except, p.Dir) {
				continue
			}
			for _, f := range p.Files {
				if !u.In.covers(f) {
					continue
				}
				selectors(f.AST, u.Package, func(n ast.Node, name string) {
					for _, forbidden := range u.Names {
						if name == forbidden || name == "." {
							found = append(found, Finding{f.Path, t.line(n.Pos()), fmt.Sprintf("%s uses %s.%s", p.Dir, u.Package, name), u.Reason})
							return
						}
					}
				})
			}
		}
	}
	return found
}

// Goroutines finds go statements in the code of the packages.
func Goroutines(t *Tree, packages []string, reason string) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if f.Test || !matchAny(packages, p.Dir) {
				continue
			}
			ast.Inspect(f.AST, func(n ast.Node) bool {
				if _, ok := n.(*ast.GoStmt); ok {
					found = append(found, Finding{f.Path, t.line(n.Pos()), p.Dir + " starts a goroutine", reason})
				}
				return true
			})
		}
	}
	return found
}

// imports calls do for every import of every file.
func (t *Tree) imports(do func(p *Package, f *GoFile, to string, line int)) {
	for _, p := range t.Packages {
		for _, f := range p.Files {
			for _, spec := range f.AST.Imports {
				to := importPath(spec)
				if to == t.Module {
					to = "."
				} else {
					to = strings.TrimPrefix(to, t.Module+"/")
				}
				do(p, f, to, t.line(spec.Pos()))
			}
		}
	}
}

// holds reports whether name is a directory of packages in the tree.
func (t *Tree) holds(name string) bool {
	for _, p := range t.Packages {
		if p.Dir == name {
			return true
		}
	}
	return false
}

// selectors calls do for every name taken from the package at target, and with
// "." for a dot import of it.
func selectors(f *ast.File, target string, do func(n ast.Node, name string)) {
	local := ""
	for _, spec := range f.Imports {
		if importPath(spec) != target {
			continue
		}
		switch {
		case spec.Name == nil:
			local = packageName(target)
		case spec.Name.Name == ".":
			do(spec, ".")
		default:
			local = spec.Name.Name
		}
	}
	if local == "" {
		return
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			// The parser resolves names declared in the file and leaves imports
			// alone: a name it did resolve is a variable that hides the import.
			if x, ok := s.X.(*ast.Ident); ok && x.Name == local && x.Obj == nil {
				do(s, s.Sel.Name)
			}
		}
		return true
	})
}

// packageName guesses the name of the package at an import path as readers do:
// the last element that is not a major version.
func packageName(importPath string) string {
	name := path.Base(importPath)
	if majorVersion.MatchString(name) {
		name = path.Base(path.Dir(importPath))
	}
	return name
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser accepts only valid literals
	}
	return p
}
