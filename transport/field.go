package transport

import (
	"iter"
	"strings"
)

// Elements, parameters and quoted strings of header fields (RFC 9110 §5.6).

// splitList yields the elements of a comma-separated list, trimmed, without the
// empty ones, which a recipient ignores (RFC 9110 §5.6.1.2).
func splitList(value string) iter.Seq[string] { return split(value, ',') }

// cutParameters divides an element into the part in front of its first semicolon
// and the parameters behind.
func cutParameters(element string) (string, iter.Seq[string]) {
	i := indexUnquoted(element, ';')
	if i < 0 {
		return element, func(func(string) bool) {}
	}
	return trim(element[:i]), split(element[i+1:], ';')
}

// cutParameter divides "key=value" and takes the quotes off the value. found is
// false when there is no "=".
func cutParameter(param string) (key, value string, found bool) {
	key, value, found = strings.Cut(param, "=")
	return trim(key), unquote(trim(value)), found
}

// split yields the trimmed parts of s between separators that are not inside a
// quoted string, without the empty ones.
func split(s string, separator byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s != "" {
			part := s
			if i := indexUnquoted(s, separator); i >= 0 {
				part, s = s[:i], s[i+1:]
			} else {
				s = ""
			}
			if part = trim(part); part != "" && !yield(part) {
				return
			}
		}
	}
}

// indexUnquoted is the index of the first c in s that is not inside a quoted
// string, or -1. A quoted string that does not end reaches to the end of s.
func indexUnquoted(s string, c byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == c && !quoted:
			return i
		}
	}
	return -1
}

// unquote returns the value of a quoted string, and anything else as it is.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// trim removes optional white space (RFC 9110 §5.6.3).
func trim(s string) string { return strings.Trim(s, " \t") }

// hasToken reports whether a list field has the token, in any case.
func hasToken(values []string, token string) bool {
	for _, value := range values {
		for element := range splitList(value) {
			if strings.EqualFold(element, token) {
				return true
			}
		}
	}
	return false
}
