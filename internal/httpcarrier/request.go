package httpcarrier

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Request is the head of a request, whether net/http has read it or an event loop. It is
// valid while it is decided about. Its strings are valid as long as it is: use
// strings.Clone to keep one.
type Request struct {
	path, query string
	http        *http.Request   // nil if a loop has read it
	loop        *engine.Request // nil if net/http has
}

// OfHTTP is a request that net/http has read.
func OfHTTP(r *http.Request) *Request {
	return &Request{path: r.URL.EscapedPath(), query: r.URL.RawQuery, http: r}
}

// OfLoop is a request that an event loop has read.
func OfLoop(r *engine.Request) *Request {
	path, query, _ := strings.Cut(r.Target(), "?")
	return &Request{path: path, query: query, loop: r}
}

// Method is the method, such as GET.
func (r *Request) Method() string {
	if r.http != nil {
		return r.http.Method
	}
	return r.loop.Method()
}

// Path is the path as it was sent, percent-encoded.
func (r *Request) Path() string { return r.path }

// Query is what follows the question mark, as it was sent. It may hold secrets.
func (r *Request) Query() string { return r.query }

// Host is the name by which the client calls the server.
func (r *Request) Host() string {
	if r.http != nil {
		return r.http.Host
	}
	return r.loop.Host()
}

// IsSecure reports whether the request came over TLS to this process.
func (r *Request) IsSecure() bool {
	if r.http != nil {
		return r.http.TLS != nil
	}
	return r.loop.Secure()
}

// IsUpgrade reports whether the request asks for a WebSocket, in good order or not.
func (r *Request) IsUpgrade() bool {
	if r.http != nil {
		return handshake.IsUpgrade(r.http.Header)
	}
	if r.loop.Get("Sec-WebSocket-Key") != "" {
		return true
	}
	for name, value := range r.loop.Fields() {
		if !httpsyntax.EqualFold(name, "Upgrade") {
			continue
		}
		for token := range strings.SplitSeq(value, ",") {
			if httpsyntax.EqualFold(strings.Trim(token, " \t"), "websocket") {
				return true
			}
		}
	}
	return false
}

// Get is the first value of a field, or "".
func (r *Request) Get(name string) string {
	if r.http != nil {
		return r.http.Header.Get(name)
	}
	return r.loop.Get(name)
}

// Values are all values of a field.
func (r *Request) Values(name string) (values []string) {
	if r.http != nil {
		return r.http.Header.Values(name)
	}
	for key, value := range r.loop.Fields() {
		if httpsyntax.EqualFold(key, name) {
			values = append(values, value)
		}
	}
	return values
}

// Cookie is the value of a cookie, or "".
func (r *Request) Cookie(name string) string {
	for _, line := range r.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			if key, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && key == name {
				return strings.Trim(value, `"`)
			}
		}
	}
	return ""
}

// RemoteAddr is the address of the peer of the connection, which may be a proxy.
// It is invalid for a peer without one, such as that of a socket file.
func (r *Request) RemoteAddr() netip.AddrPort {
	if r.loop != nil {
		return r.loop.RemoteAddr()
	}
	addr, _ := netip.ParseAddrPort(r.http.RemoteAddr) // invalid without one
	return addr
}

// HTTP is the request of net/http, nil if an event loop has read it.
func (r *Request) HTTP() *http.Request { return r.http }

// Loop is the request that an event loop has read, nil if net/http has.
func (r *Request) Loop() *engine.Request { return r.loop }
