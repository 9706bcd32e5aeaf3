package docsite

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/html"

	"github.com/godwit-io/godwit/server/welcome"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const source = "https://code.example/blob/v1.2.3/"

// served is the site with the welcome page beside it, as a server has them. All tests share
// it, as each page is rendered once.
var served = sync.OnceValue(func() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/docs/", Handler("v1.2.3 <dirty>", source))
	mux.Handle("/docs", Handler("v1.2.3 <dirty>", source))
	mux.Handle("/", welcome.Handler("v1.2.3 <dirty>", source, func() bool { return false }))
	return mux
})

func get(t *testing.T, h http.Handler, method, target string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(b)
}

// document is what a page says of itself and where it leads.
type document struct {
	title string
	ids   map[string]bool
	links []string
	loads []string // what it needs to be shown
	text  string   // without code
	nodes map[string]int
}

func read(t *testing.T, at, text string) *document {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	d := &document{ids: map[string]bool{}, nodes: map[string]int{}}
	var words strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			if n.Parent.Data == "title" {
				d.title = n.Data
			}
			if n.Parent.Data != "code" {
				words.WriteString(n.Data + " ")
			}
			continue
		}
		d.nodes[n.Data]++
		for _, a := range n.Attr {
			switch {
			case a.Key == "id" || a.Key == "name" && n.Data == "a":
				if d.ids[a.Val] {
					t.Errorf("%s: two elements have the id %s", at, a.Val)
				}
				d.ids[a.Val] = true
			case a.Key == "href" && n.Data == "a":
				d.links = append(d.links, a.Val)
			case a.Key == "href" && n.Data == "link" || a.Key == "src":
				d.loads = append(d.loads, a.Val)
			case a.Key == "style" || strings.HasPrefix(a.Key, "on"):
				t.Errorf("%s: %s has an attribute %s, which the policy forbids", at, n.Data, a.Key)
			}
		}
		if n.Data == "style" || n.Data == "script" && !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "src" }) {
			t.Errorf("%s: an inline %s, which the policy forbids", at, n.Data)
		}
	}
	d.text = words.String()
	return d
}

// TestCrawl goes from the front page to all that it leads to. Nothing is dead, no page is
// left out, and what is on the code host is in this tree.
func TestCrawl(t *testing.T) {
	t.Parallel()
	h := served()
	pages := map[string]*document{}
	visit := func(at string) *document {
		if d, is := pages[at]; is {
			return d
		}
		res, text := get(t, h, "GET", at)
		if res.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", at, res.Status)
		}
		if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			pages[at] = nil // a file
			return nil
		}
		pages[at] = read(t, at, text)
		return pages[at]
	}
	var follow func(at string)
	follow = func(at string) {
		d := visit(at)
		if d == nil || !strings.HasPrefix(at, Prefix) {
			return
		}
		base, err := url.Parse("http://server" + at)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range slices.Concat(d.links, d.loads) {
			to, err := base.Parse(link)
			if err != nil {
				t.Errorf("%s: the link %s: %v", at, link, err)
				continue
			}
			if to.Host != "server" {
				checkElsewhere(t, at, to)
				continue
			}
			if _, is := pages[to.Path]; !is {
				follow(to.Path)
			}
			if other := pages[to.Path]; to.Fragment != "" && (other == nil || !other.ids[to.Fragment]) {
				t.Errorf("%s: the link %s leads to no place of the page", at, link)
			}
		}
	}
	follow(Prefix)

	s := newSite("", "")
	for name, p := range s.byName {
		d := pages[Prefix+name]
		if d == nil {
			t.Errorf("docs/%s is reached by no link: give it a row in docs/README.md", p.path)
			continue
		}
		if d.nodes["h1"] != 1 || d.nodes["main"] != 1 {
			t.Errorf("%s: %d first headings in %d mains", name, d.nodes["h1"], d.nodes["main"])
		}
		if strings.Contains(d.text, "](") || strings.Contains(d.text, "|---") || strings.Contains(d.text, "<!--") {
			t.Errorf("docs/%s: marks of Markdown are shown", p.path)
		}
	}
	if len(s.byName) < 80 {
		t.Errorf("%d pages", len(s.byName))
	}
}

