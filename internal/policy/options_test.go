package policy_test

import (
	"testing"

	"github.com/godwit-io/godwit/internal/policy"
)

func TestUnlistedOptions(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go":          "package a\n\ntype Options struct{}\n\ntype DialOptions struct{}\n\ntype Server struct{}\n\ntype options struct{}\n\ntype Limit int",
		"a/a_test.go":     "package a\n\ntype TestOptions struct{}",
		"a/internal/b.go": "package internal\n\ntype Options struct{}",
		"c/c.go":          "package c\n\ntype (\n\tConfig struct{}\n\tAlias = Config\n)",
	})
	expect(t, policy.UnlistedOptions(tree, []string{"a.Options", "a.Server", "c.Gone", "a.Limit"}, "why"),
		"a/a.go:5: a.DialOptions is not in the table of options: why",
		"c/c.go:4: c.Config is not in the table",
		"c.Gone: is in the table of options, and there is no such struct",
		"a.Limit: is in the table of options, and there is no such struct",
	)
}

func TestDefaultNames(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go": `package a

type Options struct{ Timeout, quiet int }

const (
	DefaultTimeout     = 1
	DefaultFindTimeout = 2
	DefaultSize        = 3
	TimeoutDefault     = 4
	timeoutDefault     = 5
	Other              = 6
	Defaultquiet       = 7
)
`,
		"a/a_test.go": "package a\n\nconst SizeDefault = 1",
		"b/b.go":      "package b\n\nconst AgeDefault = 1",
		"c/c.go":      "package c\n\nconst LevelDefault = 1",
	})
	expect(t, policy.DefaultNames(tree, map[string]string{"b": "old", "c.LevelDefault": "a level", "d": "gone"}, "why"),
		"a/a.go:12: a.Defaultquiet is called a default, and no option is called quiet",
		"a/a.go:8: a.DefaultSize is called a default, and no option is called Size: why",
		"a/a.go:9: a.TimeoutDefault is not spelled DefaultX, where X is the option: why",
		"d: is excepted from the spelling of defaults, and does not need it",
	)
}

func TestNoneNames(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go":          "package a\n\nconst (\n\tNoLimit = 1\n\tUnlimited = 2\n\tPingsNone = 3\n\tNonce = 4\n\tnever = 5\n)",
		"a/internal/b.go": "package internal\n\nconst None = 1",
	})
	expect(t, policy.NoneNames(tree, "why"), "a/a.go:5: a.Unlimited is not spelled NoX: why", "a/a.go:6: a.PingsNone is not spelled NoX")
}
