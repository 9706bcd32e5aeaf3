package policy

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// UnlistedOptions finds exported structs whose name ends in Options or Config, in
// packages that others can import, that are not in the list, and names in the list
// that no exported struct has. A struct is named by its package's directory:
// "ws.DialOptions".
func UnlistedOptions(t *Tree, listed []string, reason string) []Finding {
	var found []Finding
	declared := map[string]bool{}
	for _, p := range t.Packages {
		for f, spec := range p.structs() {
			name := p.Dir + "." + spec.Name.Name
			declared[name] = true
			if isOptions(spec.Name.Name) && !isInternal(p.Dir) && !slices.Contains(listed, name) {
				found = append(found, Finding{f.Path, t.line(spec.Pos()), name + " is not in the table of options", reason})
			}
		}
	}
	for _, name := range listed {
		if !declared[name] {
			found = append(found, Finding{name, 0, "is in the table of options, and there is no such struct", reason})
		}
	}
	return found
}

func isOptions(name string) bool {
	return strings.HasSuffix(name, "Options") || strings.HasSuffix(name, "Config")
}

func isInternal(dir string) bool {
	return slices.Contains(strings.Split(dir, "/"), "internal")
}

// DefaultNames finds exported constants that say "default" anywhere but at the
// start of their names, and those called Default that do not end in the name of a
// field of an exported struct of their package. except are names, such as
// "hub.AgeDefault", or packages, such as "hub", that may; an exception that nothing needs is
// found, too.
func DefaultNames(t *Tree, except map[string]string, reason string) []Finding {
	var found []Finding
	needed := map[string]bool{}
	for _, p := range t.Packages {
		fields := p.fieldNames()
		for f, name := range p.constants() {
			what, isDefault := strings.CutPrefix(name.Name, "Default")
			var text string
			switch {
			case isDefault && !slices.ContainsFunc(fields, func(field string) bool { return strings.HasSuffix(what, field) }):
				text = "is called a default, and no option is called " + what
			case !isDefault && strings.Contains(name.Name, "Default"):
				text = "is not spelled DefaultX, where X is the option"
			default:
				continue
			}
			full := p.Dir + "." + name.Name
			if excuse := excuseFor(except, p.Dir, full); excuse != "" {
				needed[excuse] = true
				continue
			}
			found = append(found, Finding{f.Path, t.line(name.Pos()), full + " " + text, reason})
		}
	}
	for name := range except {
		if !needed[name] {
			found = append(found, Finding{name, 0, "is excepted from the spelling of defaults, and does not need it", reason})
		}
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.String(), b.String()) })
	return found
}

// excuseFor returns the entry of except for a name, or for its package.
func excuseFor(except map[string]string, dir, full string) string {
	for _, name := range []string{full, dir} {
		if _, ok := except[name]; ok {
			return name
		}
	}
	return ""
}

// NoneNames finds exported constants that say in another word than No that there is
// no limit, no timeout or none of something.
func NoneNames(t *Tree, reason string) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for f, name := range p.constants() {
			if !isInternal(p.Dir) && noneName.MatchString(name.Name) {
				found = append(found, Finding{f.Path, t.line(name.Pos()), fmt.Sprintf("%s.%s is not spelled NoX", path.Base(p.Dir), name.Name), reason})
			}
		}
	}
	return found
}

var noneName = regexp.MustCompile(`Unlimited|Infinite|Unbounded|^Without|^Disable|^Never|None$`)

// structs yields the exported struct types that a package's code declares.
func (p *Package) structs() func(yield func(*GoFile, *ast.TypeSpec) bool) {
	return func(yield func(*GoFile, *ast.TypeSpec) bool) {
		for f, spec := range p.specs(token.TYPE) {
			s := spec.(*ast.TypeSpec)
			if _, ok := s.Type.(*ast.StructType); ok && s.Name.IsExported() && !yield(f, s) {
				return
			}
		}
	}
}

// fieldNames returns the exported fields of its exported structs.
func (p *Package) fieldNames() (names []string) {
	for _, spec := range p.structs() {
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			for _, name := range field.Names {
				if name.IsExported() {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// constants yields the exported constants that a package's code declares.
func (p *Package) constants() func(yield func(*GoFile, *ast.Ident) bool) {
	return func(yield func(*GoFile, *ast.Ident) bool) {
		for f, spec := range p.specs(token.CONST) {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if name.IsExported() && !yield(f, name) {
					return
				}
			}
		}
	}
}

// specs yields the declarations of one kind at the top of a package's code.
func (p *Package) specs(kind token.Token) func(yield func(*GoFile, ast.Spec) bool) {
	return func(yield func(*GoFile, ast.Spec) bool) {
		for _, f := range p.Files {
			if f.Test {
				continue
			}
			for _, d := range f.AST.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != kind {
					continue
				}
				for _, spec := range g.Specs {
					if !yield(f, spec) {
						return
					}
				}
			}
		}
	}
}
