package clientjs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// TestNode runs the tests of the TypeScript source, in test, which need nothing but Node.
func TestNode(t *testing.T) {
	node := program(t, "node")
	tests, err := filepath.Glob("test/*.test.ts")
	if err != nil || len(tests) == 0 {
		t.Fatalf("there are no tests: %v", err)
	}
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"--enable-source-maps", "--test", "--test-reporter=spec"}
	for _, test := range tests {
		path := filepath.Join(dir, strings.TrimSuffix(filepath.Base(test), ".ts")+".mjs")
		made := bundle(t, test, func(o *api.BuildOptions) {
			o.MangleProps = ""
			o.Platform = api.PlatformNode
			o.Sourcemap = api.SourceMapInline
		})
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, args...)
	cmd.Env = append(os.Environ(), "GODWIT_SOURCE="+source)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, failures(string(said)))
	}
}

// failures leaves out the tests that passed.
func failures(said string) string {
	if at := strings.Index(said, "failing tests:"); at >= 0 {
		return said[at:]
	}
	var kept []string
	for line := range strings.Lines(said) {
		if !strings.Contains(line, "✔") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
