package handshake

import (
	"errors"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// ErrTooMany is in the chain of a parse error that says a limit was passed, as
// opposed to the grammar broken.
var ErrTooMany = errors.New("handshake: too many elements")

// SyntaxError says where a field value departs from its grammar.
type SyntaxError struct {
	Value  string // the field value, as received
	Offset int    // of the first byte that does not fit
	Reason string // what was wrong and what would be right

	limit bool
}

func (e *SyntaxError) Error() string { return "handshake: " + e.text() }

// Unwrap returns ErrTooMany when a limit was passed, else nil.
func (e *SyntaxError) Unwrap() error {
	if e.limit {
		return ErrTooMany
	}
	return nil
}

// text is the message without the package's prefix.
func (e *SyntaxError) text() string {
	if e.Offset >= len(e.Value) {
		return e.Reason + ", at its end"
	}
	return e.Reason + ", at byte " + strconv.Itoa(e.Offset) + ": " + quote(e.Value[e.Offset:])
}

// ParseTokens reads the values of a field whose grammar is #token, such as
// Sec-WebSocket-Protocol or Connection; several values count as one list. The
// tokens keep their order, their case and their repetitions, and share memory
// with values. Empty elements are skipped, as RFC 9110 §5.6.1.2 asks of
// recipients, so values of nothing but commas give no tokens and no error.
//
// The error is a *SyntaxError; it wraps ErrTooMany past TokensMax.
func ParseTokens(values []string) ([]string, error) {
	var tokens []string
	for _, v := range values {
		s := scanner{s: v}
		for s.nextElement() {
			t := s.token()
			if t == "" {
				return nil, s.fail("a token is expected (letters, digits and !#$%&'*+-.^_`|~)")
			}
			if !s.endElement() {
				return nil, s.fail("a comma is expected after a token")
			}
			if len(tokens) == TokensMax {
				return nil, s.failLimit("at most " + strconv.Itoa(TokensMax) + " elements are read")
			}
			if tokens == nil {
				tokens = make([]string, 0, min(1+strings.Count(v, ","), TokensMax))
			}
			tokens = append(tokens, t)
		}
	}
	return tokens, nil
}

// containsToken reports whether a list field names token, in any case. Malformed
// elements around it do not matter: an intermediary may have added to the list.
func containsToken(values []string, token string) bool {
	for _, v := range values {
		for element := range strings.SplitSeq(v, ",") {
			if httpsyntax.EqualFold(strings.Trim(element, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// scanner walks over one field value. Every method moves forward only, which is
// what makes all parsing here linear in the length of the input.
type scanner struct {
	s string
	i int
}

func (s *scanner) fail(reason string) *SyntaxError {
	return &SyntaxError{Value: s.s, Offset: s.i, Reason: reason}
}

func (s *scanner) failLimit(reason string) *SyntaxError {
	return &SyntaxError{Value: s.s, Offset: s.i, Reason: reason, limit: true}
}

// space skips optional whitespace.
func (s *scanner) space() {
	for s.i < len(s.s) && (s.s[s.i] == ' ' || s.s[s.i] == '\t') {
		s.i++
	}
}

// eat skips c and reports whether it was there.
func (s *scanner) eat(c byte) bool {
	if s.i < len(s.s) && s.s[s.i] == c {
		s.i++
		return true
	}
	return false
}

// nextElement moves to the next element of a comma-separated list that is not
// empty, and reports whether there is one.
func (s *scanner) nextElement() bool {
	for {
		s.space()
		if !s.eat(',') {
			return s.i < len(s.s)
		}
	}
}

// endElement reports whether an element ends here: at a comma, which stays for
// nextElement, or at the end of the value.
func (s *scanner) endElement() bool {
	s.space()
	return s.i == len(s.s) || s.s[s.i] == ','
}

// token returns the token that begins here, or "".
func (s *scanner) token() string {
	start := s.i
	for s.i < len(s.s) && httpsyntax.IsTokenByte(s.s[s.i]) {
		s.i++
	}
	return s.s[start:s.i]
}

// quotedToken returns the content of the quoted-string that begins here, whose
// opening quote was eaten. RFC 6455 §9.1: after unescaping it must be a token.
func (s *scanner) quotedToken() (string, *SyntaxError) {
	start := s.i
	var unescaped []byte // stays nil while nothing is escaped
	escaped := false
	for ; s.i < len(s.s); s.i++ {
		c := s.s[s.i]
		switch {
		case c == '"':
			v := s.s[start:s.i]
			if escaped {
				v = string(unescaped)
			}
			if v == "" {
				return "", s.fail("a quoted value must not be empty")
			}
			s.i++
			return v, nil
		case c == '\\':
			if !escaped {
				escaped = true
				unescaped = append(unescaped, s.s[start:s.i]...)
			}
			s.i++
			if s.i == len(s.s) || !httpsyntax.IsTokenByte(s.s[s.i]) {
				return "", s.fail("a quoted value must be a token once unescaped")
			}
			unescaped = append(unescaped, s.s[s.i])
		case !httpsyntax.IsTokenByte(c):
			return "", s.fail("a quoted value must be a token once unescaped")
		case escaped:
			unescaped = append(unescaped, c)
		}
	}
	return "", s.fail("a quoted value lacks its closing quote")
}

// quote prepares text of a peer for an error: quoted, ASCII, and short.
func quote(v string) string {
	if len(v) > quotedBytesMax {
		return strconv.QuoteToASCII(v[:quotedBytesMax]) + "..."
	}
	return strconv.QuoteToASCII(v)
}
