package policy

import (
	"fmt"
	"go/ast"
	"go/doc"
	"path"
	"slices"
	"strings"
)

// PackageDocs finds packages that do not say in one sentence what they are: in
// exactly one file, doc.go, beginning "Package x " (for a command "Command x " or
// its own name), with the sentence a paragraph of its
// own. Below the folders of lessons a package that is one file says it there: a lesson is read
// in one piece.
func PackageDocs(t *Tree, lessons ...string) []Finding {
	const reason = "a package is one sentence, and go doc, the web and the next reader look for it in one place"
	var found []Finding
	for _, p := range t.Packages {
		if p.Name == "" {
			continue // nothing but tests
		}
		where := "doc.go"
		if slices.ContainsFunc(lessons, func(folder string) bool { return strings.HasPrefix(p.Dir, folder+"/") }) {
			where = onlyFile(p, where)
		}
		starts := []string{"Package " + p.Name + " "}
		if p.Name == "main" {
			name := path.Base(p.Dir)
			starts = []string{"Command " + name + " ", strings.ToUpper(name[:1]) + name[1:] + " "}
		}
		documented := false
		for _, f := range p.Files {
			if f.AST.Doc == nil {
				continue
			}
			report := func(text string) {
				found = append(found, Finding{f.Path, t.line(f.AST.Doc.Pos()), text, reason})
			}
			if path.Base(f.Path) != where {
				report("package documentation outside " + where)
				continue
			}
			documented = true
			text := f.AST.Doc.Text()
			if !slices.ContainsFunc(starts, func(s string) bool { return strings.HasPrefix(text, s) }) {
				report(fmt.Sprintf("the package documentation does not begin %q", starts))
			}
			first, _, _ := strings.Cut(text, "\n\n")
			first = strings.Join(strings.Fields(first), " ")
			if first != new(doc.Package).Synopsis(text) || !strings.HasSuffix(first, ".") {
				report("the first paragraph of the package documentation is not one sentence")
			}
		}
		if !documented {
			found = append(found, Finding{path.Join(p.Dir, where), 0, "package " + p.Name + " has no documentation", reason})
		}
	}
	return found
}

// onlyFile is the base name of the file that p is, if it is one besides its tests, and else otherwise.
func onlyFile(p *Package, otherwise string) string {
	only := ""
	for _, f := range p.Files {
		if strings.HasSuffix(f.Path, "_test.go") {
			continue
		}
		if only != "" {
			return otherwise
		}
		only = path.Base(f.Path)
	}
	return only
}

// Names finds packages whose name, or whose directory's, is in the list.
func Names(t *Tree, forbidden []string, reason string) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, name := range slices.Compact([]string{path.Base(p.Dir), p.Name}) {
			if slices.Contains(forbidden, name) {
				found = append(found, Finding{p.Dir, 0, "a package called " + name, reason})
			}
		}
	}
	return found
}

// FuzzTargets finds packages of the list that have no fuzz target.
func FuzzTargets(t *Tree, packages []string, reason string) []Finding {
	var found []Finding
	for _, dir := range packages {
		i := slices.IndexFunc(t.Packages, func(p *Package) bool { return p.Dir == dir })
		if i < 0 {
			found = append(found, Finding{dir, 0, "there is no such package", reason})
		} else if len(fuzzTargets(t.Packages[i])) == 0 {
			found = append(found, Finding{dir, 0, "has no fuzz target", reason})
		}
	}
	return found
}

// FuzzedParsers finds exported functions called Parse… that no fuzz target of
// their package names.
func FuzzedParsers(t *Tree, reason string) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		fuzzed := map[string]bool{}
		for _, target := range fuzzTargets(p) {
			ast.Inspect(target, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					fuzzed[id.Name] = true
				}
				return true
			})
		}
		for f, fn := range p.functions() {
			if name := fn.Name.Name; !f.Test && fn.Recv == nil && strings.HasPrefix(name, "Parse") && !fuzzed[name] {
				found = append(found, Finding{f.Path, t.line(fn.Pos()), "no fuzz target of " + p.Dir + " calls " + name, reason})
			}
		}
	}
	return found
}

func fuzzTargets(p *Package) []*ast.FuncDecl {
	var targets []*ast.FuncDecl
	for f, fn := range p.functions() {
		if f.Test && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Fuzz") {
			targets = append(targets, fn)
		}
	}
	return targets
}

// functions yields the functions and methods the package declares.
func (p *Package) functions() func(yield func(*GoFile, *ast.FuncDecl) bool) {
	return func(yield func(*GoFile, *ast.FuncDecl) bool) {
		for _, f := range p.Files {
			for _, d := range f.AST.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && !yield(f, fn) {
					return
				}
			}
		}
	}
}
