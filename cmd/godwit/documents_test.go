package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"golang.org/x/net/html"

	"github.com/godwit-io/godwit/server"
)

// Readers of a page copy its blocks. TestBlocks looks at each of them: no language goes
// without a checker, and blocks that a checker cannot judge are listed with what judges them.

// fenced is a block of a page.
type fenced struct {
	page     string // path from the root
	line     int    // of its first line
	language string
	text     string
}

func (b *fenced) first() string {
	first, _, _ := strings.Cut(b.text, "\n")
	return first
}

// judgedElsewhere are blocks that TestBlocks cannot judge: their page, how they begin, and what does judge
// them or why nothing has to.
var judgedElsewhere = []struct{ page, begins, reason string }{
	{"docs/production.md", "# /etc/godwit/godwit.yaml", "TestProductionPage fills in the hashes and serves it"},
	{"docs/production.md", "# godwit.rules.yaml", "TestProductionPage evaluates the alerts"},
	{"docs/production.md", "map $http_upgrade", "TestProductionPage runs nginx with it"},
	{"docs/interoperability.md", "# /etc/nginx", "TestDocument holds it to the file that TestProxiedWebSocket runs nginx with"},
	{"docs/interoperability.md", "# /etc/haproxy", "TestDocument holds it to the file that TestProxiedWebSocket runs HAProxy with"},
	{"docs/cluster-balancers.md", "upstream godwit", "TestRoundRobinProxies runs nginx with such a list of its nodes"},
	{"docs/cluster-balancers.md", "backend godwit", "TestRoundRobinProxies runs HAProxy with such a list of its nodes"},
	{"docs/broker-nats.md", "permissions: {", "TestPermissionsAreEnough runs nats-server with it"},
	{"docs/broker-redis.md", "ACL SETUSER", "the tests of redisbroker give it to Redis"},
	{"docs/channels.md", "retry: 1840", "what a stream looks like, with a position that differs each time"},
	{"docs/explain.md", "Session k3xq", "what an answer looks like, with times that differ each time"},
	{"docs/dial.md", "* 101 Switching", "what a terminal looks like; TestDialTerminal holds such screens"},
	{"docs/dial.md", "> {\"id\":1", "what a terminal looks like; TestDialTerminalConnect holds such a screen"},
	{"docs/decisions/server-configuration-is-a-table.md", "channels:", "what is refused, and how"},
	{"docs/bridges.md", "                                               ┌─►", "a picture"},
	{"ARCHITECTURE.md", "             bytes", "a picture"},
	{"ARCHITECTURE.md", "publisher ─►", "a picture"},
}

// checkers judge the blocks of a language, and return the faults.
var checkers = map[string]func(t *testing.T, b *fenced) error{
	"go":      func(*testing.T, *fenced) error { return nil }, // TestSnippets of package ws compiles them all
	"js":      func(_ *testing.T, b *fenced) error { return script(b.text, api.LoaderJS) },
	"ts":      func(_ *testing.T, b *fenced) error { return script(b.text, api.LoaderTS) },
	"tsx":     func(_ *testing.T, b *fenced) error { return script(b.text, api.LoaderTSX) },
	"html":    func(_ *testing.T, b *fenced) error { return document(b.text) },
	"json":    func(_ *testing.T, b *fenced) error { return objects(b.text) },
	"yaml":    configuration,
	"sh":      func(_ *testing.T, b *fenced) error { return shell(b.text) },
	"console": func(_ *testing.T, b *fenced) error { return console(b.text) },
	"text":    func(_ *testing.T, b *fenced) error { return dialogue(b.text) },
	"ini":     func(_ *testing.T, b *fenced) error { return unit(b.text) },
	"python":  func(_ *testing.T, b *fenced) error { return nil }, // TestDocumentedVerifierPython of server/hooks runs it
	"nginx":   nil,
	"haproxy": nil,
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "examples/*.md", "examples/*/*.md", "clients/js/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	used := make([]bool, len(judgedElsewhere))
	count := map[string]int{}
	for _, page := range pages {
		for _, b := range blocksOf(t, page) {
			if i := slices.IndexFunc(judgedElsewhere, func(e struct{ page, begins, reason string }) bool {
				return e.page == b.page && strings.HasPrefix(b.text, e.begins)
			}); i >= 0 {
				used[i] = true
				continue
			}
			language, _, _ := strings.Cut(b.language, " ") // a name of a file may follow
			check := checkers[language]
			if check == nil {
				t.Errorf("%s:%d: nothing judges a block of %q: name one of the languages of checkers, or list it in judgedElsewhere with the reason", b.page, b.line, b.language)
				continue
			}
			count[language]++
			if err := check(t, &b); err != nil {
				t.Errorf("%s:%d: %v", b.page, b.line, err)
			}
		}
	}
	for i, e := range judgedElsewhere {
		if !used[i] {
			t.Errorf("%s has no block any more that begins %q", e.page, e.begins)
		}
	}
	for language, check := range checkers {
		if check != nil && count[language] == 0 {
			t.Errorf("no block of %s was found", language)
		}
	}
}

