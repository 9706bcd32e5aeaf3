package hub_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
)

func TestCheckChannel(t *testing.T) {
	for _, test := range []struct{ name, problem string }{
		{"chat", ""},
		{"match/42/score", ""},
		{"größe/日本/🦅", ""},
		{"a b", ""},
		{"...", ""},
		{".hidden/x..y", ""},
		{"%2F?#&=+:@", ""},
		{strings.Repeat("x", 255), ""},
		{strings.Repeat("ü", 127) + "x", ""},

		{"", "empty"},
		{strings.Repeat("x", 256), "256 bytes"},
		{strings.Repeat("ü", 128), "256 bytes"},
		{"/", "empty segment"},
		{"/a", "empty segment"},
		{"a/", "empty segment"},
		{"a//b", "empty segment"},
		{".", `"."`},
		{"a/./b", `"."`},
		{"..", `".."`},
		{"a/..", `".."`},
		{"*", "patterns"},
		{"a/**", "patterns"},
		{"a/b*c", "patterns"},
		{"a\x00b", "U+0000"},
		{"a\nb", "U+000A"},
		{"a\x7f", "U+007F"},
		{"a\u0085b", "U+0085"},
		{"\xff", "UTF-8"},
		{"a/\xed\xa0\x80", "UTF-8"}, // a surrogate
		{"\xc0\xaf", "UTF-8"},       // an overlong slash
	} {
		err := hub.CheckChannel(test.name)
		if test.problem == "" {
			if err != nil {
				t.Errorf("%q: %v", test.name, err)
			}
			continue
		}
		var fault *hub.NameError
		if !errors.As(err, &fault) || fault.Name != test.name || !strings.Contains(fault.Problem, test.problem) {
			t.Errorf("%q: %v, want a *NameError that says %q", test.name, err, test.problem)
		}
	}
}

func TestNameErrorQuotesAndTruncates(t *testing.T) {
	for _, name := range []string{
		strings.Repeat("x", 10_000),
		"x" + strings.Repeat("日", 5000),
		strings.Repeat("\x00", 300),
		strings.Repeat("\xff\x80", 300),
		"\u202e\r\nSet-Cookie: x",
	} {
		text := hub.CheckChannel(name).Error()
		if len(text) > 400 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("error about %.20q is not fit for a log: %q", name, text)
		}
	}
}

func FuzzCheckChannel(f *testing.F) {
	for _, name := range []string{"chat", "a/b", "a//b", "*", "..", "\x00", "\xff", "ü", strings.Repeat("x/", 200)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := hub.CheckChannel(name)
		if err != nil {
			if text := err.Error(); !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("error is not fit for a log: %q", text)
			}
			return
		}
		if name == "" || len(name) > 255 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, "*") {
			t.Errorf("%q was accepted", name)
		}
		for _, segment := range strings.Split(name, "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Errorf("%q was accepted", name)
			}
			if hub.CheckChannel(segment) != nil {
				t.Errorf("%q is a name and its segment %q is not", name, segment)
			}
		}
	})
}
