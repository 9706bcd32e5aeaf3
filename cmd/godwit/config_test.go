package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeConfig(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigCheck(t *testing.T) {
	t.Setenv("TOKEN_SECRET", strings.Repeat("x", 32))
	t.Setenv("GODWIT_LOG_LEVEL", "warn")
	good := writeConfig(t, "tokens:\n  - secret: env:TOKEN_SECRET\n")
	if r := do(t, "", "config", "check", "--config", good); r != (result{exitOK, "ok\n", ""}) {
		t.Errorf("what is good: %+v", r)
	}
	if r := do(t, "", "config", "check"); r != (result{exitOK, "ok\n", ""}) {
		t.Errorf("without a file: %+v", r)
	}

	strange := writeConfig(t, "tokens:\n  - secret: "+strings.Repeat("y", 32)+"\n")
	r := do(t, "", "config", "check", "--config", strange)
	if r.code != exitOK || r.out != "ok\n" || !strings.HasPrefix(r.errOut, "godwit: warning: "+strange+":2:13: tokens[0].secret: ") ||
		strings.Count(r.errOut, "\n") != 1 || strings.Contains(r.errOut, "yyy") {
		t.Errorf("what is strange: %+v", r)
	}

	bad := writeConfig(t, "listne: a\nchannels:\n  - match: a*\n  - {match: b, history: {count: -1}}\nhooks: {secrets: [env:ABSENT]}\n")
	r = do(t, "", "config", "check", "--config", bad)
	lines := strings.Split(strings.TrimSuffix(r.errOut, "\n"), "\n")
	if r.code != exitUsage || r.out != "" || len(lines) != 5 || lines[4] != "godwit: 4 errors in the configuration" {
		t.Fatalf("what is bad: %+v", r)
	}
	for i, want := range []string{":1:1: listne: ", ":3:12: channels[0].match: ", ":4:33: channels[1].history.count: ", ":5:19: hooks.secrets[0]: the variable ABSENT is not set"} {
		if !strings.HasPrefix(lines[i], "godwit: "+bad+want) {
			t.Errorf("line %d is %s, want %s", i+1, lines[i], want)
		}
	}
}

func TestConfigPrint(t *testing.T) {
	t.Setenv("GODWIT_HISTORY_AGE", "90m")
	file := writeConfig(t, "history: {count: 5}\nhooks: {secrets: [a secret of twenty-four bytes]}\n")
	r := do(t, "", "config", "print", "--config", file)
	for _, want := range []string{
		"history:\n  count: 5 # " + file + ":1:18\n  age: 1h30m # GODWIT_HISTORY_AGE\n",
		"heartbeat: 15s # default\n",
		"  secrets: [\"(secret)\"] # " + file + ":2:18, a secret that is not shown\n",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
	if r.code != exitOK || r.errOut != "" || strings.Contains(r.out, "twenty-four") {
		t.Errorf("%+v", r)
	}
}

func TestConfigExplain(t *testing.T) {
	file := writeConfig(t, "channels:\n  - match: scores/**\n    history: {count: 5}\n")
	r := do(t, "", "config", "explain", "scores/final", "--config", file)
	want := "channels[0], match \"scores/**\", at " + file + ":2:5\n  history.count      5        " + file + ":3:22\n  history.age        10m      default\n"
	if r.code != exitOK || r.errOut != "" || !strings.HasPrefix(r.out, want) {
		t.Errorf("got  %+v\nwant %q", r, want)
	}
	r = do(t, "", "config", "explain", "chat", "--config", file)
	if r.code != exitOK || !strings.HasPrefix(r.out, "no section of channels matches\n  history.count      1000 ") {
		t.Errorf("%+v", r)
	}
}

func TestConfigSchema(t *testing.T) {
	r := do(t, "", "config", "schema")
	var schema map[string]any
	if err := json.Unmarshal([]byte(r.out), &schema); err != nil || r.code != exitOK || r.errOut != "" {
		t.Fatal(err, r)
	}
	if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" || schema["properties"].(map[string]any)["channels"] == nil {
		t.Errorf("%s", r.out)
	}
}
