package clientjs

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/godwit-io/godwit/internal/golden"
)

const how = "`go generate ./clients/js`"

// entries are what the package can be imported as, besides its name.
var entries = []string{"index", "core", "cbor", "delta", "codes", "react", "svelte", "vue"}

// ownNames are those of properties that are only ours, besides those that begin with an
// underscore. What goes over the wire or to other tabs is not among them, nor what users see.
var ownNames = []string{
	"isLeader", "hasFollowers", "pausedUntil", "began", "feeds", "opener", "isFilled", "carrier", "hasTokens", "sentAt", "isStale",
	"hasBegun", "attach", "detach", "settled", "nextId", "failed", "begun", "follower", "ref", "verb", "goOn", "replied", "tryBetter",
	"ready", "received", "lost", "later", "matches", "way", "fields", "deadline", "wake", "sleep", "subs",
}

// bundle makes one file of a TypeScript entry. Names that begin with an underscore are ours, and
// made short: a bundler of our users could not do that.
func bundle(t *testing.T, entry string, change func(*api.BuildOptions)) []byte {
	t.Helper()
	options := api.BuildOptions{
		EntryPoints:   []string{entry},
		Bundle:        true,
		Format:        api.FormatESModule,
		Target:        api.ES2022,
		MangleProps:   "^_|^(" + strings.Join(ownNames, "|") + ")$",
		LegalComments: api.LegalCommentsNone,
		LogLevel:      api.LogLevelSilent,
		Banner:        map[string]string{"js": notice},
	}
	change(&options)
	result := api.Build(options)
	for _, message := range append(result.Errors, result.Warnings...) {
		t.Errorf("%s: %s (%+v)", entry, message.Text, message.Location)
	}
	if len(result.OutputFiles) != 1 {
		t.Fatalf("%s: %d files were made", entry, len(result.OutputFiles))
	}
	return result.OutputFiles[0].Contents
}

const notice = "// Code generated from clients/js/src by `go generate ./clients/js`. DO NOT EDIT.\n" +
	"// Godwit's client for JavaScript. Apache-2.0, https://github.com/godwit-io/godwit"

// bundles are the files of dist that esbuild makes.
func bundles(t *testing.T) map[string][]byte {
	t.Helper()
	minify := func(o *api.BuildOptions) {
		o.MinifySyntax, o.MinifyWhitespace, o.MinifyIdentifiers = true, true, true
	}
	made := map[string][]byte{
		"client.mjs": bundle(t, "src/index.ts", minify),
		"client.js": bundle(t, "src/index.ts", func(o *api.BuildOptions) {
			minify(o)
			o.Format, o.GlobalName = api.FormatIIFE, "godwit"
		}),
	}
	version := []byte(packageVersion(t))
	for _, entry := range entries {
		for extension, format := range map[string]api.Format{".js": api.FormatESModule, ".cjs": api.FormatCommonJS} {
			made[entry+extension] = bytes.ReplaceAll(bundle(t, "src/"+entry+".ts", func(o *api.BuildOptions) {
				o.Format = format
				o.External = []string{"react", "vue"}
			}), []byte(versionMark), version)
		}
	}
	return made
}

func packageVersion(t *testing.T) string {
	t.Helper()
	var manifest struct{ Version string }
	text, err := os.ReadFile("package.json")
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil || manifest.Version == "" {
		t.Fatalf("package.json has no version: %v", err)
	}
	return manifest.Version
}

// TestOwnNames: no name that goes over the wire is taken for one of ours, which the tests of the
// source would not notice.
func TestOwnNames(t *testing.T) {
	keys, err := os.ReadFile("src/keys.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(keys), "=\n  \"")
	list, _, _ = strings.Cut(list, "\"")
	names := strings.Fields(list)
	if len(names) < 80 {
		t.Fatalf("src/keys.ts has %d names", len(names))
	}
	for _, name := range names {
		if slices.Contains(ownNames, name) {
			t.Errorf("%s is a name of the protocol", name)
		}
	}
}

// TestBundles: what is in dist was made from src.
func TestBundles(t *testing.T) {
	made := bundles(t)
	for _, name := range slices.Sorted(maps.Keys(made)) {
		golden.Compare(t, filepath.Join("dist", name), string(made[name]))
	}
}

// The version of a bundle is the server's, whatever that is called.
func TestVersion(t *testing.T) {
	for _, file := range [][]byte{Module(`v1.2.3-"</script>\`), Script(`v1.2.3-"</script>\`)} {
		if !bytes.Contains(file, []byte(`"v1.2.3-/script>"`)) || bytes.Contains(file, []byte(versionMark)) {
			t.Error("the version is not in the bundle, or not as it should be")
		}
	}
}
