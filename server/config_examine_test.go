package server

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

// All that is wrong and all that is strange, in testdata/examine.
func TestExamine(t *testing.T) {
	t.Setenv("LONG", strings.Repeat("x", tokenSecretBytesGood))
	t.Setenv("MIDDLE", strings.Repeat("x", 16))
	t.Setenv("SHORT", "x")
	forCases(t, "testdata/examine/check*.txt", func(c testCase) string {
		for _, line := range c.sections["other file"] {
			name, text, _ := strings.Cut(line, " ")
			if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		e := Examine(c.path, c.environ, c.overrides)
		e.LookUp()
		var out strings.Builder
		for _, err := range e.Errors {
			fmt.Fprintf(&out, "error: %v\n", err)
		}
		for _, w := range e.Warnings {
			fmt.Fprintf(&out, "warning: %s\n", w)
		}
		if out.Len() == 0 {
			return "ok\n"
		}
		return out.String()
	})
}

func TestPrint(t *testing.T) {
	forCases(t, "testdata/examine/print.txt", func(c testCase) string {
		e := Examine(c.path, c.environ, c.overrides)
		if err := e.Err(); err != nil {
			t.Error(err)
		}
		var out bytes.Buffer
		if err := e.Print(&out); err != nil {
			t.Error(err)
		}
		return out.String()
	})
}

func TestExplain(t *testing.T) {
	forCases(t, "testdata/examine/explain.txt", func(c testCase) string {
		e := Examine(c.path, c.environ, c.overrides)
		if err := e.Err(); err != nil {
			t.Error(err)
		}
		var out strings.Builder
		for _, channel := range c.sections["explain"] {
			rule, all := e.Explain(channel)
			fmt.Fprintf(&out, "%s: %s\n", channel, rule)
			for _, s := range all {
				fmt.Fprintf(&out, "  %s = %s  (%s)\n", s.Key, s.Value, s.Source)
			}
			for _, feed := range e.Feeds(channel) {
				fmt.Fprintf(&out, "  fed by %s\n", feed)
			}
		}
		return out.String()
	})
}

// A printed configuration can be loaded, and is the same then: whatever the other tests
// load is tried.
func TestWhatIsPrintedCanBeLoaded(t *testing.T) {
	printed := 0
	forCases(t, "testdata/*/*.txt", func(c testCase) string {
		if e := Examine(c.path, c.environ, c.overrides); len(e.Errors) == 0 && !hasLiteralSecret(&e.Config) {
			isPrintedAsItIs(t, e)
			printed++
		}
		return strings.TrimSuffix(c.result, "\n")
	})
	if printed < 40 {
		t.Errorf("only %d configurations were printed", printed)
	}
}

func isPrintedAsItIs(t *testing.T, e *Examination) {
	t.Helper()
	var out bytes.Buffer
	if err := e.Print(&out); err != nil {
		t.Fatal(err)
	}
	l := newLoader()
	l.file("printed", out.Bytes())
	l.finish()
	if len(l.errs) > 0 {
		t.Fatalf("%v in\n%s", l.errs, out.String())
	}
	if can, cannot := Changes(e.Config, l.config); can != nil || cannot != nil {
		t.Fatalf("%v %v are others when printed:\n%s", can, cannot, out.String())
	}
}

func hasLiteralSecret(c *Config) bool {
	for _, s := range secretsIn(settings, c, "") {
		if s.secret.IsLiteral() {
			return true
		}
	}
	return false
}

func TestErrorsAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	for text, want := range map[string]string{
		"channels:\n" + strings.Repeat("  - {}\n", 1000):                                         "match is needed",
		"channels: [" + strings.Repeat("{}, ", listItemsMax) + "{}]\n":                           "a list of 10001; at most 10000 are possible",
		"anonymous: {publish: [" + strings.Repeat("a, ", access.PatternsMax) + "a]}\n":           "more than 1000 patterns",
		"anonymous: {publish: [" + strings.Repeat("a, ", listItemsMax) + "a]}\n":                 "a list of 10001",
		"keys: [{grants: {publish: [" + strings.Repeat("'a*', ", access.PatternsMax) + "a]}}]\n": "* stands for a whole segment",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		e := Examine(path, nil, nil)
		if n := len(e.Errors); n == 0 || n > errorsMax || !strings.Contains(e.Errors[0].Error(), want) {
			t.Errorf("%.40q: %d errors, %v", text, n, e.Errors[:min(n, 1)])
		}
	}
}

