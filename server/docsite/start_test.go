package docsite

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/golden"
)

// TestStartPage: docs/start.md is the first minutes of the README, which are written once.
func TestStartPage(t *testing.T) {
	const at = "../../docs/start.md"
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(readme)
	between := func(begin, end string) string {
		_, rest, found := strings.Cut(text, begin)
		part, _, ends := strings.Cut(rest, end)
		if !found || !ends {
			t.Fatalf("README.md has nothing between %q and %q", begin, end)
		}
		return part
	}
	want := "# Five minutes\n\n<!-- made from README.md: go test ./server/docsite -run TestStartPage -update -->\n\n```sh\n" +
		between("\n```sh\n", "\n(The bar-tailed") + "\n" + between("\n## Five minutes\n\n", "\n## ")
	want = regexp.MustCompile(`\]\(([^):#]+)\)`).ReplaceAllStringFunc(want, func(link string) string {
		target := link[2 : len(link)-1]
		if within, isPage := strings.CutPrefix(target, "docs/"); isPage {
			if within == "" {
				within = "README.md"
			}
			return "](" + within + ")"
		}
		return "](../" + target + ")"
	})
	want = strings.ReplaceAll(want, "[docs/", "[")
	golden.Compare(t, at, want)
}
