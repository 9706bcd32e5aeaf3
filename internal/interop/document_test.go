package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const document = "../../docs/interoperability.md"

// TestDocument holds the document to what is tested.
func TestDocument(t *testing.T) {
	data, err := os.ReadFile(filepath.FromSlash(document))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for language, name := range map[string]string{"nginx": "testdata/nginx/godwit.conf", "haproxy": "testdata/haproxy/haproxy.cfg"} {
		config, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, "\n```"+language+"\n"+string(config)+"```\n") {
			t.Errorf("the document does not show %s as it is", name)
		}
	}

	for _, name := range []string{"testdata/node/package.json", "testdata/npm/package.json"} {
		manifest, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		var node struct{ Dependencies map[string]string }
		if err := json.Unmarshal(manifest, &node); err != nil {
			t.Fatal(err)
		}
		for dependency, version := range node.Dependencies {
			// An alias has the name of the package before the version.
			version = version[strings.LastIndexByte(version, '@')+1:]
			if !strings.Contains(text, version) {
				t.Errorf("%s: the document does not say which %s it is: %s", name, dependency, version)
			}
		}
	}
	for _, s := range scenarios {
		if !strings.Contains(text, "| "+s.name+" |") {
			t.Errorf("the document's table has no row %q", s.name)
		}
	}
}

// TestLockFilesNameNoRegistry keeps the machine that wrote them out of the tree.
func TestLockFilesNameNoRegistry(t *testing.T) {
	names, err := filepath.Glob(filepath.FromSlash("testdata/*/package-lock.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no lock files: %v", err)
	}
	for _, name := range names {
		lock, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(lock); strings.Contains(text, `"resolved"`) || !strings.Contains(text, `"integrity"`) {
			t.Errorf("%s has an address, or no checksum", name)
		}
	}
}