func TestPolicyOf(t *testing.T) {
	own := 7
	c, err := Config{
		History: History{Age: DefaultHistoryAge * 2},
		Channels: []ChannelPolicy{
			{Match: pattern(t, "a/*"), History: History{Count: &own}, Presence: new(false)},
			{Match: pattern(t, "a/**"), Allow: []access.Action{access.Publish}, Idempotency: DefaultIdempotency * 2},
		},
	}.normalize()
	if err != nil {
		t.Fatal(err)
	}
	for channel, want := range map[string]int{"a/b": 0, "a/b/c": 1, "a": -1, "@ann": -1} {
		p, index := c.PolicyOf(channel)
		if index != want {
			t.Errorf("%s: section %d, want %d", channel, index, want)
		}
		if isOwn := *p.History.Count == own; isOwn != (want == 0) || *p.Presence == (want == 0) {
			t.Errorf("%s: %d publications, presence %v", channel, *p.History.Count, *p.Presence)
		}
		if p.History.Age != DefaultHistoryAge*2 || p.PublicationBytes != DefaultPublicationBytes || *p.LastValue || p.Rates != (Rates{}) {
			t.Errorf("%s: %+v", channel, p)
		}
		if isOwn := p.Idempotency == DefaultIdempotency*2 && len(p.Allow) == 1; isOwn != (want == 1) {
			t.Errorf("%s: %+v", channel, p)
		}
	}
	if c.Channels[0].History.Age != 0 || c.Channels[1].Presence != nil {
		t.Error("the configuration was changed")
	}
}

// A pattern that covers another matches what that one matches.
func FuzzCovers(f *testing.F) {
	for _, seed := range [][3]string{
		{"**", "a/b", "a/b"}, {"a/*", "a/b", "a/b"}, {"a/**", "a/*/c", "a/b/c"}, {"*", "@a", "@a"}, {"**", "@a/**", "@a/b"}, {"*/b", "a/*", "a/b"}, {"a/**", "a/**", "a/b"}, {"*/**", "**", "a"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, a, b, channel string) {
		wide, err := access.ParsePattern(a)
		narrow, err2 := access.ParsePattern(b)
		if err != nil || err2 != nil || !wide.Covers(narrow, "") {
			return
		}
		if narrow.Matches(channel, "") && !wide.Matches(channel, "") {
			t.Fatalf("%q covers %q, which alone matches %q", a, b, channel)
		}
	})
}

func TestCovers(t *testing.T) {
	for pair, want := range map[string]bool{
		"** a": true, "** a/b": true, "** a/**": true, "** @a": false, "** *": true, "* **": false, "a/* a/b": true, "a/* a/*": true,
		"a/* a/b/c": false, "a/** a": false, "a/** a/b/*": true, "a/b a/*": false, "*/b a/b": true, "*/b @a/b": false, "a a": true,
	} {
		a, b, _ := strings.Cut(pair, " ")
		wide, err := access.ParsePattern(a)
		narrow, err2 := access.ParsePattern(b)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if got := wide.Covers(narrow, ""); got != want {
			t.Errorf("%s covers %s: %v", a, b, got)
		}
	}
}

// What only its use shows to be wrong is said with its place, too.
func TestErrorsOfUseHaveAPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	for text, want := range map[string]string{
		"tokens:\n  - secret: env:GODWIT_TEST_ABSENT\n":                                            ":2:13: tokens[0].secret: the variable GODWIT_TEST_ABSENT is not set",
		"tokens:\n  - jwks: file:absent.json\n":                                                    ":2:11: tokens[0].jwks: open " + filepath.Dir(path) + "/absent.json: no such file",
		"hooks:\n  connect: {url: https://a.example/}\n  secrets:\n    - env:GODWIT_TEST_ABSENT\n": ":4:7: hooks.secrets[0]: the variable GODWIT_TEST_ABSENT is not set",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(c)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s is accepted", text)
		} else if !strings.HasPrefix(err.Error(), path+want) {
			t.Errorf("got  %v\nwant %s%s", err, path, want)
		}
	}
}
