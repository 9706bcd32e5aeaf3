package interop

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestClientSnippets runs the code of docs/client-js.md as its reader copies it.
func TestClientSnippets(t *testing.T) {
	node, dir := clientProgram(t)
	host, _ := serveForClient(t)
	page, err := filepath.Abs("../../docs/client-js.md")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	said, err := exec.CommandContext(ctx, node, filepath.Join(dir, "snippets.mjs"), clientPackage(t), "http://"+host, page).CombinedOutput()
	if err != nil || !strings.Contains(string(said), "\ndone 9\n") {
		t.Errorf("%v\n%s", err, said)
	}
	if !strings.Contains(string(said), `shown ["unknown-method"]`) {
		t.Errorf("what nobody answers is shown otherwise:\n%s", said)
	}
}
