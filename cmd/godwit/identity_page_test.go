package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The page about identities is followed as a reader would: its configuration is
// served, and its commands do what they say.
func TestIdentityPage(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sh", "curl", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
				t.Fatal(program + " is not installed, and GODWIT_REQUIRE_ALL is set")
			}
			t.Skip(program + " is not installed")
		}
	}
	page, err := os.ReadFile("../../docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "## In five minutes")
	section, _, _ := strings.Cut(rest, "\n## ")
	var blocks []string
	for i, part := range strings.Split(section, "```") {
		if i%2 == 1 {
			blocks = append(blocks, strings.TrimPrefix(part, "sh\n"))
		}
	}
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of commands", len(blocks))
	}
	const serving = "godwit serve --config godwit.yaml\n"
	prepare, ok := strings.CutSuffix(blocks[0], serving)
	if !ok {
		t.Fatalf("the first block does not end with %s", serving)
	}

	dir := t.TempDir()
	program, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n" + asProgram + "=1 exec '" + program + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "godwit"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	shell := func(text string, more ...string) result {
		cmd := exec.Command("sh", "-c", text)
		cmd.Dir, cmd.Env = dir, append(env, more...)
		return finish(t, cmd, "")
	}
	r := shell(prepare + "\nprintf %s \"$TOKEN_SECRET\"")
	if r.code != 0 || len(r.out) != 64 {
		t.Fatalf("%+v", r)
	}
	secret := "TOKEN_SECRET=" + r.out
	server := launchEnv(t, []string{secret}, "serve", "--demo=false", "--listen", "127.0.0.1:0", "--config", filepath.Join(dir, "godwit.yaml"))
	r = shell(strings.ReplaceAll(blocks[1], "127.0.0.1:8000", addressOf(t, server)), secret)
	for _, want := range []string{`{"position":"`, "hello", `denied: the token of user "ann" may publish on chat/*, none of which matches`} {
		if !strings.Contains(r.out, want) {
			t.Errorf("got %+v, want %s", r, want)
		}
	}
}
