package inspect

import (
	"bytes"
	"fmt"
	"net/textproto"
	"strings"
)

// head is the head of a response, read leniently: its faults are kept.
type head struct {
	start        string // the status line
	status       int
	major, minor int
	lines        []string // all of them
	fields       map[string][]string
	faults       []string // departures from RFC 9112, each a clause
}

// get returns the first value of a field, or "".
func (h *head) get(name string) string {
	if v := h.fields[textproto.CanonicalMIMEHeaderKey(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// values returns the values of a field; nil if it is not there.
func (h *head) values(name string) []string {
	return h.fields[textproto.CanonicalMIMEHeaderKey(name)]
}

// headEnd returns the length of the head at the front of b with the empty line,
// or 0 if it does not end in b. Lines may end with LF alone, which servers
// written by hand send.
func headEnd(b []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		line := b[i : i+n]
		i += n + 1
		if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return i
		}
	}
}

// looksLikeHTTP reports whether b may be the beginning of an HTTP/1 response.
func looksLikeHTTP(b []byte) bool {
	const start = "HTTP/1."
	n := min(len(b), len(start))
	return string(b[:n]) == start[:n]
}

// parseHead reads a whole head. It fails only if the first line is not that of a
// response.
func parseHead(b []byte) (*head, error) {
	h := &head{fields: map[string][]string{}}
	fault := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		for _, f := range h.faults {
			if f == text {
				return
			}
		}
		if len(h.faults) < 10 {
			h.faults = append(h.faults, text)
		}
	}
	for line := range strings.SplitAfterSeq(string(b), "\n") {
		text, ended := strings.CutSuffix(line, "\n")
		text, cr := strings.CutSuffix(text, "\r")
		if ended && !cr {
			fault("lines end with LF alone instead of CR LF (RFC 9112 §2.2)")
		}
		if text == "" {
			break
		}
		if strings.ContainsAny(text, "\r\x00") {
			fault("a line holds a CR or NUL (RFC 9112 §2.2)")
		}
		h.lines = append(h.lines, text)
	}
	if len(h.lines) == 0 {
		return nil, fmt.Errorf("it begins with an empty line")
	}
	h.start = h.lines[0]
	if err := h.parseStart(fault); err != nil {
		return nil, err
	}
	last := ""
	for _, line := range h.lines[1:] {
		if line[0] == ' ' || line[0] == '\t' {
			fault("a header field goes on in the next line, which is obsolete (RFC 9112 §5.2)")
			if v := h.fields[last]; len(v) > 0 {
				v[len(v)-1] += " " + strings.Trim(line, " \t")
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			fault("the line %s has no colon (RFC 9112 §5)", quote(line))
			continue
		}
		if trimmed := strings.TrimRight(name, " \t"); trimmed != name {
			fault("there is a space before the colon of %s (RFC 9112 §5.1)", quote(trimmed))
			name = trimmed
		}
		if !isToken(name) {
			fault("%s is not a name of a header field (RFC 9110 §5.1)", quote(name))
			continue
		}
		last = textproto.CanonicalMIMEHeaderKey(name)
		h.fields[last] = append(h.fields[last], strings.Trim(value, " \t"))
	}
	return h, nil
}

// parseStart reads the status line (RFC 9112 §4).
func (h *head) parseStart(fault func(string, ...any)) error {
	proto, rest, ok := strings.Cut(h.start, " ")
	if !ok || !strings.HasPrefix(proto, "HTTP/") {
		return fmt.Errorf("%s is not the first line of a response", quote(h.start))
	}
	digits, _, spaced := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if len(digits) != 3 || !isDigits(digits) || digits[0] == '0' {
		return fmt.Errorf("%s has no status of three digits", quote(h.start))
	}
	h.status = int(digits[0]-'0')*100 + int(digits[1]-'0')*10 + int(digits[2]-'0')
	version := proto[len("HTTP/"):]
	if len(version) == 3 && version[1] == '.' && isDigits(version[:1]) && isDigits(version[2:]) {
		h.major, h.minor = int(version[0]-'0'), int(version[2]-'0')
	} else {
		fault("%s is not a version of HTTP (RFC 9112 §2.3)", quote(proto))
	}
	if !spaced {
		fault("the status is not followed by a space (RFC 9112 §4)")
	}
	return nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// isToken is the token of RFC 9110 §5.6.2.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}) < 0
}

// elements are the elements of a list field, trimmed, the empty ones left out.
func elements(values []string) []string {
	var list []string
	for _, v := range values {
		for e := range strings.SplitSeq(v, ",") {
			if e = strings.Trim(e, " \t"); e != "" {
				list = append(list, e)
			}
		}
	}
	return list
}
