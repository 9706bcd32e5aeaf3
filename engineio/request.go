package engineio

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/engine"
)

// Request is the head of a handshake, as Options.Allow sees it. It is valid until Allow
// returns, and so are its strings.
type Request struct {
	engine *engine.Request
	http   *http.Request // instead of it

	version   int
	transport Transport
}

// HTTP returns the request if net/http has read it, and otherwise nil.
func (r *Request) HTTP() *http.Request { return r.http }

// Engine returns the request if an event loop has read it, and otherwise nil.
func (r *Request) Engine() *engine.Request { return r.engine }

// Transport returns the transport that the client begins with.
func (r *Request) Transport() Transport { return r.transport }

// Version returns the version of the protocol: 4, or 3.
func (r *Request) Version() int { return r.version }

// Path returns the path as it was sent: percent-encoded.
func (r *Request) Path() string {
	path, _, _ := strings.Cut(r.target(), "?")
	return path
}

func (r *Request) target() string {
	if r.http != nil {
		return r.http.URL.RequestURI()
	}
	return r.engine.Target()
}

// Query returns the parameters in the URL, the protocol's EIO, transport and t among them,
// and malformed ones left out. The caller may keep them.
func (r *Request) Query() url.Values {
	_, query, _ := strings.Cut(strings.Clone(r.target()), "?")
	values, _ := url.ParseQuery(query) // on an error values has the well-formed parameters
	return values
}

// Host returns the host of the request, with its port if it has one.
func (r *Request) Host() string {
	if r.http != nil {
		return r.http.Host
	}
	return r.engine.Host()
}

// Get returns the first value of a header field, in any case, or "".
func (r *Request) Get(name string) string {
	if r.http != nil {
		return r.http.Header.Get(name)
	}
	return r.engine.Get(name)
}

// Header returns a copy of all header fields, which the caller may keep.
func (r *Request) Header() http.Header {
	if r.http != nil {
		return r.http.Header.Clone()
	}
	return r.engine.Header()
}

// Secure reports whether the request came over TLS to this process.
func (r *Request) Secure() bool {
	if r.http != nil {
		return r.http.TLS != nil
	}
	return r.engine.Secure()
}

// RemoteAddr returns the client's address, the zero value if it has none.
func (r *Request) RemoteAddr() netip.AddrPort {
	if r.http == nil {
		return r.engine.RemoteAddr()
	}
	a, _ := netip.ParseAddrPort(r.http.RemoteAddr) // a Unix socket has none
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
