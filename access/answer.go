package access

import "strings"

// coversMethods reports whether p matches every method that pattern matches, which is
// text as somebody has sent it. Who may answer math/* may not answer math/**.
func (p Pattern) coversMethods(pattern, user string) bool {
	if p.IsZero() || p.hasUser && user == "" {
		return false
	}
	mine := p.String()
	for isFirst := true; ; isFirst = false {
		want, more, hasMore := strings.Cut(mine, "/")
		have, rest, hasRest := strings.Cut(pattern, "/")
		isReserved := isFirst && strings.HasPrefix(have, "@")
		switch {
		case have == "":
			return false
		case want == "**":
			return !isReserved
		case have == "**", have == "*" && want != "*":
			return false
		case want == "*":
			if isReserved {
				return false
			}
		case p.hasUser && strings.Contains(want, UserMark):
			name := user
			if isReserved { // as in matches
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
		mine, pattern = more, rest
	}
}
