package docsite

import (
	"encoding/json"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// found is a section of a page, as the search in the browser knows it.
type found struct {
	Page    string `json:"p"`           // where it is, below Prefix
	Title   string `json:"t"`           // of the page
	ID      string `json:"i,omitempty"` // of the heading; none above the first
	Heading string `json:"h,omitempty"`
	Text    string `json:"x"`
}

// searchIndex is all text of all pages, by section and in the order of reading.
func (s *site) searchIndex() []byte {
	var all []found
	for _, e := range s.contents().order {
		all = append(all, sectionsOf(e.page)...)
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err) // they are strings
	}
	return b
}

// sectionsOf cuts a page at its headings, down to the third.
func sectionsOf(p *page) []found {
	root := parse(p.markdown)
	headings := anchor(root, p.markdown)
	now := found{Page: p.name}
	var sections []found
	var words []string
	done := func() {
		if now.Text = strings.Join(words, " "); now.Text != "" || now.Heading != "" {
			sections = append(sections, now)
		}
		words = nil
	}
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			if t := textOf(n, p.markdown); t != "" {
				words = append(words, t)
			}
			continue
		}
		place := headings[0]
		headings = headings[1:]
		switch {
		case h.Level == 1:
			now.Title = place.Text
		case h.Level <= 3:
			done()
			now = found{Page: p.name, Title: now.Title, ID: place.ID, Heading: place.Text}
		default:
			words = append(words, place.Text)
		}
	}
	done()
	return sections
}
