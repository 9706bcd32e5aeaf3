//go:build unix

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// SIGHUP reads the configuration again. A wrong one changes nothing and its errors are
// named; the process goes on.
func TestServeReloads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`anonymous: {history: ["old"]}`)
	p, url := serve(t, "--config", path)
	expect := func(channel string, want int) {
		t.Helper()
		response, err := http.Get(url + "/channels/" + channel)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s is answered with %s, want %d", channel, response.Status, want)
		}
	}
	expect("old", 200)
	expect("new", 401)
	write(`anonymous: {history: ["new"]}` + "\nheartbeat: 20s")
	p.signal(t, syscall.SIGHUP)
	if text := p.errOut.contains(t, "msg=reloaded"); !strings.Contains(text, "changed=anonymous needs_restart=heartbeat") {
		t.Errorf("the log says:\n%s", text)
	}
	expect("old", 401)
	expect("new", 200)
	write(`anonymous: {histroy: ["new"]}`)
	p.signal(t, syscall.SIGHUP)
	if text := p.errOut.contains(t, "not reloaded"); !strings.Contains(text, "godwit.yaml:1:13") || !strings.Contains(text, "histroy") {
		t.Errorf("the log says:\n%s", text)
	}
	expect("new", 200)
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
