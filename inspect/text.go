package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// quotedBytesMax is how much of a peer's text a sentence quotes.
const quotedBytesMax = 100

// printable makes text of the peer fit to print, in at most max of its bytes: what a
// terminal would act on, and what reorders text, is escaped.
func printable(s string, max int) string {
	cut := ""
	if len(s) > max {
		for max > 0 && !utf8.RuneStart(s[max]) {
			max--
		}
		cut = fmt.Sprintf("… (%d bytes)", len(s))
		s = s[:max]
	}
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsGraphic(r) }) < 0 {
		return s + cut
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsGraphic(r):
			b.WriteString(s[:size])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[size:]
	}
	return b.String() + cut
}

// printableLines is printable for text of several lines.
func printableLines(s string, max int) string {
	if len(s) > max {
		for max > 0 && !utf8.RuneStart(s[max]) {
			max--
		}
		s = s[:max] + "…"
	}
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = printable(strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", "  "), len(line)+len(line))
	}
	return strings.Join(lines, "\n")
}

// quote is printable in quotes.
func quote(s string) string { return `"` + printable(s, quotedBytesMax) + `"` }

// quoteAll lists values for a sentence.
func quoteAll(values []string) string {
	if len(values) == 0 {
		return "nothing"
	}
	quoted := make([]string, 0, 4)
	for i, v := range values {
		if i == 4 {
			return strings.Join(quoted, ", ") + fmt.Sprintf(" and %d more", len(values)-i)
		}
		quoted = append(quoted, quote(v))
	}
	return strings.Join(quoted, ", ")
}

// show rounds a duration to what a person cares about.
func show(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// count is "1 ping", "2 pings".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
