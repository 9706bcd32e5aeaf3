package handshake

import (
	"maps"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Header holds fields by canonical name, as net/http's Header does: an
// http.Header can be passed as it is. Note that the canonical name of
// Sec-WebSocket-Key is "Sec-Websocket-Key".
type Header = map[string][]string

// Canonical names of the fields of the handshake.
const (
	fieldConnection = "Connection"
	fieldUpgrade    = "Upgrade"
	fieldOrigin     = "Origin"
	fieldAllow      = "Allow"
	fieldKey        = "Sec-Websocket-Key"
	fieldAccept     = "Sec-Websocket-Accept"
	fieldVersion    = "Sec-Websocket-Version"
	fieldProtocol   = "Sec-Websocket-Protocol"
	fieldExtensions = "Sec-Websocket-Extensions"
)

// version is the one version of the protocol there is (RFC 6455 §4.1).
const version = "13"

// FieldError says which part of a request or response this side was about to
// send is unfit, and why. It is a mistake of the caller, not of the peer.
type FieldError struct {
	Field  string // a header field, or the field of Offer or Accepted
	Reason string // what was wrong and what would be right
}

func (e *FieldError) Error() string { return "handshake: " + e.Field + ": " + e.Reason }

// reservedFields are those no caller may add, in lower case; beside them
// everything that begins with sec-websocket-.
//
// Content-Length and Transfer-Encoding are among them because neither a GET that
// upgrades nor a 101 has content (RFC 9110 §8.6, RFC 9112 §6.1), and announcing
// some would make an intermediary disagree with us on where frames begin.
var reservedFields = []string{"connection", "content-length", "host", "transfer-encoding", "upgrade"}

// appendFields appends the caller's own fields in the order of their names, so
// that the same header always gives the same bytes. On error it returns dst as it was.
func appendFields(dst []byte, h Header) ([]byte, error) {
	if len(h) == 0 {
		return dst, nil
	}
	start := len(dst)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !httpsyntax.IsToken(name) {
			return dst[:start], &FieldError{quote(name), "the name of a header field must be a token"}
		}
		if reserved(name) {
			return dst[:start], &FieldError{name, "the handshake sets this field itself; remove it"}
		}
		for _, v := range h[name] {
			if !httpsyntax.IsFieldValue(v) {
				return dst[:start], &FieldError{name, "a value must not hold CR, LF, NUL or other control characters, but is " + quote(v)}
			}
			dst = appendField(dst, name, v)
		}
	}
	return dst, nil
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

func reserved(name string) bool {
	const prefix = "sec-websocket-"
	if len(name) >= len(prefix) && httpsyntax.EqualFold(name[:len(prefix)], prefix) {
		return true
	}
	return slices.ContainsFunc(reservedFields, func(r string) bool { return httpsyntax.EqualFold(r, name) })
}

// isAuthority reports whether v has only bytes that a Host field may have
// (RFC 3986 §3.2.2, §3.2.3). It leaves userinfo, paths and queries no room.
func isAuthority(v string) bool {
	for i := range len(v) {
		c := v[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			continue
		}
		if strings.IndexByte("-._~%!$&'()*+;=:[]", c) < 0 {
			return false
		}
	}
	return v != "" && v[0] != ':'
}
