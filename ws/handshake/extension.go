package handshake

import (
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Extension is one element of a Sec-WebSocket-Extensions field: offered by a
// client, or accepted by a server.
type Extension struct {
	Name   string  // a token, permessage-deflate for example
	Params []Param // in the order they came, repetitions included
}

// Param is one parameter of an extension. HasValue distinguishes a flag such as
// server_no_context_takeover from name=value; a value is never empty.
type Param struct {
	Name, Value string // Value is unquoted
	HasValue    bool   // false for a flag
}

// ParseExtensions reads the values of Sec-WebSocket-Extensions fields (RFC 6455
// §9.1); several values count as one list. Order is kept, and so is everything
// repeated: a client offers one extension several times to state alternatives,
// and whether a parameter may repeat is for the extension to say. Names keep
// their case. Empty elements are skipped. The strings share memory with values.
//
// The error is a *SyntaxError; it wraps ErrTooMany past ExtensionsMax or ParamsMax.
func ParseExtensions(values []string) ([]Extension, error) {
	var list []Extension
	var params []Param // one piece of memory for the parameters of all
	for _, v := range values {
		s := scanner{s: v}
		for s.nextElement() {
			if len(list) == ExtensionsMax {
				return nil, s.failLimit("at most " + strconv.Itoa(ExtensionsMax) + " extensions are read")
			}
			if list == nil {
				list = make([]Extension, 0, min(1+strings.Count(v, ","), ExtensionsMax))
			}
			if params == nil {
				if n := strings.Count(v, ";"); n > 0 {
					params = make([]Param, 0, min(n, ParamsMax))
				}
			}
			start := len(params)
			name, err := s.extension(&params)
			if err != nil {
				return nil, err
			}
			e := Extension{Name: name}
			if len(params) > start {
				e.Params = params[start:len(params):len(params)]
			}
			list = append(list, e)
		}
	}
	return list, nil
}

// AppendExtension appends e as it is written in a Sec-WebSocket-Extensions
// field: "name; flag; key=value". Separate several by ", ". When a name or a
// value is not a token it returns dst as it was and a *FieldError.
func AppendExtension(dst []byte, e Extension) ([]byte, error) {
	if !httpsyntax.IsToken(e.Name) {
		return dst, &FieldError{"Sec-WebSocket-Extensions", "an extension's name must be a token, not " + quote(e.Name)}
	}
	for _, p := range e.Params {
		if !httpsyntax.IsToken(p.Name) {
			return dst, &FieldError{"Sec-WebSocket-Extensions", "a parameter's name must be a token, not " + quote(p.Name)}
		}
		if p.HasValue && !httpsyntax.IsToken(p.Value) {
			return dst, &FieldError{"Sec-WebSocket-Extensions", "the value of " + quote(p.Name) + " must be a token, not " + quote(p.Value)}
		}
		if !p.HasValue && p.Value != "" {
			return dst, &FieldError{"Sec-WebSocket-Extensions", "parameter " + quote(p.Name) + " has a Value but HasValue is not set"}
		}
	}
	dst = append(dst, e.Name...)
	for _, p := range e.Params {
		dst = append(dst, "; "...)
		dst = append(dst, p.Name...)
		if p.HasValue {
			dst = append(dst, '=')
			dst = append(dst, p.Value...)
		}
	}
	return dst, nil
}

// extension reads one element. Its parameters are appended to params, or only
// checked when params is nil.
//
//	extension = token *( ";" token [ "=" ( token / quoted-string ) ] )
//
// Whitespace may stand around every part of it: RFC 6455 §4.3 takes the implied
// *LWS rule of RFC 2616 along with its grammar.
func (s *scanner) extension(params *[]Param) (name string, err error) {
	if name = s.token(); name == "" {
		return "", s.fail("the name of an extension is expected, a token")
	}
	for count := 0; !s.endElement(); count++ {
		if !s.eat(';') {
			return "", s.fail(`";" or "," is expected here`)
		}
		if count == ParamsMax {
			return "", s.failLimit("at most " + strconv.Itoa(ParamsMax) + " parameters are read")
		}
		s.space()
		p := Param{Name: s.token()}
		if p.Name == "" {
			return "", s.fail("the name of a parameter is expected, a token")
		}
		s.space()
		if s.eat('=') {
			s.space()
			p.HasValue = true
			if s.eat('"') {
				v, err := s.quotedToken()
				if err != nil {
					return "", err
				}
				p.Value = v
			} else if p.Value = s.token(); p.Value == "" {
				return "", s.fail("the value of a parameter is expected, a token or a quoted token")
			}
		}
		if params != nil {
			*params = append(*params, p)
		}
	}
	return name, nil
}

// checkExtensions validates the value of a Sec-WebSocket-Extensions field that
// this side is about to send, without allocating: it must follow the grammar
// and, when restrict is set, name nothing but what was offered.
func checkExtensions(value string, offered []Extension, restrict bool) *FieldError {
	s := scanner{s: value}
	named := false
	for s.nextElement() {
		name, err := s.extension(nil)
		if err != nil {
			return &FieldError{"Sec-WebSocket-Extensions", err.(*SyntaxError).text()}
		}
		if restrict && !hasExtension(offered, name) {
			return &FieldError{"Sec-WebSocket-Extensions", quote(name) + " was not offered by the client"}
		}
		named = true
	}
	if !named {
		return &FieldError{"Sec-WebSocket-Extensions", "it names no extension; leave it empty to send none"}
	}
	return nil
}

func hasExtension(list []Extension, name string) bool {
	return slices.ContainsFunc(list, func(e Extension) bool { return e.Name == name })
}
