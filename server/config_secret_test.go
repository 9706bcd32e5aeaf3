package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretsAreLookedUp(t *testing.T) {
	t.Setenv("GODWIT_TEST_SECRET", "from the environment")
	t.Setenv("GODWIT_TEST_EMPTY", "")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for text, want := range map[string]string{
		"env:GODWIT_TEST_SECRET":                  "from the environment",
		"file:" + write("one", "one line\n"):      "one line",
		"file:" + write("dos", "one line\r\n"):    "one line",
		"file:" + write("two", "a\n\n"):           "a\n",
		"file:" + write("none", "no line end"):    "no line end",
		"a literal, with spaces at both ends   ":  "a literal, with spaces at both ends   ",
		"environment:no reference of these forms": "environment:no reference of these forms",
	} {
		s, err := ParseSecret(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if b, err := s.Resolve(); err != nil || string(b) != want {
			t.Errorf("%s is %q, %v; want %q", text, b, err, want)
		}
	}
	for text, want := range map[string]string{
		"env:GODWIT_TEST_ABSENT":                                        "the variable GODWIT_TEST_ABSENT is not set",
		"env:GODWIT_TEST_EMPTY":                                         "env:GODWIT_TEST_EMPTY is empty",
		"file:" + write("empty", "\n"):                                  "is empty",
		"file:" + filepath.Join(dir, "absent"):                          "no such file",
		"file:" + write("long", string(make([]byte, secretBytesMax+1))): "is longer than 1048576 bytes",
	} {
		s, err := ParseSecret(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if b, err := s.Resolve(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %d bytes, %v; want %q", text, len(b), err, want)
		}
	}
}

// Whatever prints a configuration does not print its secrets.
func TestSecretsAreNotPrinted(t *testing.T) {
	const secret = "keep-this-to-yourself"
	c := Config{Tokens: []TokenIssuer{{Secret: Secret{secret}}}, Hooks: Hooks{Secrets: []Secret{{secret}, {"env:NAME"}}}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", c.Tokens[0].Secret)
		fmt.Fprintf(&out, verb+"\n", &c.Tokens[0].Secret)
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "secret", c.Tokens[0].Secret, "secrets", c.Hooks.Secrets, "config", c)
	}
	if i := strings.Index(out.String(), secret); i >= 0 {
		t.Errorf("it is printed: …%s", out.String()[max(0, i-200):])
	}
	if hex := fmt.Sprintf("%x", secret); strings.Contains(out.String(), hex) {
		t.Error("it is printed as", hex)
	}
	for _, want := range []string{"(secret)", "env:NAME"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not printed", want)
		}
	}
}

// Errors do not show what stands where a secret belongs.
func TestSecretsAreNotInErrors(t *testing.T) {
	const secret = "12345678901"
	for _, text := range []string{
		"tokens: [{secret: " + secret + "}]",
		"tokens: [{secret: [" + secret + "]}]",
		"tokens: [{secret: {" + secret + ": a}}]",
		"tokens: [{key: !!int " + secret + "}]",
		"tokens: [{secret: '" + secret + "', jwks: 'https://a/'}]",
		"hooks: {secrets: " + secret + "}",
		"hooks: {secrets: '" + secret + "'}",
		"hooks: {secrets: [" + secret + "]}",
		"hooks: {secrets: [[" + secret + "]]}",
		"keys: [{name: a, hash: gk_" + secret + "}]",
		"keys: [{name: a, hash: '" + secret + "'}]",
		"keys: [{name: a, hash: " + secret + "}]",
	} {
		l := newLoader()
		l.file("f", []byte(text))
		l.finish()
		if len(l.errs) == 0 {
			t.Errorf("%s is accepted", text)
		}
		for _, err := range l.errs {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

// A secret is one again when its reference is written down, and it shows
// nothing else.
func FuzzSecret(f *testing.F) {
	for _, seed := range []string{"env:A", "file:a", "env:", "file:", "", "secret", "env:1", "file:\x00", "ENV:A"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecret(text)
		if err != nil {
			if !s.IsZero() {
				t.Fatalf("%q is %v, with %v", text, s, err)
			}
			return
		}
		if s.IsLiteral() {
			if s.String() != "(secret)" {
				t.Fatalf("%q is shown as %s", text, s)
			}
			return
		}
		if again, err := ParseSecret(s.String()); err != nil || again != s || s.String() != text {
			t.Fatalf("%q is %v, and again %v, %v", text, s, again, err)
		}
	})
}
