package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

func TestPatternsMatch(t *testing.T) {
	for _, row := range []struct{ pattern, user, matches, misses string }{
		{"chat", "", "chat", "chat/a chatter cha"},
		{"chat/*", "", "chat/a chat/@ann", "chat chat/a/b b/a"},
		{"*", "", "chat", "chat/a @ann"},
		{"*/score", "", "a/score", "score a/b/score @a/score"},
		{"a/*/c", "", "a/b/c", "a/c a/b/b/c a/b/d"},
		{"chat/**", "", "chat/a chat/a/b", "chat chatter/a b/chat/a"},
		{"**", "", "chat chat/a/b", "@ann @ann/inbox"},
		{"*/**", "", "chat/a chat/a/b", "chat @ann/inbox"},
		{"@ann", "", "@ann", "@bob ann"},
		{"@{user}", "ann", "@ann", "@bob @ann/a"},
		{"@{user}", "a/b%", "@a%2Fb%25", "@a/b%"},
		{"inbox/{user}", "ann", "inbox/ann", "inbox/bob inbox/ann/a inbox/{user}"},
		{"inbox/{user}", "", "", "inbox/ inbox/{user} inbox"},
		{"inbox/{user}", "a/b", "", "inbox/a/b inbox/a"},
		{"inbox/{user}", "*", "", "inbox/ann"},
		{"@{user}", "a/b", "@a%2Fb", "@a/b @a"},
		{"@{user}", "a%2Fb", "@a%252Fb", "@a%2Fb"}, // which is the channel of a/b
		{"{user}", "@bob", "", "@bob"},             // which is the channel of bob
		{"{user}/**", "@bob", "", "@bob/inbox"},
		{"chat/{user}", "@bob", "chat/@bob", "chat/bob"},
		{"chat/{user}", "100%", "chat/100%", "chat/100%25"},
		{"to-{user}-from-*x", "", "", ""},
		{"to-{user}/**", "ann", "to-ann/a/b", "to-ann to-bob/a"},
		{"{user}{user}", "ab", "abab", "ab ababab"},
		{"{user}-{user}", "a-a", "a-a-a-a", "a-a"},
		{"*", "", "private", "private-a presence-a private-"},
		{"**", "", "a/private a/privately-b", "private-a a/presence-b a/b/private-c private-a/b"},
		{"a/*/b", "", "a/x/b", "a/private-x/b"},
		{"a/private-x/*", "", "a/private-x/b", "a/private-x/presence-b a/private-y/b"},
		{"private-a/**", "", "private-a/b private-a/b/c", "private-a private-a/private-b private-a/b/private-c"},
		{"{user}", "private-x", "", "private-x"},
		{"pri{user}", "vate-x", "", "private-x"},
		{"private-{user}", "ann", "private-ann", "private-bob"},
		{"inbox/{user}", "presence-x", "", "inbox/presence-x"},
	} {
		p, err := access.ParsePattern(row.pattern)
		if err != nil {
			if row.matches != "" || row.misses != "" {
				t.Errorf("%q: %v", row.pattern, err)
			}
			continue
		}
		if p.String() != row.pattern {
			t.Errorf("%q is written %q", row.pattern, p)
		}
		for _, name := range strings.Fields(row.matches) {
			if !p.Matches(name, row.user) {
				t.Errorf("%s does not match %s for user %q", p, name, row.user)
			}
		}
		for _, name := range strings.Fields(row.misses) {
			if p.Matches(name, row.user) {
				t.Errorf("%s matches %s for user %q", p, name, row.user)
			}
		}
	}
	if (access.Pattern{}).Matches("chat", "") {
		t.Error("the zero pattern matches")
	}
}

func TestPatternsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "it is empty",
		"/a":                     "empty segment",
		"a/":                     "empty segment",
		"a//b":                   "empty segment",
		"a/../b":                 `no channel has the segment ".."`,
		"**/a":                   "** stands for the rest",
		"a*":                     "* stands for a whole segment",
		"a/***":                  "* stands for a whole segment",
		"a/{name}":               `there is nothing like "{name}"`,
		"a/{user":                `there is nothing like "{user"`,
		"a\n":                    "control character U+000A",
		"a\xff":                  "not valid UTF-8",
		strings.Repeat("a", 256): "256 bytes long",
	} {
		_, err := access.ParsePattern(text)
		var wrong *access.PatternError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A pattern is what it says, and a channel that it matches is one that a
// straightforward reading of the rules matches.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][3]string{
		{"chat/*", "chat/a", ""}, {"**", "@ann", ""}, {"inbox/{user}", "inbox/ann", "ann"},
		{"a/*/{user}/**", "a/b/u/c/d", "u"}, {"x{user}y{user}", "x1y1", "1"}, {"a/**", "a/b/private-c", ""}, {"p{user}", "private-a", "rivate-a"}, {"*", "a", "*"}, {"{user}", "@", "@"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, text, channel, user string) {
		p, err := access.ParsePattern(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Fatalf("%q is written %q", text, p)
		}
		if channel == "" || strings.Contains("/"+channel+"/", "//") {
			_ = p.Matches(channel, user) // no name of a channel
			return
		}
		if got, want := p.Matches(channel, user), matchesPlainly(text, channel, user); got != want {
			t.Fatalf("%q matches %q for %q: %v, want %v", text, channel, user, got, want)
		}
	})
}

func closesPlainly(segment string) bool {
	return strings.HasPrefix(segment, "private-") || strings.HasPrefix(segment, "presence-")
}

func matchesPlainly(text, channel, user string) bool {
	if strings.Contains(text, access.UserMark) && user == "" {
		return false
	}
	want, have := strings.Split(text, "/"), strings.Split(channel, "/")
	for i, segment := range want {
		switch {
		case i >= len(have):
			return false
		case strings.HasPrefix(segment, "*") && i == 0 && strings.HasPrefix(have[0], "@"):
			return false
		case segment == "*" && closesPlainly(have[i]), segment == "**" && slices.ContainsFunc(have[i:], closesPlainly):
			return false
		case strings.Contains(segment, access.UserMark) && closesPlainly(have[i]) && !closesPlainly(segment):
			return false
		case segment == "**":
			return true
		case i == 0 && strings.HasPrefix(segment, "@") && strings.Contains(segment, access.UserMark):
			own, err := access.UserChannel(user)
			if err != nil { // it is too long for a channel, and so for this one
				return false
			}
			if strings.ReplaceAll(segment, access.UserMark, own[1:]) != have[i] {
				return false
			}
		case i == 0 && strings.Contains(segment, access.UserMark) && strings.HasPrefix(have[0], "@"):
			return false // the channel of a user is meant by patterns with its "@" alone
		case segment != "*" && strings.ReplaceAll(segment, access.UserMark, user) != have[i]:
			return false
		}
	}
	return len(want) == len(have)
}
