package policy

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	namedTest = regexp.MustCompile("`([A-Za-z0-9_./-]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]*)`")
	ruler     = regexp.MustCompile(`^\|[\s:|-]+\|$`)
)

// NamedTests finds tests that the page at p names, as `folder.TestName` in
// inline code, and that are not there, and rows of its tables that name none. A
// page without such a row is found, too.
func NamedTests(t *Tree, p, reason string) []Finding { return NamedTestsBelow(t, p, "", reason) }

// NamedTestsBelow is NamedTests for the rows of one section: those below a heading, such as
// "## Promises", up to the next one as high. Without a heading it is about the whole page. Tests
// that are named elsewhere have to be there, too.
func NamedTestsBelow(t *Tree, p, heading, reason string) []Finding {
	f := t.File(p)
	if f == nil {
		return []Finding{{p, 0, "is missing", reason}}
	}
	declared := map[string]bool{}
	for _, pkg := range t.Packages {
		for file, fn := range pkg.functions() {
			if file.Test && fn.Recv == nil {
				declared[pkg.Dir+"."+fn.Name.Name] = true
			}
		}
	}
	var found []Finding
	rows, inTable, below := 0, false, heading == ""
	level, _, _ := strings.Cut(heading, " ")
	prose(f.Text, func(number int, line string) {
		line = strings.TrimSpace(line)
		if heading != "" && strings.HasPrefix(line, level+" ") {
			below = line == heading
		}
		named := namedTest.FindAllStringSubmatch(line, -1)
		for _, m := range named {
			if name := m[1] + "." + m[2]; !declared[name] {
				found = append(found, Finding{p, number, "there is no test " + name, reason})
			}
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case ruler.MatchString(line):
			inTable = true // the line above it was the heading
		case inTable && below:
			rows++
			if len(named) == 0 {
				found = append(found, Finding{p, number, fmt.Sprintf("a row without a test: %.60s", line), reason})
			}
		}
	})
	if rows == 0 {
		found = append(found, Finding{p, 0, "has no row that names a test", reason})
	}
	return found
}
