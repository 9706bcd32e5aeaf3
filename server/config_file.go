package server

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/godwit-io/godwit/access"
)

// configFileBytesMax bounds a configuration file, listItemsMax a list in it.
const (
	configFileBytesMax = 1 << 20
	listItemsMax       = 10_000
)

// file applies a YAML file, or a JSON one, which is YAML too.
//
// The syntax tree is walked instead of decoded into the struct: every error then
// names line, column and the keys that are valid at that place, and there can be
// several.
func (l *loader) file(name string, b []byte) {
	if len(b) > configFileBytesMax {
		l.failed(fmt.Errorf("%s: longer than %d bytes, this is no configuration", name, configFileBytesMax))
		return
	}
	w := l.walk(name)
	w.dir = filepath.Dir(name)
	documents := 0
	for _, body := range w.parse(b) {
		if documents++; documents > 1 {
			w.fail("", body, "a second document; one file is one configuration")
			return
		}
		w.section(place{rows: settings, owner: &l.config}, body)
	}
}

// schemaKey names the schema of a JSON file to its editor.
const schemaKey = "$schema"

// fileWalk goes through a text with settings and gives them to a loader.
type fileWalk struct {
	loader  *loader
	name    string // of the text, in errors
	dir     string // what paths in it are relative to; empty for where the process runs
	anchors map[string]ast.Node
}

func (l *loader) walk(name string) *fileWalk {
	return &fileWalk{loader: l, name: name, anchors: make(map[string]ast.Node)}
}

// parse returns the documents that are not empty.
func (w *fileWalk) parse(b []byte) (bodies []ast.Node) {
	b = bytes.TrimPrefix(b, []byte("\ufeff")) // editors of Windows begin files with it
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		var ye yaml.Error
		if errors.As(err, &ye) && ye.GetToken() != nil {
			p := ye.GetToken().Position
			err = &SettingError{Source: fmt.Sprintf("%s:%d:%d", w.name, p.Line, p.Column), Text: explainYAML(ye.GetMessage(), b, p.Line)}
		} else {
			err = fmt.Errorf("%s: %w", w.name, err)
		}
		w.loader.failed(err)
		return nil
	}
	for _, d := range f.Docs {
		if d.Body != nil { // else it is empty, or comments only
			bodies = append(bodies, d.Body)
		}
	}
	return bodies
}

// place is where settings go: rows say which there are.
type place struct {
	rows    []setting
	owner   any
	path    string // of owner, for people: channels[2]
	section string // below owner: history
}

// key is the whole key of name at p.
func (p place) key(name string) string { return join(join(p.path, p.section), name) }

func (w *fileWalk) fail(key string, at ast.Node, format string, args ...any) {
	w.loader.failed(&SettingError{Key: key, Source: w.place(at), Text: fmt.Sprintf(format, args...)})
}

func (w *fileWalk) place(at ast.Node) string {
	t := at.GetToken()
	if m, ok := at.(*ast.MappingNode); ok && len(m.Values) > 0 {
		t = m.Values[0].Key.GetToken() // the mapping's own token is its first colon
	}
	return w.name + ":" + strconv.Itoa(t.Position.Line) + ":" + strconv.Itoa(t.Position.Column)
}

// resolve looks through anchors and aliases. It returns nil for an alias of
// nothing, which has then failed.
func (w *fileWalk) resolve(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.AnchorNode:
		w.anchors[n.Name.String()] = n.Value
		return w.resolve(n.Value)
	case *ast.AliasNode:
		// Only anchors that came before are known, so this cannot go in circles.
		target, ok := w.anchors[n.Value.String()]
		if !ok {
			w.fail("", n, "alias *%s has no anchor before it; a pattern that begins with * goes in quotes", n.Value)
			return nil
		}
		delete(w.anchors, n.Value.String())
		v := w.resolve(target)
		w.anchors[n.Value.String()] = target
		return v
	}
	return n
}

