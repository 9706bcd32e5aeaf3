package access

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PatternBytesMax is the length of the longest pattern, that of a channel's name.
const PatternBytesMax = 255

// Pattern is a set of channels, written like a name:
//
//	scores/final   one channel
//	scores/*       * is any one segment
//	scores/**      ** at the end is any one or more segments
//	**             every channel
//	inbox/{user}   {user} is the name of the requesting user
//
// A wildcard in the first segment stands for none that begins with "@": those are
// the channels of users, and a pattern for them is written with its "@". "@{user}" is
// the channel of the requesting user, see UserChannel. A wildcard stands for no segment
// that closes a channel either, and neither does the name of a user: see IsClosed.
//
// The zero Pattern matches nothing.
type Pattern struct {
	text    string
	rest    bool // it ends in **, which text is without
	hasUser bool // {user} stands in it
}

// UserMark stands in a pattern for the requesting user.
const UserMark = "{user}"

// PatternError says why a string is no Pattern.
type PatternError struct {
	Text    string
	Problem string // the fault, and how to mend it
}

// Error quotes the text, or its beginning when it is long.
func (e *PatternError) Error() string {
	return "access: pattern " + quoted(e.Text) + ": " + e.Problem
}

// ParsePattern returns the pattern that text is, or a *PatternError.
func ParsePattern(text string) (Pattern, error) {
	if problem := patternProblem(text); problem != "" {
		return Pattern{}, &PatternError{text, problem}
	}
	p := Pattern{text: strings.Clone(text), hasUser: strings.Contains(text, UserMark)}
	if rest, ok := strings.CutSuffix(p.text, "**"); ok {
		p.text, p.rest = rest, true
	}
	return p, nil
}

func patternProblem(text string) string {
	switch {
	case text == "":
		return "it is empty; write the name of a channel, or ** for all channels"
	case len(text) > PatternBytesMax:
		return fmt.Sprintf("it is %d bytes long; at most %d are allowed", len(text), PatternBytesMax)
	case !utf8.ValidString(text):
		return "it is not valid UTF-8"
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return fmt.Sprintf("it contains the control character %U; only printable characters are allowed", r)
		}
	}
	segments := strings.Split(text, "/")
	for i, segment := range segments {
		isLast := i == len(segments)-1
		switch {
		case segment == "":
			return "it has an empty segment; segments are joined by single slashes, with none at either end"
		case segment == ".", segment == "..":
			return fmt.Sprintf("no channel has the segment %q", segment)
		case segment == "*", segment == "**" && isLast:
		case segment == "**":
			return "** stands for the rest of a name, so it can only be the last segment; * is one segment"
		case strings.Contains(segment, "*"):
			return fmt.Sprintf("* stands for a whole segment, and %q is more than that; write *", segment)
		}
		braces := strings.ReplaceAll(segment, UserMark, "")
		if strings.ContainsAny(braces, "{}") {
			return fmt.Sprintf("there is nothing like %q; {user} is the only thing that stands in braces", segment)
		}
	}
	return ""
}

// String is the text of the pattern.
func (p Pattern) String() string {
	if p.rest {
		return p.text + "**"
	}
	return p.text
}

// IsZero reports whether p is no pattern.
func (p Pattern) IsZero() bool { return p.text == "" && !p.rest }

// HasUser reports whether {user} stands in p: it then matches nothing for a client
// without a name.
func (p Pattern) HasUser() bool { return p.hasUser }

// Matches reports whether p matches channel, the name of one, when user asks. user is
// empty for a client without a name.
func (p Pattern) Matches(channel, user string) bool { return p.matches(channel, user, 0) }

// reach is what the wildcards of a pattern stand for besides ordinary segments.
type reach uint8

const (
	reachesUsers  reach = 1 << iota // first segments that begin with "@"
	reachesClosed                   // segments that close a channel
)

// matches is Matches for wildcards that stand for more.
func (p Pattern) matches(channel, user string, r reach) bool {
	if p.hasUser && user == "" || channel == "" || p.IsZero() {
		return false
	}
	pattern := p.text
	for isFirst := true; ; isFirst = false {
		if pattern == "" { // the rest is matched by **, or there is nothing left to match it
			return p.rest && (!isFirst || r&reachesUsers != 0 || channel[0] != '@') && (r&reachesClosed != 0 || !IsClosed(channel))
		}
		want, more, hasMore := strings.Cut(pattern, "/")
		have, rest, hasRest := strings.Cut(channel, "/")
		switch {
		case want == "*":
			if have == "" || isFirst && r&reachesUsers == 0 && have[0] == '@' || r&reachesClosed == 0 && Closes(have) {
				return false
			}
		case p.hasUser && strings.Contains(want, UserMark):
			if Closes(have) && !Closes(want) {
				return false // or a user called "private-x" would have that channel
			}
			name := user
			if isFirst && have[:min(1, len(have))] == "@" {
				// The channel of a user: only a pattern with its "@" means it, or a user
				// called "@bob" would have that of bob. The name stands there as in
				// UserChannel.
				if want[0] != '@' {
					return false
				}
				name = escapeUser(user)
			}
			if !matchesUser(want, have, name) {
				return false
			}
		case want != have:
			return false
		}
		if !hasMore || !hasRest {
			return hasMore == hasRest
		}
		pattern, channel = more, rest
	}
}

// matchesUser reports whether have is want with the user's name in the place of
// {user}. A name with a slash is no segment and matches none.
func matchesUser(want, have, user string) bool {
	for {
		before, after, found := strings.Cut(want, UserMark)
		rest, ok := strings.CutPrefix(have, before)
		if !found {
			return have == want
		}
		if !ok {
			return false
		}
		if have, ok = strings.CutPrefix(rest, user); !ok {
			return false
		}
		want = after
	}
}

// MarshalText is String.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePattern.
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePattern(string(text))
	return err
}

// quoted makes text from a peer fit for an error message.
func quoted(s string) string {
	const bytesMax = 64
	if len(s) <= bytesMax {
		return fmt.Sprintf("%q", s)
	}
	cut := bytesMax
	for cut > bytesMax-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}
