package access

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// UserChannel is the channel of a user: "@" and the name. What no segment of a
// channel can hold (a slash, "*", control characters, bytes that are not UTF-8) and
// "%" itself are percent-encoded, so no two users share a channel. The error says
// that user is empty, or too long to be part of a channel's name.
func UserChannel(user string) (string, error) {
	if user == "" {
		return "", errors.New("access: somebody without a name has no channel; name the user")
	}
	channel := "@" + escapeUser(user)
	if len(channel) > PatternBytesMax {
		return "", fmt.Errorf("access: the channel of user %s would be %d bytes long; at most %d are allowed", quoted(user), len(channel), PatternBytesMax)
	}
	return channel, nil
}

// isOwn reports whether channel is the channel of user, which the user may read without a grant.
func isOwn(a Action, channel, user string) bool {
	if user == "" || channel == "" || channel[0] != '@' || a != Subscribe && a != History {
		return false
	}
	return channel[1:] == escapeUser(user)
}

// escapeUser does not allocate for a name in which nothing is to be escaped.
func escapeUser(user string) string {
	if utf8.ValidString(user) && !strings.ContainsFunc(user, isEscaped) {
		return user // as nearly always
	}
	var b strings.Builder
	for i := 0; i < len(user); {
		r, size := utf8.DecodeRuneInString(user[i:])
		if r == utf8.RuneError && size == 1 || isEscaped(r) {
			for _, c := range []byte(user[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(user[i : i+size])
		}
		i += size
	}
	return b.String()
}

func isEscaped(r rune) bool { return r == '/' || r == '*' || r == '%' || unicode.IsControl(r) }
