package hops

import (
	"errors"
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Hop is an element of a Forwarded field (RFC 7239 §4): what one proxy says of the
// request that it got. What it does not say is empty.
type Hop struct{ For, By, Proto, Host string }

var errForwarded = errors.New("malformed Forwarded")

// ParseForwarded reads the values of Forwarded fields, in the order in which they were
// sent, as one list.
func ParseForwarded(values []string) ([]Hop, error) {
	var hops []Hop
	for _, value := range values {
		rest := value
		for {
			rest = strings.TrimLeft(rest, " \t,")
			if rest == "" {
				break
			}
			hop, left, err := parseHop(rest)
			if err != nil {
				return nil, err
			}
			hops = append(hops, hop)
			rest = left
		}
	}
	return hops, nil
}

// parseHop reads the element at the front of s, up to a comma or the end.
func parseHop(s string) (h Hop, rest string, err error) {
	seen := make(map[string]bool, 4)
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == ',' {
			return h, s, nil
		}
		if s[0] == ';' { // §4 allows empty pairs
			s = s[1:]
			continue
		}
		i := strings.IndexByte(s, '=')
		if i < 0 || !httpsyntax.IsToken(s[:i]) {
			return h, "", fmt.Errorf("%w: a parameter has no name with a value", errForwarded)
		}
		name := strings.ToLower(s[:i])
		if seen[name] { // §4: each must not occur more than once in an element
			return h, "", fmt.Errorf("%w: a parameter occurs twice", errForwarded)
		}
		seen[name] = true
		var value string
		if value, s, err = parseValue(s[i+1:]); err != nil {
			return h, "", err
		}
		switch name {
		case "for":
			h.For = value
		case "by":
			h.By = value
		case "proto":
			h.Proto = value
		case "host":
			h.Host = value
		}
		s = strings.TrimLeft(s, " \t")
		if s != "" && s[0] != ';' && s[0] != ',' {
			return h, "", fmt.Errorf("%w: something follows a value", errForwarded)
		}
	}
}

// parseValue reads a token or a quoted string (RFC 9110 §5.6).
func parseValue(s string) (value, rest string, err error) {
	if s == "" || s[0] != '"' {
		n := strings.IndexAny(s, ";, \t")
		if n < 0 {
			n = len(s)
		}
		// An address without quotes has colons and brackets, which no token has; it is
		// sent all the same, and cannot be taken for anything else.
		for _, b := range []byte(s[:n]) {
			if !httpsyntax.IsToken(string(rune(b))) && b != ':' && b != '[' && b != ']' {
				return "", "", fmt.Errorf("%w: a value has a character that needs quotes", errForwarded)
			}
		}
		return s[:n], s[n:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				return "", "", fmt.Errorf("%w: a quoted value does not end", errForwarded)
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", fmt.Errorf("%w: a quoted value does not end", errForwarded)
}
