package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runtimes are where clients/js runs besides browsers. Their programs are of npm.
var runtimes = []struct {
	name      string
	command   []string // below node_modules, except for node
	transport string   // that it connects by
}{
	{"node", []string{"node"}, "stream"}, // Node 20 has no WebSocket
	{"node-ws", []string{"node"}, "websocket"},
	{"deno", []string{"@deno/*/deno", "run", "--allow-all", "--no-lock"}, "websocket"},
	{"bun", []string{"@oven/bun-*/bin/bun"}, "websocket"},
	{"react-native", []string{"node"}, "websocket"},
	{"react-native-poll", []string{"node"}, "poll"},
	{"jsdom", []string{"node"}, "websocket"},
}

// TestClientRuntimes: the same tour of everything that a client does, with its connections
// broken meanwhile, in JSON and then in CBOR with deltas, wherever the package runs.
func TestClientRuntimes(t *testing.T) {
	t.Parallel()
	node, npm, dir := program(t, "node", "nodejs"), program(t, "npm"), t.TempDir()
	if err := installNode(npm, dir, "runtimes"); err != nil {
		missing(t, err.Error())
	}
	host, _ := serveForClient(t)
	for _, runtime := range runtimes {
		t.Run(runtime.name, func(t *testing.T) {
			t.Parallel()
			command := append([]string{node}, runtime.command[1:]...)
			if pattern := runtime.command[0]; pattern != "node" {
				found, err := filepath.Glob(filepath.Join(dir, "node_modules", pattern))
				if err != nil || len(found) == 0 {
					missing(t, "npm has no program for this machine: "+pattern)
				}
				command[0] = found[0]
			}
			network := newCutter(t, host)
			args := append(command[1:], filepath.Join(dir, "runtime.mjs"), runtime.name, filepath.Dir(clientPackage(t)), "http://"+network.host, newCuttingSite(t, network))
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			said, err := exec.CommandContext(ctx, command[0], args...).CombinedOutput()
			want := `done {"runtime":"` + runtime.name + `","transport":"` + runtime.transport + `"}`
			if err != nil || !strings.Contains(string(said), want+"\n") {
				t.Errorf("%v, and not %s:\n%s", err, want, said)
			}
		})
	}
	t.Run("deno-types", func(t *testing.T) {
		t.Parallel()
		found, err := filepath.Glob(filepath.Join(dir, "node_modules", "@deno/*/deno"))
		if err != nil || len(found) == 0 {
			missing(t, "npm has no Deno for this machine")
		}
		// Deno learns the types of a module from where the server says they are.
		cache := t.TempDir()
		file := write(t, cache, "use.ts", fmt.Sprintf(usesTypes, host))
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, found[0], "check", "--no-lock", "--allow-import="+host, file)
		cmd.Env = append(os.Environ(), "DENO_DIR="+cache, "NO_COLOR=1")
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
	})
	// And the entries for frameworks, each with its framework: nothing is begun on a server, a
	// component shows what there is once, under React's StrictMode, too, and leaves with its page.
	for _, framework := range []string{"react", "vue", "svelte"} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			for where, condition := range map[string]string{"server": "node", "page": "browser"} {
				cmd := exec.CommandContext(ctx, node, "--conditions="+condition, filepath.Join(dir, "frameworks.mjs"), where, framework, filepath.Dir(clientPackage(t)), "http://"+host)
				if said, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(said), "done\n") {
					t.Errorf("%s: %v\n%s", where, err, said)
				}
			}
		})
	}
}

// usesTypes is right only if the types of the client are known, and not if they are any.
const usesTypes = `import { Godwit, type Message } from "http://%[1]s/client.mjs"
const godwit = new Godwit<{ chat: { text: string } }>("http://%[1]s")
godwit.channel("chat").on("message", (m: Message<{ text: string }>) => console.log(m.data.text.length))
// @ts-expect-error: it is text
await godwit.channel("chat").publish({ text: 1 })
`

// newCuttingSite breaks all connections of network at every request. It is of another origin
// than any page.
func newCuttingSite(t *testing.T, network *cutter) string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		network.cut("reset")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(site.Close)
	return site.URL
}
