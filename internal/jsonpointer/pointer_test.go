package jsonpointer

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// RFC 6901 §5, and what the RFC forbids.
const example = `{
  "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8,
  "deep": {"list": [[1, 2], {"x": [true, null]}], "foo": "other"}, "esc\u0061ped": "yes", "01": "zero one"
}`

func TestFind(t *testing.T) {
	for pointer, want := range map[string]string{
		"/foo": `["bar", "baz"]`, "/foo/0": `"bar"`, "/foo/1": `"baz"`, "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3",
		"/g|h": "4", `/i\j`: "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8", "/deep/list/0/1": "2", "/deep/list/1/x/0": "true",
		"/deep/list/1/x/1": "null", "/deep/foo": `"other"`, "/escaped": `"yes"`, "/01": `"zero one"`,
		"/foo/2": "", "/foo/-": "", "/foo/00": "", "/foo/bar": "", "/none": "", "/foo/0/0": "", "/a~1b/x": "", "/deep/list/0/2": "",
		"/foo/99999999999999999999": "",
	} {
		p, err := Parse(pointer)
		if err != nil {
			t.Errorf("%s: %v", pointer, err)
			continue
		}
		if p.String() != pointer {
			t.Errorf("%s is written as %s", pointer, p)
		}
		if got, ok := p.Find([]byte(example)); string(got) != want || ok != (want != "") {
			t.Errorf("%s: found %q, %v, want %q", pointer, got, ok, want)
		}
	}
	if got, ok := (Pointer{}).Find([]byte(" [1] ")); string(got) != "[1]" || !ok {
		t.Errorf("the empty pointer found %q", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, pointer := range []string{"foo", "#/foo", "/~", "/a~2b", "/x/~"} {
		if _, err := Parse(pointer); err == nil {
			t.Errorf("%q was accepted", pointer)
		}
	}
}

// A lookup finds what decoding everything finds, and no text makes it panic.
func FuzzParse(f *testing.F) {
	for _, pointer := range []string{"", "/", "/foo/0", "/a~1b", "/m~0n", "/deep/list/1/x/1", "/~2", "/escaped"} {
		f.Add(pointer, []byte(example))
		f.Add(pointer, []byte(example[:40]))
	}
	f.Add("/0/a", []byte(`[{"a":"\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, pointer string, text []byte) {
		p, err := Parse(pointer)
		if err != nil {
			return
		}
		if p.String() != pointer {
			t.Fatalf("%q is written as %q", pointer, p)
		}
		got, ok := p.Find(text)
		var whole any
		if json.Unmarshal(text, &whole) != nil || hasDuplicates(text) {
			return
		}
		want, exists := walk(whole, p.tokens)
		if ok != exists {
			t.Fatalf("%q in %q: found %v, want %v", pointer, text, ok, exists)
		}
		if !ok {
			return
		}
		var value any
		if err := json.Unmarshal(got, &value); err != nil || !reflect.DeepEqual(value, want) {
			t.Fatalf("%q in %q: found %q, want %v", pointer, text, got, want)
		}
	})
}

// walk is Find by decoding.
func walk(value any, tokens []token) (any, bool) {
	for _, t := range tokens {
		switch v := value.(type) {
		case map[string]any:
			member, ok := v[t.name]
			if !ok {
				return nil, false
			}
			value = member
		case []any:
			if t.index < 0 || t.index >= len(v) {
				return nil, false
			}
			value = v[t.index]
		default:
			return nil, false
		}
	}
	return value, true
}

// hasDuplicates reports whether an object has a name twice, or one that decoding changes.
func hasDuplicates(text []byte) bool {
	type object struct {
		names  map[string]bool
		isName bool
	}
	if strings.ContainsRune(string(text), '\uFFFD') || strings.Contains(strings.ToLower(string(text)), `\ud`) || strings.ToValidUTF8(string(text), "") != string(text) {
		return true
	}
	var stack []*object
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	for {
		tok, err := d.Token()
		if err != nil {
			return false
		}
		top := (*object)(nil)
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		if name, ok := tok.(string); ok && top != nil && top.names != nil && top.isName {
			if top.names[name] {
				return true
			}
			top.names[name], top.isName = true, false
			continue
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, &object{names: map[string]bool{}, isName: true})
			continue
		case json.Delim('['):
			stack = append(stack, &object{})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			if len(stack) == 0 {
				continue
			}
			top = stack[len(stack)-1]
		}
		if top != nil {
			top.isName = true
		}
	}
}