// pairs are the keys and values of a mapping, none if nothing was written; ok is
// false when n is something else.
func pairs(n ast.Node) (values []*ast.MappingValueNode, ok bool) {
	switch n := n.(type) {
	case *ast.NullNode:
		return nil, true // what is in it is commented out
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// section applies a mapping.
func (w *fileWalk) section(at place, n ast.Node) {
	if n = w.resolve(n); n == nil {
		return
	}
	values, ok := pairs(n)
	if !ok {
		w.fail(at.key(""), n, "want settings as \"key: value\", got %s; valid here: %s", describe(n), strings.Join(keysIn(at.rows, at.section), ", "))
	}
	for _, v := range values {
		w.value(at, v)
	}
}

func (w *fileWalk) value(at place, v *ast.MappingValueNode) {
	name := v.Key.GetToken().Value
	key := join(at.section, name)
	if join(at.path, key) == schemaKey {
		return
	}
	s, known := settingIn(at.rows, key)
	switch {
	case known && !strings.Contains(name, "."):
		w.setting(s, at, v.Value)
	case known:
		section, name, _ := cutLast(s.key)
		w.fail(join(at.path, s.key), v.Key, "write %s on a line of its own below %s:", name, section)
	case len(keysIn(at.rows, key)) > 0 && !strings.Contains(name, "."):
		at.section = key
		w.section(at, v.Value)
	default:
		w.unknown("setting", at.key(name), name, v.Key, keysIn(at.rows, at.section))
	}
}

// unknown fails for a name that is none of those that are valid.
func (w *fileWalk) unknown(what, key, name string, at ast.Node, valid []string) {
	hint := ""
	if near := nearest(name, valid); near != "" {
		hint = "did you mean " + near + "? "
	}
	w.fail(key, at, "there is no such %s; %svalid here: %s", what, hint, strings.Join(valid, ", "))
}

// setting applies one value. Values are typed in YAML, so "true" in quotes is not a
// truth value and 10 is not a duration.
func (w *fileWalk) setting(s setting, at place, n ast.Node) {
	if n = w.resolve(n); n == nil {
		return
	}
	key := join(at.path, s.key)
	field := s.field(at.owner)
	w.loader.forget(key)
	w.loader.sources[key] = w.place(n)
	switch s.kind(field) {
	case kindSections:
		w.sections(s, field, key, n)
	case kindGrants:
		w.grants(field, key, n)
	case kindList:
		w.list(s, field, key, n)
	default:
		w.scalar(s, field, key, n)
	}
}

func (w *fileWalk) scalar(s setting, field any, key string, n ast.Node) {
	word, ok := scalar(n)
	if !ok || !accepts(field, n) {
		w.fail(key, n, "want %s, got %s%s", wanted(field), s.describe(n), s.quoted(field, n))
		return
	}
	if err := s.setScalar(field, word); err != nil {
		w.fail(key, n, "%s", err)
		return
	}
	s.rule.relativeTo(w.dir, field)
}

func (w *fileWalk) list(s setting, field any, key string, n ast.Node) {
	sequence, ok := n.(*ast.SequenceNode)
	if _, isText := n.(*ast.StringNode); !ok && s.rule.mayBeOne && isText {
		sequence = &ast.SequenceNode{Values: []ast.Node{n}}
	} else if !ok {
		w.fail(key, n, "want %s, got %s", wantedList(s), s.describe(n))
		return
	}
	if !w.mayBeSoLong(key, sequence) {
		return
	}
	list := makeList(field, len(sequence.Values))
	for i, item := range sequence.Values {
		into := list.Index(i).Addr().Interface()
		if item = w.resolve(item); item == nil {
			continue
		}
		itemKey := key
		if ok {
			itemKey = fmt.Sprintf("%s[%d]", key, i)
			w.loader.sources[itemKey] = w.place(item)
		}
		word, isText := textOf(item)
		if !isText {
			w.fail(itemKey, item, "want text in the list, got %s", s.describe(item))
		} else if err := s.setScalar(into, word); err != nil {
			w.fail(itemKey, item, "%s", err)
		} else {
			s.rule.relativeTo(w.dir, into)
		}
	}
	reflect.ValueOf(field).Elem().Set(list)
}

func (w *fileWalk) sections(s setting, field any, key string, n ast.Node) {
	if _, nothing := n.(*ast.NullNode); nothing {
		return // the items are commented out
	}
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		w.fail(key, n, "want a list, with \"- \" before each of its items, got %s", describe(n))
		return
	}
	if !w.mayBeSoLong(key, sequence) {
		return
	}
	list := makeList(field, len(sequence.Values))
	reflect.ValueOf(field).Elem().Set(list)
	for i, item := range sequence.Values {
		itemKey := fmt.Sprintf("%s[%d]", key, i)
		w.loader.sources[itemKey] = w.place(item)
		w.section(place{rows: s.rule.sections, owner: list.Index(i).Addr().Interface(), path: itemKey}, item)
	}
}

func (w *fileWalk) mayBeSoLong(key string, n *ast.SequenceNode) bool {
	if len(n.Values) > listItemsMax {
		w.fail(key, n, "a list of %d; at most %d are possible", len(n.Values), listItemsMax)
		return false
	}
	return true
}

// grants applies lists of patterns by the names of actions.
func (w *fileWalk) grants(field any, key string, n ast.Node) {
	values, ok := pairs(n)
	if !ok {
		w.fail(key, n, "want lists of patterns by action, such as {subscribe: [\"public/**\"]}, got %s", describe(n))
		return
	}
	lists, count := make(map[string][]string), 0
	for _, v := range values {
		name := v.Key.GetToken().Value
		if _, err := access.ParseAction(name); err != nil {
			w.unknown("action", join(key, name), name, v.Key, actionNames())
			continue
		}
		var patterns []access.Pattern
		if value := w.resolve(v.Value); value != nil {
			w.list(setting{}, &patterns, join(key, name), value)
		}
		if count += len(patterns); count > access.PatternsMax {
			w.fail(join(key, name), v.Value, "more than %d patterns; use wildcards, or fewer", access.PatternsMax)
			return
		}
		lists[name] = make([]string, 0, len(patterns))
		for _, p := range patterns {
			if !p.IsZero() { // it has failed
				lists[name] = append(lists[name], p.String())
			}
		}
	}
	grants, err := access.ParseGrants(lists)
	if err != nil {
		w.fail(key, n, "%s", strings.TrimPrefix(err.Error(), "access: "))
		return
	}
	switch p := field.(type) {
	case *access.Grants:
		*p = grants
	case **access.Grants:
		*p = &grants
	}
}

// relativeTo makes a path in field, or in a reference there, relative to dir.
func (r rule) relativeTo(dir string, field any) {
	switch p := field.(type) {
	case *Secret:
		*p = p.below(dir)
	case *string:
		if r.isPath {
			*p = below(dir, *p)
		} else if path, ok := strings.CutPrefix(*p, "file:"); ok && r.isFileReference {
			*p = "file:" + below(dir, path)
		}
	}
}

// cutLast cuts key at its last dot.
func cutLast(key string) (section, name string, found bool) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}
