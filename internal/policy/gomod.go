package policy

import (
	"fmt"
	"strings"
)

// goMod is what the rules need to know of a go.mod file.
type goMod struct {
	module   string
	requires []requirement
	replaces []int // lines
}

type requirement struct {
	path     string
	line     int
	indirect bool
}

// parseGoMod reads a go.mod file that the go command accepts; it does not
// validate. golang.org/x/mod does, and would be a dependency for a few lines.
func parseGoMod(text string) goMod {
	var m goMod
	block := ""
	for i, line := range strings.Split(text, "\n") {
		code, comment, _ := strings.Cut(line, "//")
		words := strings.Fields(code)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		case block != "":
			words = append([]string{block}, words...)
		}
		if len(words) < 2 {
			continue
		}
		path := strings.Trim(words[1], "\"`")
		switch words[0] {
		case "module":
			m.module = path
		case "require":
			m.requires = append(m.requires, requirement{path, i + 1, strings.TrimSpace(comment) == "indirect"})
		case "replace":
			m.replaces = append(m.replaces, i+1)
		}
	}
	return m
}

// Replacements finds replace directives in the root's go.mod.
func Replacements(t *Tree, reason string) []Finding {
	var found []Finding
	if f := t.File("go.mod"); f != nil {
		for _, line := range parseGoMod(f.Text).replaces {
			found = append(found, Finding{f.Path, line, "a replace directive", reason})
		}
	}
	return found
}

// Undecided finds direct dependencies of the root's go.mod that no Markdown file
// in dir names.
func Undecided(t *Tree, dir, reason string) []Finding {
	var found []Finding
	f := t.File("go.mod")
	if f == nil {
		return nil
	}
	for _, r := range parseGoMod(f.Text).requires {
		if !r.indirect && !t.decides(dir, r.path) {
			found = append(found, Finding{f.Path, r.line, fmt.Sprintf("no file in %s names %s", dir, r.path), reason})
		}
	}
	return found
}

func (t *Tree) decides(dir, module string) bool {
	for _, f := range t.Files {
		if below(dir, f.Path) && strings.HasSuffix(f.Path, ".md") {
			for _, line := range strings.Split(f.Text, "\n") {
				if namesPath(line, module) {
					return true
				}
			}
		}
	}
	return false
}
