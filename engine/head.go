package engine

import (
	"bytes"
	"errors"
	"strings"
	"unsafe"

	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/ws/handshake"
)

const (
	// headBytesMax is the longest head of a request, and headFieldsMax the most
	// fields in it. A request past either is answered with 431.
	headBytesMax  = 16 << 10
	headFieldsMax = 100
)

// What is wrong with a head. The texts go to the peer.
var (
	errHeadLineEnd  = errors.New("every line of the head must end with CR LF")
	errHeadStart    = errors.New("an HTTP request is expected")
	errHeadRequest  = errors.New("the request line must be a method, a target and HTTP/1.1, with single spaces between")
	errHeadName     = errors.New("a field must begin with its name, a token, and a colon right behind it")
	errHeadValue    = errors.New("a field's value must not hold control characters")
	errHeadHost     = errors.New("Host must be given once")
	errHeadTooLarge = errors.New("the head of the request is larger than the limit")
)

// headCut looks for the end of a head that arrives in parts. What was looked at
// is not looked at again, so it takes linear time however small the parts are.
type headCut struct {
	start int // where the head begins: RFC 9112 §2.2 has an empty line before it ignored
	line  int // where the line under way begins
	seen  int // how far was looked
	lines int // that ended
}

// next returns where the head at the front of b ends, 0 when it has not ended
// yet. It begins at start. b must begin with what it began with before.
func (h *headCut) next(b []byte) (n int, err error) {
	if len(b) > h.start && h.lines == 0 && !httpsyntax.IsTokenByte(b[h.start]) && (h.start > 0 || b[0] != '\r') {
		return 0, errHeadStart // TLS, perhaps
	}
	for h.seen < len(b) {
		i := bytes.IndexByte(b[h.seen:], '\n')
		if i < 0 {
			h.seen = len(b)
			break
		}
		end := h.seen + i
		if end == h.line || b[end-1] != '\r' {
			return 0, errHeadLineEnd
		}
		h.seen = end + 1
		switch {
		case end-1 > h.line:
		case h.lines == 0 && h.start == 0:
			h.start, h.line = h.seen, h.seen
			return h.next(b)
		case h.lines == 0:
			return 0, errHeadStart
		default:
			if h.seen > headBytesMax {
				return 0, errHeadTooLarge
			}
			return h.seen, nil
		}
		h.line = h.seen
		if h.lines++; h.lines > headFieldsMax+1 {
			return 0, errHeadTooLarge
		}
	}
	if len(b) > headBytesMax {
		return 0, errHeadTooLarge
	}
	return 0, nil
}

// head is the head of a request. Its strings alias the bytes that were parsed.
// It keeps its memory from one request to the next.
type head struct {
	method, target string
	major, minor   int
	host           string // of the target if that has one, else of the Host field
	path           string // target without a scheme and authority, query included
	fields         []headField

	// known has the fields that the handshake asks for, as it wants them. The map
	// always has the same keys.
	known  handshake.Header
	values [len(knownFields)][]string
}

type headField struct{ name, value string }

// knownFields are in the order of their lengths.
var knownFields = [...]string{
	"Origin", "Upgrade", "Connection", "Content-Length", "Sec-Websocket-Key", "Transfer-Encoding",
	"Sec-Websocket-Version", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions",
}

func newHead() *head {
	return &head{known: make(handshake.Header, len(knownFields)), fields: make([]headField, 0, headFieldsMax)}
}

// parse reads a whole head, whose end headCut found. It is strict: what one
// reader could take for something else than another is an error.
func (h *head) parse(b []byte) error {
	s := unsafe.String(unsafe.SliceData(b), len(b)) // h's strings live as long as b, which the caller keeps
	line, rest := cutLine(s)
	if !h.parseRequestLine(line) {
		return errHeadRequest
	}
	h.fields = h.fields[:0]
	for i := range h.values {
		h.values[i] = h.values[i][:0]
	}
	hosts := 0
	for line, rest = cutLine(rest); line != ""; line, rest = cutLine(rest) {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !httpsyntax.IsToken(name) {
			return errHeadName // a folded line, too (RFC 9112 §5.2)
		}
		value = strings.Trim(value, " \t")
		if !httpsyntax.IsFieldValue(value) {
			return errHeadValue
		}
		h.fields = append(h.fields, headField{name, value})
		if httpsyntax.EqualFold(name, "Host") {
			if hosts++; hosts > 1 {
				return errHeadHost // RFC 9112 §3.2
			}
			if h.host == "" {
				h.host = value
			}
			continue
		}
		for i, known := range knownFields {
			if httpsyntax.EqualFold(name, known) {
				h.values[i] = append(h.values[i], value)
				break
			}
		}
	}
	for i, name := range knownFields {
		h.known[name] = h.values[i]
	}
	return nil
}

func cutLine(s string) (line, rest string) {
	i := strings.IndexByte(s, '\n')
	return s[:i-1], s[i+1:]
}

// parseRequestLine is RFC 9112 §3.
func (h *head) parseRequestLine(line string) bool {
	method, rest, ok := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || !httpsyntax.IsToken(method) || !httpsyntax.IsVisible(target) {
		return false
	}
	if len(proto) != len("HTTP/1.1") || proto[:5] != "HTTP/" || proto[6] != '.' || !isDigit(proto[5]) || !isDigit(proto[7]) {
		return false
	}
	h.method, h.target = method, target
	h.major, h.minor = int(proto[5]-'0'), int(proto[7]-'0')
	h.host, h.path = "", target
	// §3.2.2: a target may be a whole URL, whose host then counts.
	if i := strings.Index(target, "://"); i > 0 && target[0] != '/' {
		h.host, h.path = target[i+3:], "/"
		if i := strings.IndexAny(h.host, "/?"); i >= 0 {
			h.host, h.path = h.host[:i], h.host[i:]
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
