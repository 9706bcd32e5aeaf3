package handshake

import (
	"slices"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// AppendResponse appends the whole head of the 101 response that answers a
// (RFC 6455 §4.2.2 item 5). extension is the value of Sec-WebSocket-Extensions as
// negotiated, "" for none; extra are fields of the caller's own, such as
// Set-Cookie, written in the order of their names.
//
// It returns dst as it was and a *FieldError when a subprotocol or an extension
// was not offered, when extra has a field that the handshake sets itself
// (Upgrade, Connection, Sec-WebSocket-*) or that a 101 must not have
// (Content-Length, Transfer-Encoding, Host), or when a value could break out of its line.
//
// Without extra it does not allocate if dst has room; 512 bytes nearly always are enough.
func AppendResponse(dst []byte, a *Accepted, extension string, extra Header) ([]byte, error) {
	if !validKey(a.Key) {
		return dst, &FieldError{"Key", "it must be the one that Check returned, not " + quote(a.Key)}
	}
	if a.Subprotocol != "" && (!httpsyntax.IsToken(a.Subprotocol) || !slices.Contains(a.Offered, a.Subprotocol)) {
		return dst, &FieldError{"Subprotocol", quote(a.Subprotocol) + " was not offered by the client"}
	}
	if extension != "" {
		if err := checkExtensions(extension, a.Extensions, true); err != nil {
			return dst, err
		}
	}
	start := len(dst)
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\n"+
		"Upgrade: websocket\r\n"+
		"Connection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "...)
	dst = AppendAcceptKey(dst, a.Key)
	dst = append(dst, "\r\n"...)
	if a.Subprotocol != "" {
		dst = appendField(dst, "Sec-WebSocket-Protocol", a.Subprotocol)
	}
	if extension != "" {
		dst = appendField(dst, "Sec-WebSocket-Extensions", extension)
	}
	dst, err := appendFields(dst, extra)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, "\r\n"...), nil
}
