package httphead

import (
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Doubt is why a request is not among those that are understood completely.
type Doubt uint8

const (
	None        Doubt = iota // HTTP/1.1, and no content or content of a plain Content-Length
	Version                  // it is not HTTP/1.1
	Target                   // it is not a path, or is one that not everybody reads in the same way
	Host                     // there is none, or it is none
	Length                   // Content-Length is given twice, or is no plain decimal number
	Coding                   // Transfer-Encoding or Trailer
	Expectation              // Expect
	Upgrade                  // Upgrade
)

// String says what would be right; it is fit for a peer to read.
func (d Doubt) String() string { return doubts[d] }

var doubts = [...]string{
	None:        "the request is understood",
	Version:     "only HTTP/1.1 is spoken here",
	Target:      "the target of the request must be a path, percent-encoded where that is needed",
	Host:        "Host must be the name and port of a host",
	Length:      "Content-Length must be given once, as a decimal number",
	Coding:      "content must have a Content-Length; Transfer-Encoding is not understood here",
	Expectation: "Expect is not understood here; send the content at once",
	Upgrade:     "Upgrade is not understood here",
}

// Doubt returns None if the request is understood completely: every server and
// proxy finds the same request in the same bytes.
func (h *Head) Doubt() Doubt {
	switch {
	case h.Major != 1 || h.Minor != 1:
		return Version
	case h.doubt != None:
		return h.doubt
	case !isPath(h.Target):
		return Target
	}
	return None
}

// noteDoubt notes the first.
func (h *Head) noteDoubt(d Doubt) {
	if h.doubt == None {
		h.doubt = d
	}
}

// isPath reports whether a target is in origin-form (RFC 9112 §3.2.1), with
// percent signs only where they encode something.
func isPath(target string) bool {
	if target[0] != '/' || strings.IndexByte(target, '#') >= 0 {
		return false
	}
	path, _, _ := strings.Cut(target, "?")
	for i := strings.IndexByte(path, '%'); i >= 0; i = strings.IndexByte(path, '%') {
		if len(path) < i+3 || !isHex(path[i+1]) || !isHex(path[i+2]) {
			return false
		}
		path = path[i+3:]
	}
	return true
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// isHost allows the bytes of a host and a port (RFC 3986 §3.2.2).
func isHost(v string) bool {
	for i := range len(v) {
		if c := v[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && strings.IndexByte(".-:_[]~%!$&'()*+,;=", c) < 0 {
			return false
		}
	}
	return v != ""
}

// field is a header field that says what a request is.
type field uint8

const (
	fieldOther field = iota
	fieldHost
	fieldExpect
	fieldTrailer
	fieldUpgrade
	fieldConnection
	fieldContentLength
	fieldTransferEncoding
)

// known tells the fields apart, by their length first.
func known(name string) field {
	var want string
	var f field
	switch len(name) {
	case len("Host"):
		want, f = "host", fieldHost
	case len("Expect"):
		want, f = "expect", fieldExpect
	case len("Trailer"):
		if want, f = "trailer", fieldTrailer; name[0]|0x20 == 'u' {
			want, f = "upgrade", fieldUpgrade
		}
	case len("Connection"):
		want, f = "connection", fieldConnection
	case len("Content-Length"):
		want, f = "content-length", fieldContentLength
	case len("Transfer-Encoding"):
		want, f = "transfer-encoding", fieldTransferEncoding
	default:
		return fieldOther
	}
	if !httpsyntax.EqualFold(name, want) {
		return fieldOther
	}
	return f
}
