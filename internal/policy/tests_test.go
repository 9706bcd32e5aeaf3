package policy_test

import (
	"testing"

	"github.com/godwit-io/godwit/internal/policy"
)

func TestSleeps(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go": "package a\nimport \"time\"\nfunc wait() { time.Sleep(1) }", // not a test
		"a/real_test.go": `package a
import "time"
func TestReal(t *T) {
	time.Sleep(1)
	both()
}
`,
		"a/virtual_test.go": `package a
import ("time"; "testing/synctest")
func TestLiteral(t *T) {
	synctest.Test(t, func(t *T) { time.Sleep(1); helper(); both() })
	time.Sleep(2)
}
func TestNamed(t *T) { synctest.Test(t, named) }
func named(t *T) { time.Sleep(1) }
func helper() { time.Sleep(1); deeper() }
func deeper() { time.Sleep(1) }
func both() {
	time.Sleep(1)
}
func unused() {
	time.Sleep(1)
}
`,
	})
	expect(t, policy.Sleeps(tree, "why"),
		"a/real_test.go:4: a test sleeps: why",
		"a/virtual_test.go:5: a test sleeps", "a/virtual_test.go:12: a test sleeps", "a/virtual_test.go:15: a test sleeps")
}

func TestSilentSkips(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go": "package a\nfunc f(t T) { t.Skip() }",
		"a/a_test.go": `package a
func TestA(t *T) { t.Skip("because") }
func TestB(t *T) { t.Skip() }
func BenchmarkC(b *B) { b.SkipNow() }
func TestD(t *T) { scanner.Skip(); t.Skipf("%d", 1) }
`,
	})
	expect(t, policy.SilentSkips(tree, "why"), "a/a_test.go:3: a test is skipped without saying why: why", "a/a_test.go:4: a test")
}
