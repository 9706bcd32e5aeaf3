//go:build !js

package ws_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Readers of a document copy its code. TestSnippets compiles every Go
// block of the documents below, and the code of package documentation.
//
// A block is a file, declarations, or statements. Declarations and statements
// get the imports they need; statements stand in a function with the parameters
// of snippetParameters. A block whose first line is a comment with the name of
// another library is that library's: only its syntax is checked.
func TestSnippets(t *testing.T) {
	if testing.Short() {
		t.Skip("the snippets of all documents take seconds to compile")
	}
	gotool, err := exec.LookPath("go")
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			t.Fatal(err)
		}
		t.Skip("the go command, which compiles the snippets, is not in the PATH")
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	var snippets []snippet
	for _, page := range append(pages, "../README.md") {
		snippets = append(snippets, markdownSnippets(t, page)...)
	}
	for _, file := range []string{"doc.go", "wstest/doc.go"} {
		snippets = append(snippets, docSnippets(t, file)...)
	}

	scratch := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// With an overlay the go command sees the snippets as packages of this
	// module, and nothing is written to the tree.
	overlay := map[string]string{}
	args := []string{"build", "-overlay", filepath.Join(scratch, "overlay.json")}
	foreign := 0
	for i, s := range snippets {
		source, err := s.source()
		if err != nil {
			t.Errorf("%s:%d: %v", s.file, s.line, err)
			continue
		}
		if s.isForeign() {
			foreign++
			continue
		}
		name := fmt.Sprintf("snippet%d", i)
		written := filepath.Join(scratch, name+".go")
		if err := os.WriteFile(written, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(root, "internal", "snippets", name, "snippet.go")] = written
		args = append(args, "./internal/snippets/"+name)
	}
	if len(overlay) == 0 || foreign == 0 {
		t.Fatalf("%d snippets of ours and %d of other libraries were found: the test has lost them", len(overlay), foreign)
	}
	b, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(scratch, "overlay.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command(gotool, args...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The tests that docs/security.md calls as witnesses exist.
func TestSecurityPageNamesTests(t *testing.T) {
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	exist := map[string]bool{}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllSubmatch(b, -1) {
			exist[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := testName.FindAllSubmatch(page, -1)
	if len(names) == 0 {
		t.Fatal("no test is named")
	}
	for _, m := range names {
		if !exist[string(m[1])] {
			t.Errorf("docs/security.md names %s, which does not exist", m[1])
		}
	}
}

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	testName     = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
)

// snippet is a block of code of a document.
type snippet struct {
	file string
	line int // of its first line
	text string
}

// otherLibraries are named in the first line of a block of theirs.
var otherLibraries = []string{"gorilla", "coder", "gws"}

func (s *snippet) isForeign() bool {
	first, _, _ := strings.Cut(s.text, "\n")
	name, isComment := strings.CutPrefix(first, "// ")
	return isComment && slices.Contains(otherLibraries, name)
}

// snippetParameters is what statements may use without saying where it is from.
const snippetParameters = "ctx context.Context, w http.ResponseWriter, r *http.Request, conn *ws.Conn, conns []*ws.Conn, url string, message []byte"

// snippetImports are the packages that a block may name without importing them.
var snippetImports = map[string]string{
	"bufio": "bufio", "bytes": "bytes", "context": "context", "cookiejar": "net/http/cookiejar", "debug": "runtime/debug",
	"errors": "errors", "fmt": "fmt", "http": "net/http", "httptest": "net/http/httptest", "io": "io", "json": "encoding/json",
	"log": "log", "net": "net", "os": "os", "slog": "log/slog", "strings": "strings", "sync": "sync",
	"synctest": "testing/synctest", "testing": "testing", "time": "time", "tls": "crypto/tls",
	"ws": "github.com/godwit-io/godwit/ws", "deflate": "github.com/godwit-io/godwit/ws/deflate",
	"handshake": "github.com/godwit-io/godwit/ws/handshake", "wire": "github.com/godwit-io/godwit/ws/wire",
	"wstest": "github.com/godwit-io/godwit/ws/wstest", "client": "github.com/godwit-io/godwit/client",
}

// source is a whole file with the snippet in it. What is wrong with it is
// reported at its place in the document.
func (s *snippet) source() (string, error) {
	place := fmt.Sprintf("\n//line %s:%d\n", s.file, s.line)
	body := place + s.text
	if file, err := parser.ParseFile(token.NewFileSet(), "", body, parser.PackageClauseOnly); err == nil && file.Name != nil {
		_, err := parser.ParseFile(token.NewFileSet(), "", body, 0)
		return body, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+body, 0)
	if err != nil {
		body = "func _(" + snippetParameters + ") {\n{" + place + s.text + "\n}\n}\n"
		if file, err = parser.ParseFile(token.NewFileSet(), "", "package p\n"+body, 0); err != nil {
			return "", err
		}
	}
	imports := map[string]bool{}
	for _, name := range file.Unresolved {
		if path, ok := snippetImports[name.Name]; ok {
			imports[path] = true
		}
	}
	head := "package p\n"
	for _, path := range slices.Sorted(maps.Keys(imports)) {
		head += fmt.Sprintf("import %q\n", path)
	}
	return head + body, nil
}

// markdownSnippets returns the blocks that begin with ```go.
func markdownSnippets(t *testing.T, file string) (snippets []snippet) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for i, line := range strings.Split(string(b), "\n") {
		switch {
		case inside && line == "```":
			inside = false
		case inside:
			snippets[len(snippets)-1].text += line + "\n"
		case line == "```go":
			inside = true
			snippets = append(snippets, snippet{file: filepath.Base(file), line: i + 2})
		}
	}
	return snippets
}

// docSnippets returns the code of a package comment.
func docSnippets(t *testing.T, file string) (snippets []snippet) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range new(comment.Parser).Parse(f.Doc.Text()).Content {
		if code, ok := block.(*comment.Code); ok {
			snippets = append(snippets, snippet{file: file, line: lineOf(fset, f.Doc, code.Text), text: code.Text})
		}
	}
	return snippets
}

// lineOf returns the line of a comment in which text begins.
func lineOf(fset *token.FileSet, doc *ast.CommentGroup, text string) int {
	first, _, _ := strings.Cut(text, "\n")
	for _, c := range doc.List {
		if strings.TrimLeft(c.Text, "/ \t") == strings.TrimLeft(first, "/ \t") {
			return fset.Position(c.Pos()).Line
		}
	}
	return fset.Position(doc.Pos()).Line
}
