package policy

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

var (
	inlineLink    = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	referenceLink = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?`)
	htmlLink      = regexp.MustCompile(`\b(?:src|href|srcset)="([^"\s]+)"`)
	inlineCode    = regexp.MustCompile("`+[^`]*`+")
	heading       = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*\s*$`)
	htmlAnchor    = regexp.MustCompile(`\b(?:id|name)="([^"\s]+)"`)
	linkText      = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// DeadLinks finds links of Markdown files that lead nowhere in the tree: to a
// path that is not there, or to a heading that the page does not have. Links to
// other sites are not followed.
func DeadLinks(t *Tree) []Finding {
	const reason = "a reader who follows a dead link stops reading"
	paths := map[string]bool{".": true}
	anchors := map[string]map[string]bool{}
	for _, f := range t.Files {
		for p := f.Path; p != "."; p = path.Dir(p) {
			paths[p] = true
		}
		if isMarkdown(f.Path) {
			anchors[f.Path] = headings(f.Text)
		}
	}
	var found []Finding
	for _, f := range t.Files {
		if !isMarkdown(f.Path) {
			continue
		}
		prose(f.Text, func(number int, line string) {
			for _, target := range links(line) {
				if problem := follow(f.Path, target, paths, anchors); problem != "" {
					found = append(found, Finding{f.Path, number, fmt.Sprintf("the link to %s leads to %s", target, problem), reason})
				}
			}
		})
	}
	return found
}

func isMarkdown(p string) bool { return path.Ext(p) == ".md" }

func links(line string) []string {
	line = inlineCode.ReplaceAllString(line, "")
	var targets []string
	for _, pattern := range []*regexp.Regexp{inlineLink, referenceLink, htmlLink} {
		for _, m := range pattern.FindAllStringSubmatch(line, -1) {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// follow says what is wrong with a link of the page at from, if anything is.
func follow(from, target string, paths map[string]bool, anchors map[string]map[string]bool) string {
	u, err := url.Parse(target)
	if err != nil {
		return "no valid URL"
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	to := from
	switch {
	case strings.HasPrefix(u.Path, "/"): // from the root, as code hosts read it
		to = path.Clean(strings.TrimLeft(u.Path, "/"))
	case u.Path != "":
		to = path.Join(path.Dir(from), u.Path)
	}
	if !paths[to] {
		return "no file or folder"
	}
	if page, ok := anchors[to]; ok && u.Fragment != "" && !page[u.Fragment] {
		return "no heading of that page"
	}
	return ""
}

// prose calls do for each line that is not in a fenced code block.
func prose(text string, do func(number int, line string)) {
	fence := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence != "":
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			fence = trimmed[:3]
		default:
			do(i+1, line)
		}
	}
}

// headings returns the fragments that lead to a place in the page, made the way
// code hosts make them.
func headings(text string) map[string]bool {
	anchors := map[string]bool{}
	seen := map[string]int{}
	prose(text, func(_ int, line string) {
		for _, m := range htmlAnchor.FindAllStringSubmatch(line, -1) {
			anchors[m[1]] = true
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			s := slug(m[1])
			if n := seen[s]; n > 0 {
				anchors[fmt.Sprintf("%s-%d", s, n)] = true
			} else {
				anchors[s] = true
			}
			seen[s]++
		}
	})
	return anchors
}

func slug(title string) string {
	title = linkText.ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}
