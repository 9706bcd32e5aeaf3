package access_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
)

func TestUserChannel(t *testing.T) {
	for user, want := range map[string]string{
		"ann":                    "@ann",
		"ann@example.org":        "@ann@example.org",
		"Änne Ö":                 "@Änne Ö",
		"a/b":                    "@a%2Fb",
		"*":                      "@%2A",
		"50%":                    "@50%25",
		"a%2Fb":                  "@a%252Fb",
		".":                      "@.",
		"a\nb\x7f":               "@a%0Ab%7F",
		"\u0085":                 "@%C2%85",
		"\xff":                   "@%FF",
		"\ufffd":                 "@\ufffd",
		strings.Repeat("a", 254): "@" + strings.Repeat("a", 254),
	} {
		if got, err := access.UserChannel(user); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", user, got, err, want)
		}
	}
	for user, want := range map[string]string{
		"":                       "name the user",
		strings.Repeat("a", 255): "would be 256 bytes long; at most 255",
		strings.Repeat("/", 85):  "would be 256 bytes long",
	} {
		if got, err := access.UserChannel(user); got != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want %q", user, got, err, want)
		}
	}
}

// The channel of a user is a name of one segment, and its user can be read from it.
func FuzzUserChannel(f *testing.F) {
	for _, user := range []string{"ann", "a/b", "%", "\xff*", "\u0085"} {
		f.Add(user)
	}
	f.Fuzz(func(t *testing.T, user string) {
		channel, err := access.UserChannel(user)
		if err != nil {
			return
		}
		if !strings.HasPrefix(channel, "@") || len(channel) > 255 || !utf8.ValidString(channel) ||
			strings.ContainsAny(channel, "/*") || strings.ContainsFunc(channel, unicode.IsControl) {
			t.Errorf("%q has the channel %q", user, channel)
		}
		if again, err := url.PathUnescape(channel[1:]); again != user || err != nil {
			t.Errorf("%q has the channel %q, which is that of %q: %v", user, channel, again, err)
		}
	})
}
