package server

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// configFileBytesMax bounds a configuration file.
const configFileBytesMax = 1 << 20

// file applies a YAML file, or a JSON one, which is YAML too.
//
// The syntax tree is walked instead of decoded into the struct: every error then
// names line, column and the keys that are valid at that place.
func (l *loader) file(name string, b []byte) error {
	if len(b) > configFileBytesMax {
		return fmt.Errorf("%s: longer than %d bytes, this is no configuration", name, configFileBytesMax)
	}
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		var ye yaml.Error
		if errors.As(err, &ye) && ye.GetToken() != nil {
			p := ye.GetToken().Position
			return &SettingError{Source: fmt.Sprintf("%s:%d:%d", name, p.Line, p.Column), Text: ye.GetMessage()}
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	w := fileWalk{loader: l, name: name, anchors: make(map[string]ast.Node)}
	documents := 0
	for _, d := range f.Docs {
		if d.Body == nil {
			continue // empty, or comments only
		}
		if documents++; documents > 1 {
			return w.fail("", d.Body, "a second document; one file is one configuration")
		}
		if err := w.section("", d.Body); err != nil {
			return err
		}
	}
	return nil
}

type fileWalk struct {
	loader  *loader
	name    string
	anchors map[string]ast.Node
}

func (w *fileWalk) fail(key string, at ast.Node, format string, args ...any) error {
	return &SettingError{Key: key, Source: w.place(at), Text: fmt.Sprintf(format, args...)}
}

func (w *fileWalk) place(at ast.Node) string {
	t := at.GetToken()
	if m, ok := at.(*ast.MappingNode); ok && len(m.Values) > 0 {
		t = m.Values[0].Key.GetToken() // the mapping's own token is its first colon
	}
	return w.name + ":" + strconv.Itoa(t.Position.Line) + ":" + strconv.Itoa(t.Position.Column)
}

// resolve looks through anchors and aliases.
func (w *fileWalk) resolve(n ast.Node) (ast.Node, error) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		w.anchors[n.Name.String()] = n.Value
		return w.resolve(n.Value)
	case *ast.AliasNode:
		// Only anchors that came before are known, so this cannot go in circles.
		target, ok := w.anchors[n.Value.String()]
		if !ok {
			return nil, w.fail("", n, "alias *%s has no anchor before it", n.Value)
		}
		delete(w.anchors, n.Value.String())
		v, err := w.resolve(target)
		w.anchors[n.Value.String()] = target
		return v, err
	}
	return n, nil
}

// section applies a mapping; prefix is the key it belongs to, empty at the top.
func (w *fileWalk) section(prefix string, n ast.Node) error {
	n, err := w.resolve(n)
	if err != nil {
		return err
	}
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.NullNode:
		return nil // a section whose settings are all commented out
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return w.fail(prefix, n, "want settings as \"key: value\", got %s; valid here: %s", describe(n), strings.Join(keysIn(prefix), ", "))
	}
	for _, v := range values {
		if err := w.value(prefix, v); err != nil {
			return err
		}
	}
	return nil
}

func (w *fileWalk) value(prefix string, v *ast.MappingValueNode) error {
	name := v.Key.GetToken().Value
	key := name
	if prefix != "" {
		key = prefix + "." + name
	}
	s, known := settingOf(key)
	switch {
	case known:
		return w.leaf(s, v)
	case len(keysIn(key)) > 0 && !strings.Contains(name, "."):
		return w.section(key, v.Value)
	}
	valid := keysIn(prefix)
	hint := ""
	if near := nearest(name, valid); near != "" {
		hint = "did you mean " + near + "? "
	}
	return w.fail(key, v.Key, "there is no such setting; %svalid here: %s", hint, strings.Join(valid, ", "))
}

// leaf applies one value. Values are typed in YAML, so "true" in quotes is not a
// truth value and 10 is not a duration.
func (w *fileWalk) leaf(s setting, v *ast.MappingValueNode) error {
	if strings.Contains(v.Key.GetToken().Value, ".") {
		section, name, _ := strings.Cut(s.key, ".")
		return w.fail(s.key, v.Key, "write %s on a line of its own below %s:", name, section)
	}
	n, err := w.resolve(v.Value)
	if err != nil {
		return err
	}
	field := s.field(&w.loader.config)
	var words []string
	switch n := n.(type) {
	case *ast.SequenceNode:
		if _, ok := field.(*[]string); !ok {
			return w.fail(s.key, n, "want %s, got a list", wanted(field))
		}
		for _, item := range n.Values {
			item, err := w.resolve(item)
			if err != nil {
				return err
			}
			word, ok := scalar(item)
			if _, isString := item.(*ast.StringNode); !ok || !isString {
				return w.fail(s.key, item, "want text in the list, got %s", describe(item))
			}
			if word == "" || strings.ContainsAny(word, ", ") {
				return w.fail(s.key, item, "%q is not one pattern; write each on a line of its own", word)
			}
			words = append(words, word)
		}
	default:
		word, ok := scalar(n)
		if !ok || !accepts(field, n) {
			return w.fail(s.key, n, "want %s, got %s", wanted(field), describe(n))
		}
		words = []string{word}
	}
	return w.loader.set(s.key, strings.Join(words, ","), w.place(n))
}

// keysIn lists the names valid below prefix, in the order of the table.
func keysIn(prefix string) []string {
	var keys []string
	for _, s := range settings {
		rest := s.key
		if prefix != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(s.key, prefix+"."); !ok {
				continue
			}
		}
		name, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(keys, name) {
			keys = append(keys, name)
		}
	}
	return keys
}

func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// accepts reports whether a scalar has the YAML type that a field needs.
func accepts(field any, n ast.Node) bool {
	switch field.(type) {
	case *bool, **bool:
		_, ok := n.(*ast.BoolNode)
		return ok
	case *int, **int:
		_, ok := n.(*ast.IntegerNode)
		return ok
	case *time.Duration:
		// A bare number goes on to the parser, whose error asks for the unit.
		switch n.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
			return true
		}
		return false
	case *[]string:
		return false
	}
	_, ok := n.(*ast.StringNode)
	return ok
}

func wanted(field any) string {
	switch field.(type) {
	case *bool, **bool:
		return "true or false"
	case *int, **int:
		return "a whole number"
	case *time.Duration:
		return "a duration such as 10s"
	case *[]string:
		return "a list of texts"
	}
	return "text"
}

func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a section"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "the truth value " + n.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + n.GetToken().Value
	case *ast.StringNode:
		return fmt.Sprintf("the text %q", n.Value)
	}
	return "something else (" + strings.ToLower(n.Type().String()) + ")"
}
