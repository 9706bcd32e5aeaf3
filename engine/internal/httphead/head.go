package httphead

import (
	"strings"
	"unsafe"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Head is the head of a request. Its strings share the memory of the bytes that
// were parsed. It keeps its own memory from one request to the next.
type Head struct {
	Method, Target string
	Major, Minor   int
	Host           string // of the target if that has one, else of the Host field
	Path           string // Target without a scheme and authority, query included
	Fields         []Field

	// ContentLength is that of the Content-Length field, 0 without one. It counts
	// only if there is no Doubt.
	ContentLength int64

	// Close is what the Connection field says: the client wants no other response.
	Close bool

	doubt Doubt // what the fields leave in doubt
}

// Field is a field of a head, as it was sent.
type Field struct{ Name, Value string }

// New returns a Head with room for every field that there may be.
func New() *Head { return &Head{Fields: make([]Field, 0, FieldsMax)} }

// Parse reads a whole head, whose beginning and end Cut found. b must not be
// modified while h is in use.
func (h *Head) Parse(b []byte) error {
	s := unsafe.String(unsafe.SliceData(b), len(b)) // h's strings live as long as b, which the caller keeps
	line, rest := cutLine(s)
	h.Fields, h.ContentLength, h.Close, h.doubt = h.Fields[:0], 0, false, None
	if !h.parseRequestLine(line) {
		return ErrRequest
	}
	var hosts, lengths int
	for line, rest = cutLine(rest); line != ""; line, rest = cutLine(rest) {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !httpsyntax.IsToken(name) {
			return ErrName // a folded line, too (RFC 9112 §5.2)
		}
		value = strings.Trim(value, " \t")
		if !httpsyntax.IsFieldValue(value) {
			return ErrValue
		}
		h.Fields = append(h.Fields, Field{name, value})
		switch known(name) {
		case fieldHost:
			if hosts++; hosts > 1 {
				return ErrHost // RFC 9112 §3.2
			}
			if h.Host == "" {
				h.Host = value
			}
			if !isHost(value) {
				h.noteDoubt(Host)
			}
		case fieldContentLength:
			h.ContentLength, ok = parseLength(value)
			if lengths++; lengths > 1 || !ok {
				h.noteDoubt(Length)
			}
		case fieldTransferEncoding:
			h.noteDoubt(Coding)
		case fieldExpect:
			h.noteDoubt(Expectation)
		case fieldUpgrade:
			h.noteDoubt(Upgrade)
		case fieldTrailer:
			h.noteDoubt(Coding)
		case fieldConnection:
			h.Close = h.Close || hasToken(value, "close")
		}
	}
	if hosts == 0 {
		h.noteDoubt(Host)
	}
	return nil
}

// Get returns the first value of a field, in any case, or "".
func (h *Head) Get(name string) string {
	for i := range h.Fields {
		if f := &h.Fields[i]; httpsyntax.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

func cutLine(s string) (line, rest string) {
	i := strings.IndexByte(s, '\n')
	return s[:i-1], s[i+1:]
}

// parseRequestLine is RFC 9112 §3.
func (h *Head) parseRequestLine(line string) bool {
	method, rest, ok := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || !httpsyntax.IsToken(method) || !httpsyntax.IsVisible(target) {
		return false
	}
	if len(proto) != len("HTTP/1.1") || proto[:5] != "HTTP/" || proto[6] != '.' || !isDigit(proto[5]) || !isDigit(proto[7]) {
		return false
	}
	h.Method, h.Target = method, target
	h.Major, h.Minor = int(proto[5]-'0'), int(proto[7]-'0')
	h.Host, h.Path = "", target
	// §3.2.2: a target may be a whole URL, whose host then counts.
	if i := strings.Index(target, "://"); i > 0 && target[0] != '/' {
		h.Host, h.Path = target[i+3:], "/"
		if i := strings.IndexAny(h.Host, "/?"); i >= 0 {
			h.Host, h.Path = h.Host[:i], h.Host[i:]
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// parseLength is RFC 9110 §8.6, for what is no longer than a body can be.
func parseLength(v string) (int64, bool) {
	const digitsMax = 18
	if v == "" || len(v) > digitsMax {
		return 0, false
	}
	n := int64(0)
	for i := range len(v) {
		if !isDigit(v[i]) {
			return 0, false
		}
		n = n*10 + int64(v[i]-'0')
	}
	return n, true
}

// hasToken reports whether a list of tokens has one, which is in lower case.
func hasToken(list, token string) bool {
	for list != "" {
		var v string
		v, list, _ = strings.Cut(list, ",")
		if httpsyntax.EqualFold(strings.Trim(v, " \t"), token) {
			return true
		}
	}
	return false
}
