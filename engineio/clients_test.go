package engineio_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
)

// missing ends a test for want of something outside the tree.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
		t.Fatal(what + ", and GODWIT_REQUIRE_ALL is set")
	}
	t.Skip(what)
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not in the PATH")
	}
	return path
}

// Unmodified official clients of both versions exchange 10,000 numbered messages with a
// server, over each transport and across the upgrade.
func TestOfficialClients(t *testing.T) {
	if testing.Short() {
		t.Skip("other programs take seconds to start")
	}
	node, npm, dir := program(t, "node"), program(t, "npm"), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	install.Dir = dir
	if said, err := install.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("npm cannot install the clients (%v: %s)", err, bytes.TrimSpace(said)))
	}
	o := engineio.Options{AllowEIO3: true, PingInterval: 300 * time.Millisecond, PingTimeout: 5 * time.Second}
	onBoth(t, o, hooks{}, func(t *testing.T, s *site) {
		url := strings.TrimSuffix(s.url, "/engine.io/")
		for _, version := range []string{"4", "3"} {
			for _, transports := range []string{"polling", "websocket", "polling,websocket"} {
				client := exec.CommandContext(t.Context(), node, "client.mjs", url, version, transports, "10000")
				client.Dir = dir
				said, err := client.CombinedOutput()
				want := "ok " + transports[strings.LastIndex(transports, ",")+1:]
				if err != nil || !strings.HasPrefix(string(said), want) {
					t.Errorf("version %s over %s: %v: %s", version, transports, err, said)
				}
				if r := next(t, s.reasons); r != engineio.ReasonTransportClose {
					t.Errorf("version %s over %s ended with %v", version, transports, r)
				}
			}
		}
	})
}

// The official suite needs a server at a port of its own. It is in no registry: check out
// github.com/socketio/engine.io-protocol, run npm ci in its folder test-suite, and give the
// folder's path.
func TestOfficialSuite(t *testing.T) {
	dir := os.Getenv("GODWIT_ENGINEIO_SUITE")
	if dir == "" {
		t.Skip("GODWIT_ENGINEIO_SUITE does not say where the test-suite of socketio/engine.io-protocol is")
	}
	npx := program(t, "npx")
	server, err := engineio.New(&hooks{}, &engineio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, Origins: origins(t, "*")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	loops := &engine.Server{Handler: engine.NopHandler{}, Route: server.Route, Admit: server.Admit, Origins: origins(t, "*")}
	plain := &http.Server{Handler: server}
	for name, driver := range map[string]interface {
		Serve(net.Listener) error
		Close() error
	}{"engine": loops, "nethttp": plain} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:3000")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- driver.Serve(ln) }()
			defer func() {
				_ = driver.Close()
				<-done
			}()
			for range 3 {
				suite := exec.CommandContext(t.Context(), npx, "mocha", "test-suite.js")
				suite.Dir = dir
				said, err := suite.CombinedOutput()
				if err != nil || !bytes.Contains(said, []byte("24 passing")) {
					t.Errorf("%v\n%s", err, said)
				}
			}
		})
	}
}
