package docsite

import (
	"bytes"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown is what code hosts read: CommonMark with tables, struck text and bare links.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), // styles are not allowed by the policy
		extension.Strikethrough, extension.Linkify, extension.TaskList),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(pieces{}, 100))),
)

func parse(source []byte) ast.Node { return markdown.Parser().Parse(text.NewReader(source)) }

// body is what is between the head and the foot of a page.
type body struct {
	title  string
	html   []byte
	places []place
}

// place is a heading below the title, and the fragment that leads to it.
type place struct {
	Level    int
	ID, Text string
}

// body renders the text of a page, with links that lead to pages of the site or, for what
// is not one, to the code host.
func (s *site) body(p *page) body {
	root := parse(p.markdown)
	b := body{title: p.path}
	for i, h := range anchor(root, p.markdown) {
		if i == 0 {
			b.title = h.Text
		} else if h.Level == 2 || h.Level == 3 {
			b.places = append(b.places, h)
		}
	}
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if link, ok := n.(*ast.Link); ok && entering {
			to, address := s.follow(p, string(link.Destination))
			link.Destination = []byte(address)
			s.name(link, to, p.markdown)
		}
		return ast.WalkContinue, nil
	})
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, p.markdown, root); err != nil {
		panic(err) // to memory, and every page is rendered by a test
	}
	b.html = out.Bytes()
	return b
}

// name gives a link that says the name of a file, as those of a code host do, the name that
// the page has in the navigation.
func (s *site) name(link *ast.Link, to *page, source []byte) {
	if to == nil || textOf(link, source) != path.Base(to.path) {
		return
	}
	c := s.contents()
	if i, is := c.place[to]; is {
		link.RemoveChildren(link)
		link.AppendChild(link, ast.NewString([]byte(c.order[i].title)))
	}
}

// follow returns where a link of a page leads: to a page, if it does, and the address that
// stands in its place.
func (s *site) follow(p *page, target string) (*page, string) {
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || u.Host != "" || u.Path == "" {
		return nil, target // elsewhere, or within the page
	}
	to := path.Join("docs", path.Dir(p.path), u.Path)
	fragment := ""
	if u.Fragment != "" {
		fragment = "#" + u.EscapedFragment()
	}
	within, isOurs := strings.CutPrefix(to, "docs/")
	if to == "docs" {
		within, isOurs = readme, true
	}
	for _, at := range []string{within, path.Join(within, readme)} {
		if other := s.bySource[at]; isOurs && other != nil {
			return other, p.to(other) + fragment
		}
	}
	return nil, s.source + to + fragment
}

// anchor gives every heading the id that code hosts give it, and returns the headings.
func anchor(root ast.Node, source []byte) []place {
	var places []place
	seen := map[string]int{}
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		h, ok := n.(*ast.Heading)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		words := textOf(h, source)
		id := slug(words)
		seen[id]++
		if n := seen[id]; n > 1 {
			id = fmt.Sprintf("%s-%d", id, n-1)
		}
		h.SetAttributeString("id", []byte(id))
		places = append(places, place{h.Level, id, words})
		return ast.WalkSkipChildren, nil
	})
	return places
}

// slug is the fragment of a heading: its letters and digits in lower case, with hyphens
// for spaces.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// textOf is what a reader sees of a node, without its marks.
func textOf(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(n.Segment.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte(' ')
				}
			}
		case *ast.String:
			if entering {
				b.Write(n.Value)
			}
		case *ast.AutoLink:
			if entering {
				b.Write(n.Label(source))
			}
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			if entering {
				b.Write(n.Lines().Value(source))
			}
		case *east.TableCell:
			if !entering {
				b.WriteByte(' ')
			}
		default:
			if !entering && n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(strings.Join(strings.Fields(b.String()), " "))
}

// pieces renders what differs from the usual.
type pieces struct{}

func (pieces) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, renderHeading)
	r.Register(ast.KindRawHTML, renderRawHTML)
	r.Register(ast.KindHTMLBlock, renderHTMLBlock)
	r.Register(east.KindTable, renderTable)
}

// renderHeading adds a link to the heading itself, to copy.
func renderHeading(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	level := n.(*ast.Heading).Level
	id, _ := n.AttributeString("id")
	if entering {
		fmt.Fprintf(w, "<h%d id=\"%s\">", level, id)
		return ast.WalkContinue, nil
	}
	if level > 1 {
		fmt.Fprintf(w, " <a class=\"anchor\" href=\"#%s\" aria-label=\"Link to this section\"></a>", id)
	}
	fmt.Fprintf(w, "</h%d>\n", level)
	return ast.WalkContinue, nil
}

// named is the only HTML that pages have: a place in a table that can be linked to.
var named = regexp.MustCompile(`^(<a id="[\w-]+">|</a>)$`)

func renderRawHTML(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		if tag := n.(*ast.RawHTML).Segments.Value(source); named.Match(tag) {
			_, _ = w.Write(tag)
		} else if !bytes.HasPrefix(tag, []byte("<!--")) {
			html.DefaultWriter.RawWrite(w, tag) // as text
		}
	}
	return ast.WalkSkipChildren, nil
}

func renderHTMLBlock(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		if block := n.Lines().Value(source); !bytes.HasPrefix(bytes.TrimSpace(block), []byte("<!--")) {
			html.DefaultWriter.RawWrite(w, block)
		}
	}
	return ast.WalkSkipChildren, nil
}

// renderTable lets a wide table scroll by itself.
func renderTable(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		_, _ = w.WriteString("<div class=\"table\"><table>\n")
	} else {
		_, _ = w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}
