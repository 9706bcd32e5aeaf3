package policy

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Missing finds files that should be there and are not.
func Missing(t *Tree, paths []string, reason string) []Finding {
	var found []Finding
	for _, p := range paths {
		if t.File(p) == nil {
			found = append(found, Finding{p, 0, "is missing", reason})
		}
	}
	return found
}

var generated = regexp.MustCompile(`(?m)^(//|/\*|#) Code generated .* DO NOT EDIT\.`)

// LongFiles finds source files of more than max lines. Tests and generated files
// are not counted. except maps a path to the reason it may be long; an exception
// that is not needed is found too.
func LongFiles(t *Tree, max int, except map[string]string) []Finding {
	const reason = "a file is a noun, and one this long usually names two things"
	var found []Finding
	used := map[string]bool{}
	for _, f := range t.Files {
		if !isSource(f) || generated.MatchString(f.Text) {
			continue
		}
		lines := strings.Count(f.Text, "\n")
		switch {
		case lines <= max:
		case except[f.Path] != "":
			used[f.Path] = true
		default:
			found = append(found, Finding{f.Path, 0, fmt.Sprintf("%d lines, over %d: it asks to be two", lines, max), reason})
		}
	}
	for p := range except {
		if !used[p] {
			found = append(found, Finding{p, 0, "is listed as a long file and is none", "a list of exceptions is read only while it is true"})
		}
	}
	return found
}

func isSource(f *File) bool {
	base := path.Base(f.Path)
	switch path.Ext(base) {
	case ".go":
		return !strings.HasSuffix(base, "_test.go")
	case ".ts", ".js":
		return !strings.Contains(base, ".test.") && !strings.Contains(base, ".spec.")
	}
	return false
}

// Mentions finds places where a text names one of the paths of a machine: the
// path itself or something below it.
func Mentions(t *Tree, paths []string, reason string) []Finding {
	var found []Finding
	for _, f := range t.Files {
		for number, line := range strings.Split(f.Text, "\n") {
			for _, p := range paths {
				if namesPath(line, p) {
					found = append(found, Finding{f.Path, number + 1, "names " + p, reason})
				}
			}
		}
	}
	return found
}

// namesPath reports whether p stands in line as a path or the beginning of one,
// and not as the end or middle of a longer path, a URL or a word.
func namesPath(line, p string) bool {
	for from := 0; ; {
		i := strings.Index(line[from:], p)
		if i < 0 {
			return false
		}
		start := from + i
		end := start + len(p)
		begins := start == 0 || !isWordByte(line[start-1]) && strings.IndexByte("/.~$}", line[start-1]) < 0
		if begins && (end == len(line) || !isWordByte(line[end])) {
			return true
		}
		from = end
	}
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-'
}

// Says finds texts that the first lines of a file should contain and do not.
func Says(t *Tree, p string, lines int, texts []string, reason string) []Finding {
	f := t.File(p)
	if f == nil {
		return []Finding{{p, 0, "is missing", reason}}
	}
	head := strings.SplitAfterN(f.Text, "\n", lines+1)
	if len(head) > lines {
		head = head[:lines]
	}
	beginning := strings.Join(head, "")
	var found []Finding
	for _, text := range texts {
		if !strings.Contains(beginning, text) {
			found = append(found, Finding{p, 0, fmt.Sprintf("its first %d lines do not contain %q", lines, text), reason})
		}
	}
	return found
}