// checkElsewhere holds links to the code host to the files that there are here. Other
// sites are not asked.
func checkElsewhere(t *testing.T, at string, to *url.URL) {
	t.Helper()
	file, isSource := strings.CutPrefix(to.Scheme+"://"+to.Host+to.Path, source)
	if !isSource {
		return
	}
	if _, err := os.Stat(filepath.Join("../..", filepath.FromSlash(file))); err != nil {
		t.Errorf("%s: the link to %s: %v", at, to, err)
	}
	if within, isPage := strings.CutPrefix(file, "docs/"); isPage && strings.HasSuffix(within, ".md") && at != Prefix+nameOf(within) {
		t.Errorf("%s: the link to %s leaves the site", at, to)
	}
}

// Every page is in the order of reading, which leads through all of them and back, and every
// section has some.
func TestOrder(t *testing.T) {
	t.Parallel()
	s := newSite("", "")
	c := s.contents()
	if len(c.order) != len(s.bySource) {
		for at, p := range s.bySource {
			if _, is := c.place[p]; !is {
				t.Errorf("docs/%s has no row in %s", at, path.Join("docs", path.Dir(at), readme))
			}
		}
	}
	for _, section := range c.sections {
		if len(section.entries) == 0 {
			t.Errorf("the section %s lists no page", section.title)
		}
		for _, e := range section.entries {
			if strings.HasSuffix(e.title, ".md") {
				t.Errorf("%s is listed under the name of its file", e.title)
			}
		}
	}
	h := served()
	for i, e := range c.order {
		_, text := get(t, h, "GET", Prefix+e.page.name)
		if want := `aria-label="Previous and next page"`; !strings.Contains(text, want) {
			t.Fatalf("%s lacks %s", e.page.name, want)
		}
		if got, want := strings.Contains(text, `rel="next"`), i+1 < len(c.order); got != want {
			t.Errorf("%s: a next page: %v", e.page.name, got)
		}
		if got, want := strings.Contains(text, `rel="prev"`), i > 0; got != want {
			t.Errorf("%s: a previous page: %v", e.page.name, got)
		}
		if i > 0 && strings.Count(text, `aria-current=`) != 2 { // for wide and for narrow windows
			t.Errorf("%s: %d places where the reader is", e.page.name, strings.Count(text, `aria-current=`))
		}
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	h := served()
	for _, c := range []struct {
		method, at string
		status     int
		kind, to   string
	}{
		{"GET", "/docs/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/docs/channels", 200, "text/html; charset=utf-8", ""},
		{"HEAD", "/docs/channels", 200, "text/html; charset=utf-8", ""},
		{"GET", "/docs/channels.md", 200, "text/markdown; charset=utf-8", ""},
		{"GET", "/docs/README.md", 200, "text/markdown; charset=utf-8", ""},
		{"GET", "/docs/decisions/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/docs/decisions/wire-assembly", 200, "text/html; charset=utf-8", ""},
		{"GET", "/docs/search.json", 200, "application/json", ""},
		{"GET", "/docs/assets/docs.css", 200, "text/css; charset=utf-8", ""},
		{"GET", "/docs/assets/docs.js", 200, "text/javascript; charset=utf-8", ""},
		{"GET", "/docs", 308, "", "docs/"},
		{"GET", "/docs/decisions", 308, "", "decisions/"},
		{"GET", "/docs/README", 308, "", "./"},
		{"GET", "/docs/nothing", 404, "application/problem+json", ""},
		{"GET", "/docs/channels/", 404, "application/problem+json", ""},
		{"GET", "/docs/assets/page.html", 404, "application/problem+json", ""},
		{"GET", "/docs/assets/", 404, "application/problem+json", ""},
		{"GET", "/docs/embed.go", 404, "application/problem+json", ""},
		{"POST", "/docs/", 405, "application/problem+json", ""},
		{"DELETE", "/docs/channels", 405, "application/problem+json", ""},
	} {
		res, body := get(t, h, c.method, c.at)
		if res.StatusCode != c.status || res.Header.Get("Content-Type") != c.kind || res.Header.Get("Location") != c.to {
			t.Errorf("%s %s: %d %q %q", c.method, c.at, res.StatusCode, res.Header.Get("Content-Type"), res.Header.Get("Location"))
		}
		switch {
		case c.status == 405 && res.Header.Get("Allow") != "GET, HEAD":
			t.Errorf("%s %s: Allow %q", c.method, c.at, res.Header.Get("Allow"))
		case c.status < 400:
			for _, want := range []string{"default-src 'none'", "script-src 'self'", "form-action 'none'", "require-trusted-types-for 'script'"} {
				if !strings.Contains(res.Header.Get("Content-Security-Policy"), want) {
					t.Errorf("%s: the policy lacks %s", c.at, want)
				}
			}
		case c.status == 404 && !json.Valid([]byte(body)):
			t.Errorf("%s: %s", c.at, body)
		}
		if c.status == 200 && res.Header.Get("ETag") == "" {
			t.Errorf("%s has no ETag", c.at)
		}
		if c.method == "HEAD" && body != "" {
			t.Errorf("HEAD %s has a body", c.at)
		}
	}
	_, text := get(t, h, "GET", "/docs/channels")
	for _, want := range []string{"Godwit v1.2.3 &lt;dirty&gt;<", source + "docs/channels.md", source + "LICENSE", source + "README.md"} {
		if !strings.Contains(text, want) {
			t.Errorf("the foot lacks %s", want)
		}
	}
	if _, text := get(t, h, "GET", "/docs/channels.md"); !strings.HasPrefix(text, "# ") {
		t.Errorf("the source begins %.20q", text)
	}
}

// What the pages have beyond text stays what it is, and nothing else becomes HTML.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	s := newSite("", source)
	p := &page{path: "decisions/x.md", name: "decisions/x", markdown: []byte(strings.Join([]string{
		"# A `title` & more", "", "<!-- made -->", "", "## Ends, *really*?", "", "## Ends, really", "", "### `a_b` [link](../tls.md)", "",
		"| a | b |", "|---|:-:|", "| <a id=\"x\"></a>x | y |", "", "A <b>tag</b><!-- hidden --> and <script>alert(1)</script>.", "", "<script>", "alert(2)", "</script>", "",
		"[in](../channels.md#publications) [channels.md](../channels.md) [out](../../ws/doc.go) [root](../../README.md) [front](../README.md) [self](#ends-really) [web](https://a.example/)",
	}, "\n"))}
	b := s.body(p)
	got := string(b.html)
	for _, want := range []string{
		`<h2 id="ends-really">`, `<h2 id="ends-really-1">`, `<h3 id="a_b-link">`, `<a id="x"></a>x`, `align="center"`, `<div class="table"><table>`,
		"&lt;b&gt;tag&lt;/b&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;\nalert(2)",
		`href="../channels#publications"`, `<a href="../channels">Channels</a>`, `href="` + source + `ws/doc.go"`, `href="` + source + `README.md"`, `href="../"`, `href="#ends-really"`, `href="https://a.example/"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s:\n%s", want, got)
		}
	}
	for _, never := range []string{"<script", "made", "hidden", "<b>", "style="} {
		if strings.Contains(got, never) {
			t.Errorf("has %s:\n%s", never, got)
		}
	}
	if b.title != "A title & more" || len(b.places) != 3 || b.places[2] != (place{3, "a_b-link", "a_b link"}) {
		t.Errorf("%q %+v", b.title, b.places)
	}
}

// The search knows all text of all pages, and leads to places that are there.
func TestSearchIndex(t *testing.T) {
	t.Parallel()
	h := served()
	_, text := get(t, h, "GET", "/docs/search.json")
	var sections []found
	if err := json.Unmarshal([]byte(text), &sections); err != nil {
		t.Fatal(err)
	}
	// A third heading begins a section, as there is a place for it on the page.
	if !slices.ContainsFunc(sections, func(f found) bool { return f.Page == "protocol" && f.ID == "41-connect" }) {
		t.Error("the command connect of the protocol is no section of its own")
	}
	ofPage := map[string]string{}
	ids := map[string]map[string]bool{}
	for _, f := range sections {
		if ids[f.Page] == nil {
			_, text := get(t, h, "GET", Prefix+f.Page)
			ids[f.Page] = read(t, f.Page, text).ids
		}
		if f.Title == "" || f.ID != "" && !ids[f.Page][f.ID] || (f.ID == "") != (f.Heading == "") {
			t.Errorf("%+v", f)
		}
		ofPage[f.Page] += " " + f.Title + " " + f.Heading + " " + f.Text
	}
	word := regexp.MustCompile(`[A-Za-z_]{4,}`)
	for name, p := range newSite("", "").byName {
		for line := range strings.Lines(string(p.markdown)) {
			if strings.Contains(line, "](") || strings.HasPrefix(line, "```") || strings.Contains(line, "<") {
				continue
			}
			for _, w := range word.FindAllString(line, -1) {
				if !strings.Contains(ofPage[name], w) && !strings.Contains(w, "_") {
					t.Errorf("%s: %q is not in the index", name, w)
				}
			}
		}
	}
}
