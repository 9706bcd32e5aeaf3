package handshake

import (
	"slices"
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Offer is the opening request of a client, and what CheckResponse holds the
// server's answer against.
type Offer struct {
	Host       string // host or host:port, as in the URL, without userinfo
	RequestURI string // path and query, beginning with "/", percent-encoded
	Origin     string // "" for none: only browsers must send one
	Key        string // from NewKey, with fresh random bytes

	// Subprotocols the client can speak, the preferred one first.
	Subprotocols []string

	// Extensions is the value of Sec-WebSocket-Extensions, "" for none.
	Extensions string

	// Header are fields of the caller's own, such as Authorization or Cookie.
	// Origin may be among them if the field Origin is empty.
	Header Header
}

// AppendRequest appends the whole head of the request that o describes (RFC 6455
// §4.1). The caller's own fields are written in the order of their names.
//
// It returns dst as it was and a *FieldError when a part could break out of its
// place (CR, LF, NUL, a space in the URI), when a subprotocol is not a token or
// comes twice, or when Header has a field that the handshake sets itself (Host,
// Upgrade, Connection, Sec-WebSocket-*) or that a GET without content must not
// have (Content-Length, Transfer-Encoding).
func AppendRequest(dst []byte, o *Offer) ([]byte, error) {
	if err := o.check(); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = append(dst, "GET "...)
	dst = append(dst, o.RequestURI...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = appendField(dst, "Host", o.Host)
	dst = append(dst, "Upgrade: websocket\r\nConnection: Upgrade\r\n"...)
	dst = appendField(dst, "Sec-WebSocket-Key", o.Key)
	dst = appendField(dst, "Sec-WebSocket-Version", version)
	for i, s := range o.Subprotocols {
		if i == 0 {
			dst = append(dst, "Sec-WebSocket-Protocol: "...)
		} else {
			dst = append(dst, ", "...)
		}
		dst = append(dst, s...)
	}
	if len(o.Subprotocols) > 0 {
		dst = append(dst, "\r\n"...)
	}
	if o.Extensions != "" {
		dst = appendField(dst, "Sec-WebSocket-Extensions", o.Extensions)
	}
	if o.Origin != "" {
		dst = appendField(dst, "Origin", o.Origin)
	}
	dst, err := appendFields(dst, o.Header)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, "\r\n"...), nil
}

// check validates everything but Header, which appendFields does on its way.
func (o *Offer) check() error {
	if !isAuthority(o.Host) {
		return &FieldError{"Host", "it must be host or host:port, not " + quote(o.Host)}
	}
	if !isRequestURI(o.RequestURI) {
		return &FieldError{"RequestURI", `it must begin with "/" and hold visible ASCII only, without a fragment, not ` + quote(o.RequestURI)}
	}
	if o.Origin != "" && !httpsyntax.IsVisible(o.Origin) {
		return &FieldError{"Origin", "it must be scheme://host or scheme://host:port, not " + quote(o.Origin)}
	}
	if o.Origin != "" && len(o.Header[fieldOrigin]) > 0 {
		return &FieldError{"Origin", "it is given in Header too; give it once"}
	}
	if !validKey(o.Key) {
		return &FieldError{"Key", "it must be 16 bytes in base64, see NewKey"}
	}
	for i, s := range o.Subprotocols {
		if !httpsyntax.IsToken(s) {
			return &FieldError{"Subprotocols", "a subprotocol must be a token (letters, digits and !#$%&'*+-.^_`|~), not " + quote(s)}
		}
		if slices.Contains(o.Subprotocols[:i], s) {
			return &FieldError{"Subprotocols", quote(s) + " is given twice"}
		}
	}
	if o.Extensions != "" {
		if err := checkExtensions(o.Extensions, nil, false); err != nil {
			return err
		}
	}
	return nil
}

// isRequestURI allows the origin-form of RFC 9112 §3.2.1. A fragment must not be
// sent (RFC 6455 §3).
func isRequestURI(v string) bool {
	return httpsyntax.IsVisible(v) && v[0] == '/' && strings.IndexByte(v, '#') < 0
}
