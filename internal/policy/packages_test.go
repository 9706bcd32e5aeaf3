package policy_test

import (
	"testing"

	"github.com/godwit-io/godwit/internal/policy"
)

func TestPackageDocs(t *testing.T) {
	tree := load(t, map[string]string{
		"good/doc.go":        "// Package good is good (RFC 6455 §4.1).\n//\n// It is. Really.\npackage good",
		"good/good.go":       "package good",
		"good/good_test.go":  "package good_test",
		"cmd/tool/doc.go":    "// Command tool turns screws.\npackage main",
		"cmd/other/doc.go":   "// Other is a command.\npackage main",
		"tests/only_test.go": "package tests",

		"begins/doc.go":     "// This package begins badly.\npackage begins",
		"cmd/bad/doc.go":    "// Package main is bad.\npackage main",
		"elsewhere/else.go": "// Package elsewhere is documented elsewhere.\npackage elsewhere",
		"none/none.go":      "package none",
		"period/doc.go":     "// Package period has none\npackage period",
		"tested/doc.go":     "// Package tested is.\npackage tested",
		"tested/t_test.go":  "// Package tested is tested.\npackage tested",
		"twice/doc.go":      "// Package twice is one.\npackage twice",
		"twice/x.go":        "// Package twice is two.\npackage twice",
		"wordy/doc.go":      "// Package wordy is this. And it is that.\npackage wordy",

		"lessons/one/one.go":      "// Package one is a lesson.\npackage one",
		"lessons/one/one_test.go": "package one",
		"lessons/two/two.go":      "// Package two is not.\npackage two",
		"lessons/two/more.go":     "package two",
	})
	expect(t, policy.PackageDocs(tree, "lessons"),
		`begins/doc.go:1: the package documentation does not begin ["Package begins "]`,
		`cmd/bad/doc.go:1: the package documentation does not begin ["Command bad " "Bad "]`,
		"elsewhere/else.go:1: package documentation outside doc.go",
		"elsewhere/doc.go: package elsewhere has no documentation",
		"lessons/two/two.go:1: package documentation outside doc.go",
		"lessons/two/doc.go: package two has no documentation",
		"none/doc.go: package none has no documentation",
		"period/doc.go:1: the first paragraph of the package documentation is not one sentence",
		"tested/t_test.go:1: package documentation outside doc.go",
		"twice/x.go:1: package documentation outside doc.go",
		"wordy/doc.go:1: the first paragraph of the package documentation is not one sentence",
	)
}

func TestNames(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go":         "package a",
		"a/utils/u.go":   "package utils",
		"misc/m.go":      "package fine",
		"b/b.go":         "package pkg",
		"utilities/u.go": "package utilities",
	})
	expect(t, policy.Names(tree, []string{"utils", "misc", "pkg"}, "why"),
		"a/utils: a package called utils: why", "b: a package called pkg", "misc: a package called misc")
}

func TestFuzzTargets(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a_test.go": "package a\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}",
		"a/a.go":      "package a",
		"b/b_test.go": "package b\nfunc TestFuzz() {}",
		"c/c.go":      "package c\nfunc FuzzC() {}",
	})
	expect(t, policy.FuzzTargets(tree, []string{"a", "b", "c", "d"}, "why"),
		"b: has no fuzz target: why", "c: has no fuzz target", "d: there is no such package")
}

func TestFuzzedParsers(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go":      "package a\nfunc ParseA() {}\nfunc ParseB() {}\nfunc parseC() {}\nfunc (x T) ParseD() {}",
		"a/a_test.go": "package a_test\nfunc FuzzA() { f(func() { a.ParseA() }) }\nfunc TestB() { a.ParseB() }",
	})
	expect(t, policy.FuzzedParsers(tree, "why"), "a/a.go:3: no fuzz target of a calls ParseB: why")
}