func blocksOf(t *testing.T, path string) (blocks []fenced) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, err := filepath.Rel("../..", path)
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("^( *)(```+|~~~+)(.*)$")
	end, indent := "", ""
	for i, line := range strings.Split(string(text), "\n") {
		if end != "" {
			if strings.TrimSpace(line) == end {
				end = ""
				continue
			}
			last := &blocks[len(blocks)-1]
			last.text += strings.TrimPrefix(line, indent) + "\n"
		} else if m := fence.FindStringSubmatch(line); m != nil {
			indent, end = m[1], m[2]
			blocks = append(blocks, fenced{page: filepath.ToSlash(page), line: i + 2, language: m[3]})
		}
	}
	if end != "" {
		t.Fatalf("%s: a block does not end", page)
	}
	return blocks
}

// script reads a module, or the body of one: await and import may stand in it.
func script(text string, loader api.Loader) error {
	result := api.Transform(text, api.TransformOptions{Loader: loader, Format: api.FormatESModule, Target: api.ESNext})
	for _, m := range result.Errors {
		at := ""
		if m.Location != nil {
			at = fmt.Sprintf("line %d: ", m.Location.Line)
		}
		return fmt.Errorf("%s%s", at, m.Text)
	}
	return nil
}

// document reads the scripts of a page, and holds it to elements that end.
func document(text string) error {
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "script" || n.FirstChild == nil {
			continue
		}
		if err := script(n.FirstChild.Data, api.LoaderJS); err != nil {
			return err
		}
	}
	for _, element := range []string{"script", "form", "ul", "ol", "pre", "button", "style"} {
		if begins, ends := strings.Count(text, "<"+element+">")+strings.Count(text, "<"+element+" "), strings.Count(text, "</"+element+">"); begins != ends {
			return fmt.Errorf("%d <%s> and %d </%s>", begins, element, ends, element)
		}
	}
	return nil
}

// objects reads JSON: one value, or one a line. […] stands for more.
func objects(text string) error {
	text = strings.NewReplacer("[…]", "[]", "{…}", "{}").Replace(text)
	var value any
	if json.Unmarshal([]byte(text), &value) == nil {
		return nil
	}
	for line := range strings.Lines(text) {
		if err := json.Unmarshal([]byte(line), &value); err != nil {
			return fmt.Errorf("%w: %s", err, line)
		}
	}
	return nil
}

// dialogue reads what two sides say to each other, and the lines of a stream. Other texts are
// in judgedElsewhere.
func dialogue(text string) error {
	for line := range strings.Lines(text) {
		said, is := strings.CutPrefix(line, "→ ")
		if !is {
			if said, is = strings.CutPrefix(line, "← "); !is {
				return fmt.Errorf("%q is said by nobody: begin it with → or ←, or list the block in judgedElsewhere", strings.TrimSpace(line))
			}
		}
		if err := objects(said); err != nil {
			return err
		}
	}
	return nil
}

// unit reads settings of systemd.
func unit(text string) error {
	line := regexp.MustCompile(`^(\[[A-Z]\w+\]|[A-Z]\w+=\S.*|#.*|)$`)
	for at := range strings.Lines(text) {
		if !line.MatchString(strings.TrimSuffix(at, "\n")) {
			return fmt.Errorf("%q is no line of a unit", at)
		}
	}
	return nil
}

// configuration loads a configuration of the server as `godwit config check` does.
func configuration(t *testing.T, b *fenced) error {
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
		return err
	}
	found := server.Examine(path, nil, nil)
	if len(found.Errors) > 0 {
		return fmt.Errorf("%v\n%s", found.Errors[0], b.text)
	}
	return nil
}
