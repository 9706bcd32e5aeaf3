package jsonpointer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Pointer is a parsed JSON pointer. The zero Pointer is the whole text. It is not
// modified once parsed.
type Pointer struct{ tokens []token }

// token is one step: a member of an object, or an element of an array.
type token struct {
	name  string
	index int // -1 if name is not the index of an element
}

// Errors of Parse.
var (
	errStart  = errors.New(`it does not begin with "/"`)
	errEscape = errors.New(`a "~" in it is neither "~0", which stands for "~", nor "~1", which stands for "/"`)
)

// Parse parses a pointer as it stands in a string, not in the fragment of a URL. The
// error completes a sentence that begins with the pointer.
func Parse(s string) (Pointer, error) {
	if s == "" {
		return Pointer{}, nil
	}
	if s[0] != '/' {
		return Pointer{}, errStart
	}
	var p Pointer
	for name := range strings.SplitSeq(s[1:], "/") {
		unescaped, err := unescape(name)
		if err != nil {
			return Pointer{}, err
		}
		p.tokens = append(p.tokens, token{unescaped, index(unescaped)})
	}
	return p, nil
}

// unescape is RFC 6901 §4: "~1" first, so that "~01" is "~1".
func unescape(name string) (string, error) {
	for i := 0; i < len(name); i++ {
		if name[i] == '~' && (i+1 == len(name) || name[i+1] != '0' && name[i+1] != '1') {
			return "", errEscape
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~"), nil
}

// index is that of an element, without leading zeros, or -1.
func index(name string) int {
	if name == "" || name[0] == '0' && len(name) > 1 {
		return -1
	}
	for _, c := range []byte(name) {
		if c < '0' || c > '9' {
			return -1
		}
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		return -1
	}
	return n
}

// String is the pointer as Parse takes it.
func (p Pointer) String() string {
	var b strings.Builder
	for _, t := range p.tokens {
		fmt.Fprintf(&b, "/%s", strings.ReplaceAll(strings.ReplaceAll(t.name, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// Find returns the value that p points to in text, which is one valid JSON value, and
// whether there is any. The result is a part of text. Of members of the same name the
// first counts. In a text that is not valid it may find anything or nothing.
func (p Pointer) Find(text []byte) (value []byte, ok bool) {
	s := scanner{text: text}
	s.skipSpace()
	for _, t := range p.tokens {
		switch {
		case s.peek() == '{' && s.enterMember(t.name):
		case s.peek() == '[' && t.index >= 0 && s.enterElement(t.index):
		default:
			return nil, false
		}
	}
	begin := s.at
	if !s.skipValue() {
		return nil, false
	}
	return text[begin:s.at], true
}

// scanner walks over a text that is taken to be valid, and never reads beyond its end.
type scanner struct {
	text []byte
	at   int
}

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) skipSpace() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// skipByte skips c and the white space behind it, if c is next.
func (s *scanner) skipByte(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	s.skipSpace()
	return true
}

// enterMember goes to the value of a member of the object that is next.
func (s *scanner) enterMember(name string) bool {
	s.skipByte('{')
	for s.peek() == '"' {
		begin := s.at
		if !s.skipString() {
			return false
		}
		quoted := s.text[begin:s.at]
		s.skipSpace()
		if !s.skipByte(':') {
			return false
		}
		if isNamed(quoted, name) {
			return true
		}
		if !s.skipValue() {
			return false
		}
		s.skipSpace()
		if !s.skipByte(',') {
			return false
		}
	}
	return false
}

// isNamed reports whether a string of JSON is name.
func isNamed(quoted []byte, name string) bool {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' {
			var unquoted string
			return json.Unmarshal(quoted, &unquoted) == nil && unquoted == name
		}
	}
	return string(inner) == name
}

// enterElement goes to an element of the array that is next.
func (s *scanner) enterElement(index int) bool {
	s.skipByte('[')
	for range index {
		if s.peek() == ']' || !s.skipValue() {
			return false
		}
		s.skipSpace()
		if !s.skipByte(',') {
			return false
		}
	}
	return s.peek() != ']'
}

// skipString skips the string that is next.
func (s *scanner) skipString() bool {
	for i := s.at + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			s.at = i + 1
			return true
		}
	}
	return false
}

// skipValue skips the value that is next: a text of any depth in one pass.
func (s *scanner) skipValue() bool {
	depth := 0
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '"':
			if !s.skipString() {
				return false
			}
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			if depth == 0 {
				return false
			}
			depth--
			s.at++
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return false
			}
			s.at++
			continue
		default:
			s.skipWord()
		}
		if depth == 0 {
			return true
		}
	}
	return false
}

// skipWord skips a number, true, false or null.
func (s *scanner) skipWord() {
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case ',', ':', ' ', '\t', '\r', '\n', '{', '}', '[', ']', '"':
			return
		}
	}
}
