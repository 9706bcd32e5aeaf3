package policy

import (
	"go/ast"
	"go/token"
)

// Sleeps finds calls of time.Sleep in tests that wait in real time. In a
// testing/synctest bubble a sleep takes no time and is exact, so it is allowed
// in a function literal or a named function given to synctest.Test, and in
// helpers of the package's tests that are used from nowhere else.
func Sleeps(t *Tree, reason string) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		virtual := bubbles(p)
		for _, f := range p.Files {
			if !f.Test {
				continue
			}
			selectors(f.AST, "time", func(n ast.Node, name string) {
				if name == "Sleep" && !virtual.contain(n.Pos()) {
					found = append(found, Finding{f.Path, t.line(n.Pos()), "a test sleeps", reason})
				}
			})
		}
	}
	return found
}

// SilentSkips finds tests that are skipped without a word.
func SilentSkips(t *Tree, reason string) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if !f.Test {
				continue
			}
			ast.Inspect(f.AST, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) > 0 {
					return true
				}
				s, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, ok := s.X.(*ast.Ident)
				if ok && (s.Sel.Name == "SkipNow" || s.Sel.Name == "Skip" && (x.Name == "t" || x.Name == "b" || x.Name == "f" || x.Name == "tb")) {
					found = append(found, Finding{f.Path, t.line(n.Pos()), "a test is skipped without saying why", reason})
				}
				return true
			})
		}
	}
	return found
}

// ranges are stretches of source.
type ranges []ast.Node

func (r ranges) contain(pos token.Pos) bool {
	for _, n := range r {
		if n.Pos() <= pos && pos < n.End() {
			return true
		}
	}
	return false
}

// bubbles returns the parts of the package's tests that run only inside
// synctest bubbles.
func bubbles(p *Package) ranges {
	var virtual ranges
	given := map[string]bool{} // functions passed to synctest.Test by name
	references := map[string][]token.Pos{}
	for _, f := range p.Files {
		if !f.Test {
			continue
		}
		starts := map[ast.Node]bool{}
		selectors(f.AST, "testing/synctest", func(n ast.Node, name string) {
			if name == "Test" {
				starts[n] = true
			}
		})
		declared := map[*ast.Ident]bool{}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				declared[n.Name] = true
			case *ast.Ident:
				if !declared[n] {
					references[n.Name] = append(references[n.Name], n.Pos())
				}
			case *ast.CallExpr:
				if starts[n.Fun] {
					virtual = append(virtual, n)
					for _, arg := range n.Args {
						if id, ok := arg.(*ast.Ident); ok {
							given[id.Name] = true
						}
					}
				}
			}
			return true
		})
	}

	// A function all of whose uses are virtual is virtual; that may make the
	// uses in it virtual too, so repeat until nothing is added.
	done := map[*ast.FuncDecl]bool{}
	for again := true; again; {
		again = false
		for f, fn := range p.functions() {
			if !f.Test || done[fn] || !given[fn.Name.Name] && !used(references[fn.Name.Name], virtual) {
				continue
			}
			done[fn], again = true, true
			virtual = append(virtual, fn)
		}
	}
	return virtual
}

// used reports whether there are uses and all of them are in r.
func used(uses []token.Pos, r ranges) bool {
	for _, pos := range uses {
		if !r.contain(pos) {
			return false
		}
	}
	return len(uses) > 0
}
