package clientjs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/godwit-io/godwit/internal/golden"
)

// installed is a copy of the package with its tools.
func installed(t *testing.T) string {
	t.Helper()
	npm, dir := program(t, "npm"), t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "tsconfig.json"} {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"src", "dist"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		missing(t, "npm cannot install the tools of the package: "+string(bytes.TrimSpace(said)))
	}
	return dir
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", filepath.Base(name), args, err, said)
	}
}

var relative = regexp.MustCompile(`(from ")(\./[\w-]+)\.js(")`)

// TestTypes: the types in dist are those of src, for ESM and CommonJS, and what tools say of
// the package is that everybody can import it.
func TestTypes(t *testing.T) {
	dir := installed(t)
	bin := func(name string) string { return filepath.Join(dir, "node_modules", ".bin", name) }
	made := filepath.Join(dir, "types")
	run(t, dir, bin("tsc"), "--outDir", made)
	if t.Failed() {
		return
	}
	want := map[string][]byte{}
	var add func(name string)
	add = func(name string) {
		if want[name+".d.ts"] != nil {
			return
		}
		text, err := os.ReadFile(filepath.Join(made, name+".d.ts"))
		if err != nil {
			t.Fatal(err)
		}
		want[name+".d.ts"] = text
		want[name+".d.cts"] = relative.ReplaceAll(text, []byte("$1$2.cjs$3"))
		for _, match := range relative.FindAllSubmatch(text, -1) {
			add(string(match[2][2:]))
		}
	}
	for _, entry := range entries {
		add(entry)
	}
	for name, text := range want {
		path := filepath.Join("dist", name)
		golden.Compare(t, path, string(text))
		if err := os.WriteFile(filepath.Join(dir, path), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	there, err := filepath.Glob("dist/*.d.*ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if path == "dist/served.d.ts" {
			continue // TestServedTypes makes it of the others
		}
		if want[filepath.Base(path)] == nil {
			t.Errorf("%s belongs to nothing", path)
		}
	}
	// What the document shows is written as a user would, against the types.
	page, err := os.ReadFile("../../docs/client-js.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```tsx?\n(.*?)\n```\n").FindAllSubmatch(page, -1)
	if len(blocks) < 2 {
		t.Errorf("the document has %d blocks of TypeScript", len(blocks))
	}
	// The declarations that a server gives out stand alone, and are those of a program.
	served := []byte("import { Godwit, GodwitError, version, type Message, type Handler, type Roster, type Digest } from \"./served.js\"\n" +
		"const godwit = new Godwit<{ chat: { text: string } }>(\"https://example.com\", { tabs: false })\n" +
		"godwit.channel(\"chat\").on(\"message\", (m: Message<{ text: string }>) => console.log(m.data.text, version))\n" +
		"const roster: Roster = godwit.channel(\"chat\").presence\n" +
		"const handler: Handler<number[]> = ({ data }) => data.length\n" +
		"godwit.handle(\"length\", handler).catch((error: GodwitError) => console.log(error.problem, roster.count))\n" +
		"export const digest: Promise<Digest> = godwit.channel(\"chat\").digest({ last: 3 })\n" +
		"// @ts-expect-error: there is no such option\n" +
		"new Godwit(\"\", { tabz: false })\n")
	for name, text := range map[string][]byte{"served.d.ts": servedTypes(t), "uses-served.ts": served} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check := []string{"--ignoreConfig", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2023,dom,dom.iterable", "--types", "", "uses-served.ts"}
	for i, block := range blocks {
		name := fmt.Sprintf("shown-%d.ts", i)
		if err := os.WriteFile(filepath.Join(dir, name), block[1], 0o644); err != nil {
			t.Fatal(err)
		}
		check = append(check, name)
	}
	run(t, dir, bin("tsc"), check...)
	// And every entry that needs no framework is there for import and for require.
	const use = `Promise.all(["", "/core", "/cbor", "/delta", "/codes", "/svelte"].map(async (entry) => {
		if (Object.keys(await load("@godwit/client" + entry)).length === 0) throw new Error(entry + " has nothing")
	})).catch((error) => { console.error(error); process.exit(1) })`
	node := program(t, "node")
	run(t, dir, node, "--input-type=module", "-e", "const load = (name) => import(name); "+use)
	run(t, dir, node, "--input-type=commonjs", "-e", "const load = (name) => require(name); "+use)
	run(t, dir, bin("publint"), "--strict")
	// Resolution of TypeScript 4 and earlier finds no sub-paths.
	run(t, dir, bin("attw"), "--pack", ".", "--profile", "node16")
}
