package drivertest

import (
	"os"
	"regexp"
	"testing"
)

// The pages that name rows name ones that are there.
func TestPagesNameRows(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rows() {
		if names[r.name] {
			t.Errorf("two rows are called %q", r.name)
		}
		names[r.name] = true
	}
	named := regexp.MustCompile("row `([^`]+)`")
	for _, page := range []string{"../../docs/hazards.md", "../../docs/security.md"} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllSubmatch(b, -1)
		if len(found) == 0 {
			t.Errorf("%s names no row", page)
		}
		for _, m := range found {
			if !names[string(m[1])] {
				t.Errorf("%s names the row %q, which does not exist", page, m[1])
			}
		}
	}
}
