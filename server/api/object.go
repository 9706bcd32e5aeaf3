package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/godwit-io/godwit/transport"
)

// encoding/json takes the names of members in any case, names that it does not know,
// and the last of several. What back ends send is read more strictly: what is not
// understood is not done.

// checkJSON returns what is wrong with b, if it is not one JSON value in UTF-8. what
// is what b is, such as "the body".
func checkJSON(b []byte, what string) *fault {
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return &fault{problem: transport.ProblemNotJSON, detail: what + " is empty; send a JSON object"}
	case !utf8.Valid(b): // RFC 8259 §8.1, which json.Valid does not ask of the inside of strings
		return &fault{problem: transport.ProblemNotJSON, detail: what + " is not valid UTF-8"}
	case json.Valid(b):
		return nil
	}
	var value json.RawMessage
	err := json.Unmarshal(b, &value)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &fault{problem: transport.ProblemNotJSON, detail: fmt.Sprintf("%s is not JSON: %v, at byte %d", what, syntax, syntax.Offset)}
	}
	return &fault{problem: transport.ProblemNotJSON, detail: what + " is not JSON"}
}

// object is a JSON object of which all members are known.
type object struct {
	what   string // "the body", "publications[3]"
	known  []string
	values []string // by known, as JSON; "" for a missing one
	at     []int    // where they begin
}

// readObject reads an object out of text, which is one valid JSON value that begins
// at the byte at of the body. The values refer to text.
func readObject(text string, at int, what string, known ...string) (*object, *fault) {
	i := spaceEnd(text, 0)
	if text[i] != '{' {
		return nil, &fault{problem: transport.ProblemField, detail: what + " is " + kindOfJSON(text[i:]) + "; send an object: " + listed("field", known)}
	}
	o := &object{what: what, known: known, values: make([]string, len(known)), at: make([]int, len(known))}
	for i++; ; {
		if i = spaceEnd(text, i); text[i] == '}' {
			return o, nil
		}
		if text[i] == ',' {
			i = spaceEnd(text, i+1)
		}
		end := stringEnd(text, i)
		name, nameAt := text[i+1:end-1], at+i
		if strings.Contains(name, `\`) {
			_ = json.Unmarshal([]byte(text[i:end]), &name) // it is a string
		}
		i = spaceEnd(text, spaceEnd(text, end)+1) // behind the colon
		end = valueEnd(text, i)
		n := slices.Index(known, name)
		switch {
		case n < 0:
			return nil, &fault{problem: transport.ProblemField,
				detail: fmt.Sprintf("%s has the field %s, at byte %d, which there is not; %s", what, quote(name), nameAt, listed("field", known))}
		case o.values[n] != "":
			return nil, &fault{problem: transport.ProblemField, detail: fmt.Sprintf("%s has the field %s twice, again at byte %d; give it once", what, name, nameAt)}
		}
		o.values[n], o.at[n] = text[i:end], at+i
		i = end
	}
}

// raw is a field as JSON, "" if it is not there.
func (o *object) raw(name string) string { return o.values[slices.Index(o.known, name)] }

// wrong is the fault of a field. says is what it is to be.
func (o *object) wrong(name, says string) *fault {
	n := slices.Index(o.known, name)
	if o.values[n] == "" {
		return &fault{problem: transport.ProblemField, detail: o.what + " has no field " + name + ", which is " + says}
	}
	return &fault{problem: transport.ProblemField,
		detail: fmt.Sprintf("the field %s of %s, at byte %d, is %s; it is %s", name, o.what, o.at[n], kindOfJSON(o.values[n]), says)}
}

// text returns a field that is a string, "" if it is not there. A field that is there is not
// empty: a caller that has no value leaves it out.
func (o *object) text(name, says string) (string, *fault) {
	raw := o.raw(name)
	if raw == "" {
		return "", nil
	}
	s, ok := unquote(raw)
	if !ok || s == "" {
		return "", o.wrong(name, says)
	}
	return s, nil
}

// required is text of a field that has to be there.
func (o *object) required(name, says string) (string, *fault) {
	if o.raw(name) == "" {
		return "", o.wrong(name, says)
	}
	return o.text(name, says)
}

// unquote is the string that raw, a JSON value, is. It returns false for another
// value and for a string that says half of a surrogate pair, which is no text.
func unquote(raw string) (s string, ok bool) {
	if raw[0] != '"' {
		return "", false
	}
	if !strings.Contains(raw, `\`) {
		return strings.Clone(raw[1 : len(raw)-1]), true
	}
	if json.Unmarshal([]byte(raw), &s) != nil {
		return "", false
	}
	const replacement = "\ufffd" // what encoding/json makes of half a pair
	half := strings.Contains(s, replacement) && !strings.Contains(raw, replacement) && !strings.Contains(strings.ToLower(raw), `\ufffd`)
	return s, !half
}

// kindOfJSON says what a JSON value is, for people.
func kindOfJSON(raw string) string {
	switch raw[0] {
	case '"':
		if s, ok := unquote(raw); ok && s == "" {
			return "an empty string"
		}
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

// What follows walks over valid JSON.

func spaceEnd(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// stringEnd is behind the string that begins at i.
func stringEnd(s string, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd is behind the value that begins at i.
func valueEnd(s string, i int) int {
	for depth := 0; ; {
		switch s[i] {
		case '"':
			i = stringEnd(s, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\r', '\n':
			i++
			continue // depth is not 0
		default: // a number or a word
			for i < len(s) && !strings.ContainsRune(",:]} \t\r\n", rune(s[i])) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

// element is a value in a list.
type element struct {
	raw string
	at  int
}

// elements are the values of a list, which raw is. It begins at the byte at of the body.
func elements(raw string, at, most int) (list []element, tooMany bool) {
	for i := 1; ; {
		if i = spaceEnd(raw, i); raw[i] == ']' {
			return list, false
		}
		if raw[i] == ',' {
			i = spaceEnd(raw, i+1)
		}
		if len(list) == most {
			return nil, true
		}
		end := valueEnd(raw, i)
		list = append(list, element{raw[i:end], at + i})
		i = end
	}
}
