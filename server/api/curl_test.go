package api

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/identity"
)

// curl skips the test without the program, unless GODWIT_REQUIRE_ALL is set, as in CI.
func curl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err == nil {
		return
	}
	if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
		t.Fatal("curl is not installed, and GODWIT_REQUIRE_ALL is set")
	}
	t.Skip("curl is not installed")
}

// scripts are the shell commands of docs/api.md.
func scripts(t *testing.T) (list []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(page), "\n```sh\n")
	for _, part := range parts[1:] {
		script, _, ok := strings.Cut(part, "\n```\n")
		if !ok {
			t.Fatalf("a block does not end: %q", part)
		}
		list = append(list, script)
	}
	return list
}

// The examples of docs/api.md, one after another as a reader pastes them.
func TestExamplesOfThePage(t *testing.T) {
	curl(t)
	f := newFixture(t, func(o *Options) {
		o.Revoke = func(identity.Revocation) error { return nil }
		o.IsRevoked = func(id *access.Identity) bool { return id != nil && id.User == "bob" }
		o.Info = func() any { return map[string]string{"version": "test"} }
	})
	f.know("gk_your_key", key(t, "shop", `{"manage":["**"],"publish":["**"],"call":["math/*"]}`))
	if _, err := f.hub.Handle("math/add", func(_ context.Context, c *hub.IncomingCall) (hub.Answer, error) {
		var numbers []int
		err := json.Unmarshal(c.Data, &numbers)
		return hub.Answer{Kind: hub.JSON, Data: fmt.Append(nil, numbers[0]+numbers[1])}, err
	}); err != nil {
		t.Fatal(err)
	}
	f.session(&access.Identity{Kind: access.Token, User: "ann"}, "scores/final")
	f.session(&access.Identity{Kind: access.Token, User: "bob"})
	var begin string
	var printed []string
	for i, script := range scripts(t) {
		script = strings.ReplaceAll(script, "http://127.0.0.1:8000", f.http.URL)
		if i == 0 {
			begin = script
			continue
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", begin+"\n"+script)
		var errors strings.Builder
		cmd.Stderr = &errors
		out, err := cmd.Output()
		if err != nil || errors.Len() > 0 {
			t.Fatalf("%s\n%v\n%s", script, err, errors.String())
		}
		for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s\nprinted %q", script, line)
			}
			printed = append(printed, line)
		}
	}
	for i, want := range []string{
		`{"channel":"scores/final","position":`,
		`{"channel":"@ann","position":`,
		`{"results":[{"position":`, // and one that failed
		`{"position":`, `{"position":`,
		`{"type":"json","data":3}`,
		`{"channels":[{"channel":"scores/a","subscribers":0,"publications":1,`,
		`{"channel":"scores/final","count":`,
		`{"sessions":[{"id":`, `{"sessions":[{"id":`,
		`{"version":"test"}`,
		`{"ended":1}`, `{"ended":1}`, // a cleared history prints nothing
		`{"allowed":false,"action":"publish","channel":"scores/final","reason":"the token is not known"}`,
	} {
		if i >= len(printed) || !strings.HasPrefix(printed[i], want) {
			t.Fatalf("the examples printed\n%s\nline %d is to begin with %s", strings.Join(printed, "\n"), i+1, want)
		}
	}
	if !strings.Contains(printed[2], `bad-channel-name`) || !strings.HasSuffix(printed[2], `"failed":1}`) {
		t.Error(printed[2])
	}
	if len(f.history("scores/final")) != 0 || len(f.history("ticks")) != 2 || len(f.history("@ann")) != 1 {
		t.Error("the histories are not what the examples make of them")
	}
}
