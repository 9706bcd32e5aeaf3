package policy

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Finding is one place where a rule is broken.
type Finding struct {
	Path   string
	Line   int    // 0: the file as a whole
	Text   string // what is wrong
	Reason string // why there is a rule against it
}

func (f Finding) String() string {
	s := f.Path
	if f.Line > 0 {
		s += fmt.Sprintf(":%d", f.Line)
	}
	s += ": " + f.Text
	if f.Reason != "" {
		s += ": " + f.Reason
	}
	return s
}

// Tree is a repository's files, read once. Go files are parsed whatever
// their build constraints, so that rules hold on every platform.
type Tree struct {
	Module   string // the root module's path
	Files    []*File
	Packages []*Package // of the root module; nested modules are files only
	fset     *token.FileSet
}

// File is one file.
type File struct {
	Path string // from the root, with forward slashes
	Text string // empty for a binary file
}

// Package is what one directory of Go files declares, tests included.
type Package struct {
	Dir   string // "." for the root
	Name  string // without the suffix _test; empty when there are no files but tests of another package
	Files []*GoFile
}

// GoFile is one parsed file of a Package.
type GoFile struct {
	*File
	AST  *ast.File
	Test bool
}

// Load reads the tree. It leaves out files that are not the project's own, such as the
// folders that git and package managers keep; the Go files of testdata and of
// nested modules are files and not packages.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet()}
	var nested []string // directories of nested modules
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone since the directory was listed: an editor's temporary file
		case err != nil:
			return err
		case d.IsDir():
			if p != "." && skipDir(p) {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		data, err := fs.ReadFile(fsys, p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if bytes.IndexByte(data, 0) >= 0 {
			data = nil
		}
		t.Files = append(t.Files, &File{Path: p, Text: string(data)})
		if path.Base(p) == "go.mod" && p != "go.mod" {
			nested = append(nested, path.Dir(p))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if f := t.File("go.mod"); f != nil {
		t.Module = parseGoMod(f.Text).module
	}
	return t, t.parsePackages(nested)
}

// File returns the file at p, or nil.
func (t *Tree) File(p string) *File {
	for _, f := range t.Files {
		if f.Path == p {
			return f
		}
	}
	return nil
}

func skipDir(p string) bool {
	switch base := path.Base(p); base {
	case ".ci", ".github":
		return false
	case "node_modules", "dist":
		return true
	default:
		return strings.HasPrefix(base, ".")
	}
}

func (t *Tree) parsePackages(nested []string) error {
	byDir := map[string]*Package{}
	for _, f := range t.Files {
		if path.Ext(f.Path) != ".go" || !inBuild(f.Path) || slices.ContainsFunc(nested, func(dir string) bool { return below(dir, f.Path) }) {
			continue
		}
		syntax, err := parser.ParseFile(t.fset, f.Path, f.Text, parser.ParseComments)
		if err != nil {
			return err
		}
		if isScript(syntax) {
			continue
		}
		dir := path.Dir(f.Path)
		p := byDir[dir]
		if p == nil {
			p = &Package{Dir: dir}
			byDir[dir] = p
			t.Packages = append(t.Packages, p)
		}
		test := strings.HasSuffix(f.Path, "_test.go")
		if !test {
			p.Name = syntax.Name.Name
		}
		p.Files = append(p.Files, &GoFile{File: f, AST: syntax, Test: test})
	}
	return nil
}

// inBuild reports whether the go command would look at the file at p.
func inBuild(p string) bool {
	for _, element := range strings.Split(p, "/") {
		if element == "testdata" || element == "vendor" || strings.HasPrefix(element, "_") || strings.HasPrefix(element, ".") {
			return false
		}
	}
	return true
}

// isScript reports whether the file is constrained out of every build: a
// program that lives beside a package without being part of it.
func isScript(f *ast.File) bool {
	for _, group := range f.Comments {
		if group.Pos() > f.Package {
			return false
		}
		for _, c := range group.List {
			if x, err := constraint.Parse(c.Text); err == nil && x.String() == "ignore" {
				return true
			}
		}
	}
	return false
}

func (t *Tree) line(pos token.Pos) int { return t.fset.Position(pos).Line }

// match reports whether name is what pattern says, in the go command's sense:
// "a/..." is a and everything below it, "..." is everything.
func match(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == prefix || below(prefix, name)
	}
	return pattern == name
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

func below(dir, p string) bool { return strings.HasPrefix(p, dir+"/") }
