package clientjs

import (
	"bytes"
	_ "embed"
)

// The bundles for pages. They are ECMAScript of 2022, which every browser has had since then.
var (
	//go:embed dist/client.mjs
	module []byte
	//go:embed dist/client.js
	script []byte
	//go:embed dist/served.d.ts
	types []byte
)

// versionMark stands in the bundles where the version goes.
const versionMark = "{{version}}"

// Module returns the client as an ES module, whose export "version" is version. The caller
// owns the slice.
func Module(version string) []byte { return marked(module, version) }

// Script returns the client for pages that load it with a plain <script>: it defines the
// global "godwit", whose members are the exports of Module. The caller owns the slice.
func Script(version string) []byte { return marked(script, version) }

// Types returns what TypeScript, editors and Deno want to know of Module: its declarations.
// The caller owns the slice.
func Types() []byte { return bytes.Clone(types) }

func marked(bundle []byte, version string) []byte {
	// It stands in a string of JavaScript, and a version has none of these.
	safe := bytes.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r == '\n' || r == '<' {
			return -1
		}
		return r
	}, []byte(version))
	return bytes.ReplaceAll(bundle, []byte(versionMark), safe)
}
