package docsite

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/yuin/goldmark/ast"

	"github.com/godwit-io/godwit/docs"
	"github.com/godwit-io/godwit/server/fixed"
)

// readme is the front page of a folder.
const readme = "README.md"

//go:embed assets/page.html
var pageText embed.FS

var pageTemplate = template.Must(template.ParseFS(pageText, "assets/page.html"))

// site is all pages and the order in which they are read.
type site struct {
	version, source string
	assets          map[string]*fixed.File
	bySource        map[string]*page   // by path in docs/, such as "start.md"
	byName          map[string]*page   // by path of its address below Prefix, such as "start"
	contents        func() *contents   // made when the first page is
	index           func() *fixed.File // for the search, made when it is first asked for
}

// page is one file of docs/.
type page struct {
	path     string // of the source in docs/
	name     string // of the address below Prefix: "" for the front page
	markdown []byte
	plain    func() *fixed.File
	html     func() *fixed.File
}

// newSite reads the pages and renders none.
func newSite(version, source string) *site {
	s := &site{version: version, source: source, assets: loadAssets(), bySource: map[string]*page{}, byName: map[string]*page{}}
	err := fs.WalkDir(docs.Files, ".", func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := docs.Files.ReadFile(at)
		if err != nil {
			return err
		}
		p := &page{path: at, name: nameOf(at), markdown: text}
		p.plain = sync.OnceValue(func() *fixed.File { return fixed.New("text/markdown; charset=utf-8", text) })
		p.html = sync.OnceValue(func() *fixed.File { return fixed.New("text/html; charset=utf-8", s.render(p)) })
		s.bySource[at], s.byName[p.name] = p, p
		return nil
	})
	if err != nil {
		panic(err) // they are in the program
	}
	s.contents = sync.OnceValue(func() *contents { return readContents(s) })
	s.index = sync.OnceValue(func() *fixed.File { return fixed.New("application/json", s.searchIndex()) })
	return s
}

// nameOf is where the page of a source file is: README.md is its folder.
func nameOf(source string) string {
	if path.Base(source) == readme {
		return strings.TrimSuffix(source, readme)
	}
	return strings.TrimSuffix(source, ".md")
}

// up leads from the page to Prefix: "" or "../".
func (p *page) up() string { return strings.Repeat("../", strings.Count(p.name, "/")) }

// to is the relative address of another page.
func (p *page) to(other *page) string {
	if at := p.up() + other.name; at != "" {
		return at
	}
	return "./"
}

// contents are the pages in the order in which they are read, by section.
type contents struct {
	sections []section
	order    []entry
	place    map[*page]int // in order
}

type section struct {
	title   string
	entries []entry
}

// entry is a page under the name that the front page gives it.
type entry struct {
	page  *page
	title string
}

// readContents takes the sections from the front page: each of its second headings is one,
// with the pages that are linked to below it. The front page of another folder is followed
// by those that it links to.
func readContents(s *site) *contents {
	c := &contents{place: map[*page]int{}}
	front := s.bySource[readme]
	c.add(entry{front, "Documentation"})
	s.linked(front, func(heading string) {
		c.sections = append(c.sections, section{title: heading})
	}, func(e entry) {
		if len(c.sections) == 0 || !c.add(e) {
			return
		}
		last := &c.sections[len(c.sections)-1]
		last.entries = append(last.entries, e)
		if path.Base(e.page.path) == readme {
			s.linked(e.page, func(string) {}, func(e entry) { c.add(e) })
		}
	})
	return c
}

// add puts a page at the end of the order, and reports whether it was not in it.
func (c *contents) add(e entry) bool {
	if _, is := c.place[e.page]; is {
		return false
	}
	c.place[e.page] = len(c.order)
	c.order = append(c.order, e)
	return true
}

// linked tells, in order, of the second headings of a page and of its links to pages.
func (s *site) linked(p *page, heading func(string), link func(entry)) {
	root := parse(p.markdown)
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 2 {
				heading(textOf(n, p.markdown))
			}
		case *ast.Link:
			if to, _ := s.follow(p, string(n.Destination)); to != nil {
				link(entry{to, textOf(n, p.markdown)})
			}
		}
		return ast.WalkContinue, nil
	})
}

// view is what the template shows.
type view struct {
	Title, Version, Source, Edit string
	IsFront                      bool
	Up                           string // to Prefix
	Sections                     []viewSection
	OnPage                       []place
	Body                         template.HTML
	Previous, Next               *viewLink
}

type viewSection struct {
	Title string
	Links []viewLink
}

type viewLink struct {
	Title, URL       string
	IsHere, IsAround bool // it is the page, or the one that lists it
}

// render makes a whole page. Its text is ours, from the program itself, so it is trusted;
// what an attribute or a script could be made of is escaped all the same.
func (s *site) render(p *page) []byte {
	body := s.body(p)
	v := view{
		Title: body.title, Version: s.version, Source: s.source, Edit: s.source + "docs/" + p.path,
		IsFront: p.name == "", Up: p.up(), OnPage: body.places, Body: template.HTML(body.html),
	}
	c := s.contents()
	folder := s.bySource[path.Join(path.Dir(p.path), readme)]
	for _, section := range c.sections {
		shown := viewSection{Title: section.title}
		for _, e := range section.entries {
			isWithin := e.page == folder && e.page != p && p.up() != "" // a decision is one of the decisions
			shown.Links = append(shown.Links, viewLink{Title: e.title, URL: p.to(e.page), IsHere: e.page == p, IsAround: isWithin})
		}
		v.Sections = append(v.Sections, shown)
	}
	if i, is := c.place[p]; is {
		if i > 0 {
			v.Previous = &viewLink{Title: c.order[i-1].title, URL: p.to(c.order[i-1].page)}
		}
		if i+1 < len(c.order) {
			v.Next = &viewLink{Title: c.order[i+1].title, URL: p.to(c.order[i+1].page)}
		}
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		panic(err) // to memory, and every page is rendered by a test
	}
	return b.Bytes()
}
