package frame

import (
	"bytes"
	"encoding/json"
)

// member is one of an object. Its parts are those of the text.
type member struct {
	name       string
	raw, value []byte // raw is all of it, from the quote of its name on
}

// scanner goes through JSON that is known to be valid.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// next returns the next member of the object in which s is, and false at its end. s
// begins behind the brace.
func (s *scanner) next() (m member, ok bool) {
	s.space()
	if s.b[s.i] == ',' {
		s.i++
		s.space()
	}
	if s.b[s.i] == '}' {
		return member{}, false
	}
	begin := s.i
	s.text()
	m.name = unquote(s.b[begin:s.i])
	s.space()
	s.i++ // the colon
	s.space()
	value := s.i
	s.value()
	m.raw, m.value = s.b[begin:s.i], s.b[value:s.i]
	return m, true
}

// value goes behind the value that begins here.
func (s *scanner) value() {
	switch s.b[s.i] {
	case '"':
		s.text()
	case '{', '[':
		for depth := 0; ; {
			switch s.b[s.i] {
			case '"':
				s.text()
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			s.i++
			if depth == 0 {
				return
			}
		}
	default: // a number, true, false, null
		for s.i < len(s.b) && bytes.IndexByte([]byte(",}] \t\r\n"), s.b[s.i]) < 0 {
			s.i++
		}
	}
}

// text goes behind the string that begins here.
func (s *scanner) text() {
	for s.i++; s.b[s.i] != '"'; s.i++ {
		if s.b[s.i] == '\\' {
			s.i++
		}
	}
	s.i++
}

// unquote is the value of a JSON string.
func unquote(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1])
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		panic("frame: a valid string is not one: " + err.Error())
	}
	return s
}
