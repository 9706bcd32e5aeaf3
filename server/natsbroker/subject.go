package natsbroker

import (
	"errors"
	"strings"
)

// A channel is a subject with a token for each segment: "/" becomes ".", and what a
// token cannot have is escaped as in URLs. So patterns are wildcards, and a subject is
// never longer than three times its channel and the prefix.
//
//	chat/a b.c    gw.in.chat.a%20b%2Ec
//
// The token "%" alone is none of a channel: it is that of the beacon, see check.go.

const hexDigits = "0123456789ABCDEF"

// needsEscape reports whether a byte cannot stand in a token.
func needsEscape(c byte) bool {
	return c <= ' ' || c == 0x7f || c == '.' || c == '*' || c == '>' || c == '%'
}

// AppendSubject appends the tokens of a channel.
func AppendSubject(dst []byte, channel string) []byte {
	for i := range len(channel) {
		switch c := channel[i]; {
		case c == '/':
			dst = append(dst, '.')
		case needsEscape(c):
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// errSubject is the error of a subject that no channel has.
var errSubject = errors.New("natsbroker: this is the subject of no channel")

// ParseSubject is the inverse of AppendSubject. Every channel has exactly one subject.
func ParseSubject(subject string) (channel string, err error) {
	if strings.IndexByte(subject, '%') < 0 && strings.IndexByte(subject, '/') < 0 {
		for i := range len(subject) {
			if c := subject[i]; c != '.' && needsEscape(c) {
				return "", errSubject
			}
		}
		return strings.ReplaceAll(subject, ".", "/"), nil
	}
	b := make([]byte, 0, len(subject))
	for i := 0; i < len(subject); i++ {
		switch c := subject[i]; {
		case c == '.':
			b = append(b, '/')
		case c == '%':
			if i+2 >= len(subject) {
				return "", errSubject
			}
			high, low := strings.IndexByte(hexDigits, subject[i+1]), strings.IndexByte(hexDigits, subject[i+2])
			if high < 0 || low < 0 || !needsEscape(byte(high<<4|low)) {
				return "", errSubject
			}
			b = append(b, byte(high<<4|low))
			i += 2
		case c == '/' || needsEscape(c):
			return "", errSubject
		default:
			b = append(b, c)
		}
	}
	return string(b), nil
}

// appendPatternSubject appends the tokens of a valid pattern: "*" is the same in both, and
// "**" at the end is ">". A wildcard of NATS stands for more than one of ours, so
// what comes is looked at again.
func appendPatternSubject(dst []byte, pattern string) []byte {
	for segment := range strings.SplitSeq(pattern, "/") {
		if len(dst) > 0 && dst[len(dst)-1] != '.' {
			dst = append(dst, '.')
		}
		switch segment {
		case "*":
			dst = append(dst, '*')
		case "**":
			dst = append(dst, '>')
		default:
			dst = AppendSubject(dst, segment)
		}
	}
	return dst
}
