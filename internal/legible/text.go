package legible

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text escapes what a terminal would act on instead of showing: control
// characters, of which escape sequences are made, and the invisible characters
// that reorder text. Line feeds and tabs stay.
func Text(s string) string {
	clean := func(r rune) bool {
		return r == '\n' || r == '\t' || r != utf8.RuneError && unicode.IsGraphic(r)
	}
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case clean(r):
			b.WriteString(s[:size])
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0]), 16))
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[size:]
	}
	return b.String()
}
