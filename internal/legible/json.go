package legible

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Style is an attribute of ECMA-48 (SGR) that text is shown with.
type Style string

// Styles are of the sixteen colours that every terminal has, and that its owner
// has chosen.
const (
	Plain   Style = ""
	Bold    Style = "1"
	Dim     Style = "2"
	Red     Style = "31"
	Green   Style = "32"
	Yellow  Style = "33"
	Blue    Style = "34"
	Magenta Style = "35"
	Cyan    Style = "36"
)

// Paint puts text into a style. Text is not escaped.
func (s Style) Paint(text string) string {
	if s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// IsJSON reports whether message is an object or an array of JSON. A number or a
// string alone is text to people.
func IsJSON(message []byte) bool {
	trimmed := bytes.TrimLeft(message, " \t\r\n")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(trimmed)
}

// JSON shows a valid value as it stands if that is one line of at most width bytes,
// and else indented. Numbers and the order of members stay as they were written.
// Width 0 or less never indents; colored marks what is what.
func JSON(value []byte, width int, colored bool) string {
	value = bytes.TrimSpace(value)
	var b bytes.Buffer
	// A text that came with line ends is laid out anew, as the person sees it best.
	if isOneLine := !bytes.ContainsAny(value, "\r\n"); !isOneLine || width > 0 && len(value) > width {
		if json.Compact(&b, value) == nil {
			value = bytes.Clone(b.Bytes())
		}
		b.Reset()
		if width > 0 && len(value) > width && json.Indent(&b, value, "", "  ") == nil {
			value = b.Bytes()
		}
	}
	text := string(value)
	if !colored {
		return Text(text)
	}
	return paintJSON(text)
}

// paintJSON colours the tokens of a valid value.
func paintJSON(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		n, style := 1, Plain
		switch c := text[0]; {
		case c == '"':
			n = stringLength(text)
			style = Green
			if rest := strings.TrimLeft(text[n:], " \t\r\n"); strings.HasPrefix(rest, ":") {
				style = Blue
			}
		case c == '-' || '0' <= c && c <= '9':
			n, style = wordLength(text), Cyan
		case 'a' <= c && c <= 'z':
			n, style = wordLength(text), Magenta
		}
		b.WriteString(style.Paint(Text(text[:n])))
		text = text[n:]
	}
	return b.String()
}

// stringLength is the length of the string that text begins with, quotes included.
func stringLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// wordLength is the length of the number or literal that text begins with.
func wordLength(text string) int {
	n := strings.IndexAny(text[1:], ",]} \t\r\n:\"[{")
	if n < 0 {
		return len(text)
	}
	return n + 1
}
