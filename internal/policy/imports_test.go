package policy_test

import (
	"testing"

	"github.com/godwit-io/godwit/internal/policy"
)

func TestArrows(t *testing.T) {
	tree := load(t, map[string]string{
		"hub/hub.go":        "package hub\nimport \"example.org/m/ws\"",
		"hub/hub_test.go":   "package hub\nimport \"example.org/m/ws\"",
		"hub/deep/d.go":     "package deep\nimport (\n\"fmt\"\n\"example.org/m/ws/wire\"\n)",
		"hubs/h.go":         "package hubs\nimport \"example.org/m/ws\"",
		"hub/windows.go":    "//go:build windows\n\npackage hub\nimport \"net/http\"",
		"ws/ws.go":          "package ws",
		"ws/wire/wire.go":   "package wire",
		"root_test.go":      "package m_test\nimport \"example.org/m/hub\"",
		"cmd/c/main.go":     "package main\nimport \"example.org/m\"",
		"other/other.go":    "package other\nimport x \"example.org/m2/ws\"",
		"hub/doc.go":        "// Package hub is.\npackage hub",
		"ws/wire/w_test.go": "package wire",
	})
	arrow := func(a policy.Arrow) []policy.Finding { return policy.Arrows(tree, []policy.Arrow{a}) }

	expect(t, arrow(policy.Arrow{From: "hub", To: "ws", Reason: "why"}), "hub/hub.go:2: hub imports ws: why")
	expect(t, arrow(policy.Arrow{From: "hub/...", To: "ws/...", Reason: "why"}), "hub/deep/d.go:4: hub/deep imports ws/wire", "hub/hub.go:2: hub imports ws")
	expect(t, arrow(policy.Arrow{From: "hub/...", To: "ws/...", Except: []string{"hub"}}), "hub/deep/d.go:4")
	expect(t, arrow(policy.Arrow{From: "hub", To: "ws", In: policy.Tests}), "hub/hub_test.go:2")
	expect(t, arrow(policy.Arrow{From: "hub", To: "ws", In: policy.Everywhere}), "hub/hub.go:2", "hub/hub_test.go:2")
	expect(t, arrow(policy.Arrow{From: "...", To: "net/http"}), "hub/windows.go:4")
	expect(t, arrow(policy.Arrow{From: "...", To: "."}), "cmd/c/main.go:2: cmd/c imports .")
	expect(t, arrow(policy.Arrow{From: "...", To: "example.org/m2/..."}), "other/other.go:2")
	expect(t, arrow(policy.Arrow{From: "ws/...", To: "hub/..."}))
}

func TestLayers(t *testing.T) {
	tree := load(t, map[string]string{
		"low/low.go":       "package low\nimport \"example.org/m/high\"",
		"high/high.go":     "package high\nimport (\n\"example.org/m/low\"\n\"net\"\n)",
		"high/h_test.go":   "package high_test\nimport \"example.org/m/new\"",
		"mid/mid.go":       "package mid\nimport (\n\"example.org/m/low\"\n\"example.org/m/high\"\n)",
		"new/new.go":       "package new",
		"tests/x_test.go":  "package tests\nimport \"example.org/m/new\"",
		"mid/one/one.go":   "package one\nimport \"example.org/m/mid\"",
		"mid/two/two.go":   "package two\nimport \"example.org/m/mid/one\"",
		"mid/three/thr.go": "package three\nimport \"example.org/m/low\"",
	})
	expect(t, policy.Layers(tree, []policy.Layer{
		{"low", nil, "it is the lowest"},
		{"high", []string{"low"}, "it is high"},
		{"mid/three", nil, "it stands alone"},
		{"mid/...", []string{"low", "mid/..."}, "it is between"},
	}),
		"new: has no place in the table of layers",
		"low/low.go:2: low imports high and may import nothing of this module: it is the lowest",
		"mid/mid.go:4: mid imports high and may import only low, mid/...: it is between",
		"mid/three/thr.go:2: mid/three imports low",
	)
}

func TestOutsiders(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go":      "package a\nimport (\n\"net/http\"\n\"golang.org/x/sys/unix\"\n\"example.org/m/b\"\n\"example.org/m2\"\n\"example.org/m3/x\"\n)",
		"a/a_test.go": "package a\nimport \"example.org/m2\"",
		"b/b.go":      "package b\nimport \"example.org/m2\"",
	})
	expect(t, policy.Outsiders(tree, []policy.Outside{{[]string{"a", "c"}, []string{"golang.org/x/...", "example.org/m3/..."}, "why"}}),
		"a/a.go:6: a imports example.org/m2: why")
}

func TestUses(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go": `package a
import ("time"; "log")
type clock struct { time interface{ Now() int } }
func f(c clock) { _ = c.time.Now() }
func g(time clock) { _ = time.Now }
func h() { log.Println(time.Second); now := time.Now; _ = now() }
`,
		"a/a_test.go":  "package a\nimport \"time\"\nvar _ = time.Now()",
		"a/renamed.go": "package a\nimport tm \"time\"\nvar _ = tm.Now()",
		"a/dot.go":     "package a\nimport . \"time\"\nvar _ = Now()",
		"a/b/b.go":     "package b\nimport \"time\"\nvar _ = time.Now()",
		"c/c.go":       "package c\nimport \"time\"\nvar _ = time.Now()",
		"c/own.go":     "package c\nimport \"example.org/m/time\"\nvar _ = time.Now()",
		"v/v.go":       "package v\nimport \"math/rand/v2\"\nvar _ = rand.N(1)",
	})
	use := policy.Use{From: []string{"a/...", "c"}, Except: []string{"a/b"}, Package: "time", Names: []string{"Sleep", "Now"}, Reason: "why"}
	expect(t, policy.Uses(tree, []policy.Use{use}),
		"a/a.go:6: a uses time.Now: why", "a/dot.go:2: a uses time..", "a/renamed.go:3: a uses time.Now", "c/c.go:3: c uses time.Now")
	use.In = policy.Tests
	expect(t, policy.Uses(tree, []policy.Use{use}), "a/a_test.go:3")
	expect(t, policy.Uses(tree, []policy.Use{{From: []string{"v"}, Package: "math/rand/v2", Names: []string{"N"}}}), "v/v.go:3")
}

func TestGoroutines(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go":      "package a\nfunc f() {\n\tfunc() {\n\t\tgo f()\n\t}()\n}",
		"a/a_test.go": "package a\nfunc g() { go f() }",
		"b/b.go":      "package b\nfunc f() { go f() }",
	})
	expect(t, policy.Goroutines(tree, []string{"a"}, "why"), "a/a.go:4: a starts a goroutine: why")
}
