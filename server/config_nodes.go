package server

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	yamltoken "github.com/goccy/go-yaml/token"
)

// bareStar is a value that begins with *, which is an alias in YAML.
var bareStar = regexp.MustCompile(`(^|[\s\[{,:-])\*`)

// explainYAML is what goccy/go-yaml says of a line of b that is no YAML, in other words
// where people often go wrong.
func explainYAML(message string, b []byte, line int) string {
	text := ""
	if lines := strings.Split(string(b), "\n"); line >= 1 && line <= len(lines) {
		text = lines[line-1]
	}
	isStar := strings.Contains(message, "alias") || strings.Contains(message, "unexpected scalar value type")
	switch indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]; {
	case strings.Contains(indent, "\t"):
		return "a tab; indent with spaces"
	case isStar && bareStar.MatchString(text):
		return `what begins with * is an alias; put a pattern in quotes, such as "**"`
	}
	return message
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

// textOf is the text that stands in a list.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.MappingNode:
		if len(n.Values) == 1 {
			return textWithColon(n.Values[0])
		}
	case *ast.MappingValueNode:
		return textWithColon(n)
	}
	return "", false
}

// textWithColon is the text that goccy/go-yaml takes for a mapping: in [env:NAME]
// inside braces it splits at the colon, although no space follows (YAML 1.2.2
// §7.3.3; goccy/go-yaml issue 832).
func textWithColon(n *ast.MappingValueNode) (string, bool) {
	key, colon, value := n.Key.GetToken(), n.Start, n.Value.GetToken()
	if key == nil || colon == nil || value == nil || isQuoted(key) || key.Position.Line != colon.Position.Line ||
		key.Position.Column+utf8.RuneCountInString(key.Value) != colon.Position.Column {
		return "", false
	}
	rest, ok := textOf(n.Value)
	if number, isNumber := n.Value.(*ast.IntegerNode); isNumber {
		rest, ok = number.GetToken().Value, true
	} else if inner, isMapping := n.Value.(*ast.MappingValueNode); isMapping {
		value = inner.Key.GetToken()
	}
	if !ok || isQuoted(value) || colon.Position.Line != value.Position.Line || colon.Position.Column+1 != value.Position.Column {
		return "", false
	}
	return key.Value + ":" + rest, true
}

func isQuoted(t *yamltoken.Token) bool {
	return t.Type == yamltoken.SingleQuoteType || t.Type == yamltoken.DoubleQuoteType
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
	case *time.Duration, *Joins:
		// A bare number goes on to the parser, whose error asks for the unit.
		switch n.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
			return true
		}
		return false
	case *float64, **float64:
		switch n.(type) {
		case *ast.IntegerNode, *ast.FloatNode:
			return true
		}
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
	case *Joins:
		return "a duration such as 1s, or off"
	case *float64, **float64:
		return "a number"
	case *Secret:
		return "text, env:NAME or file:PATH"
	}
	return "text"
}

func wantedList(s setting) string {
	if s.rule.mayBeOne {
		return "text, or a list of texts"
	}
	return "a list of texts"
}

// describe is describe of what was written for s, but does not show what may be a
// secret.
func (s setting) describe(n ast.Node) string {
	if s.rule.isSecret {
		switch n.(type) {
		case *ast.StringNode:
			return "another text"
		case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
			return "something that is no text; put it in quotes"
		}
	}
	return describe(n)
}

// quoted is what to do about n where text of any kind is wanted: a key may consist of
// digits alone.
func (s setting) quoted(field any, n ast.Node) string {
	switch n.(type) {
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		if wanted(field) == "text" && len(s.rule.words) == 0 && !s.rule.isSecret {
			return "; put it in quotes"
		}
	}
	return ""
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
