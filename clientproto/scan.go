package clientproto

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// scanner goes through JSON that is known to be valid.
type scanner struct {
	b []byte
	i int
}

// peek is the byte with which the next value begins.
func (s *scanner) peek() byte {
	s.space()
	return s.b[s.i]
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// object calls field with each member of the object that comes next, until it says
// what is wrong. value has no white space around it.
func (s *scanner) object(field func(name string, value []byte) string) string {
	s.space()
	for s.i++; ; s.i++ { // behind the brace, or the comma
		if s.peek() == '}' {
			s.i++
			return ""
		}
		name := unquote(s.value())
		s.space()
		s.i++ // the colon
		if problem := field(name, s.value()); problem != "" {
			return problem
		}
		if s.peek() == '}' {
			s.i++
			return ""
		}
	}
}

// value returns the value that comes next.
func (s *scanner) value() []byte {
	s.space()
	begin, depth := s.i, 0
	for {
		switch c := s.b[s.i]; c {
		case '"':
			s.str()
		case '{', '[':
			depth++
			s.i++
		case '}', ']':
			if depth == 0 {
				return s.b[begin:s.i]
			}
			depth--
			s.i++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.b[begin:s.i]
			}
			s.i++
		default:
			s.i++
		}
		if depth == 0 && (s.i == len(s.b) || s.b[s.i-1] == '"' || s.b[s.i-1] == '}' || s.b[s.i-1] == ']') {
			return s.b[begin:s.i]
		}
	}
}

// str goes behind the string that begins here.
func (s *scanner) str() {
	for s.i++; ; s.i++ {
		switch s.b[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			return
		}
	}
}

// unquote is the value of a JSON string.
func unquote(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1])
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		panic("clientproto: a valid string is not one: " + err.Error())
	}
	return s
}

func kindOf(c byte) string {
	switch c {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

// shown is a value for an error message.
func shown(value []byte) string {
	if len(value) > 40 || value[0] == '{' || value[0] == '[' {
		return kindOf(value[0])
	}
	return string(value)
}

// quoted is text of the peer for an error message.
func quoted(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.QuoteToASCII(s)
}
