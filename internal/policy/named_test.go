package policy_test

import (
	"testing"

	"github.com/godwit-io/godwit/internal/policy"
)

func TestNamedTests(t *testing.T) {
	tree := load(t, map[string]string{
		"a/b/b.go": "package b\nfunc TestNoTest() {}",
		"a/b/b_test.go": `package b
func TestThere(t *T) {}
func FuzzThere(f *F) {}
func (x X) TestMethod(t *T) {}
`,
		"page.md": "Also in prose: `a/b.TestGone`, but not TestGone or `b.Thing`.\n\n" +
			"| what | test |\n|---|:---|\n" +
			"| fine | `a/b.TestThere`, `a/b.FuzzThere` |\n" +
			"| another folder | `b.TestThere` |\n" +
			"| not in a test | `a/b.TestNoTest` |\n" +
			"| a method | `a/b.TestThere` `a/b.TestMethod` |\n" +
			"| nothing | TestThere |\n" +
			"\n```\n| in a block | `a/b.TestGone` |\n```\n",
		"parts.md": "## Choosing\n\n| a | b |\n|---|---|\n| c | d |\n\n## Promises\n\n### Of all\n\n| a | b |\n|---|---|\n| c | d |\n" +
			"| c | `a/b.TestThere` |\n\n## More\n\n| a | b |\n|---|---|\n| c | d |\n",
		"empty.md": "| what | `a/b.TestThere` |\n|---|---|\n",
	})
	expect(t, policy.NamedTests(tree, "page.md", "why"),
		"page.md:1: there is no test a/b.TestGone: why", "page.md:6: there is no test b.TestThere", "page.md:7: there is no test a/b.TestNoTest",
		"page.md:8: there is no test a/b.TestMethod", "page.md:9: a row without a test: | nothing | TestThere |: why")
	expect(t, policy.NamedTests(tree, "empty.md", "why"), "empty.md: has no row that names a test: why")
	expect(t, policy.NamedTests(tree, "gone.md", "why"), "gone.md: is missing: why")
	expect(t, policy.NamedTestsBelow(tree, "page.md", "## Missing", "why"),
		"page.md:1: there is no test a/b.TestGone: why", "page.md:6: there is no test b.TestThere", "page.md:7: there is no test a/b.TestNoTest",
		"page.md:8: there is no test a/b.TestMethod", "page.md: has no row that names a test: why")
	expect(t, policy.NamedTestsBelow(tree, "parts.md", "## Promises", "why"), "parts.md:13: a row without a test: | c | d |: why")
}
