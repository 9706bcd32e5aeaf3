package engineio

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpcarrier"
)

// Request is the head of a handshake, as Options.Allow sees it. It is valid until Allow
// returns, and so are its strings.
type Request struct {
	head      *httpcarrier.Request
	version   int
	transport Transport
}

// HTTP returns the request if net/http has read it, and otherwise nil.
func (r *Request) HTTP() *http.Request { return r.head.HTTP() }

// Engine returns the request if an event loop has read it, and otherwise nil.
func (r *Request) Engine() *engine.Request { return r.head.Loop() }

// Transport returns the transport that the client begins with.
func (r *Request) Transport() Transport { return r.transport }

// Version returns the version of the protocol: 4, or 3.
func (r *Request) Version() int { return r.version }

// Path returns the path as it was sent: percent-encoded.
func (r *Request) Path() string { return r.head.Path() }

// Query returns the parameters in the URL, the protocol's EIO, transport and t among them,
// and malformed ones left out. The caller may keep them.
func (r *Request) Query() url.Values {
	values, _ := url.ParseQuery(strings.Clone(r.head.Query())) // on an error values has the well-formed parameters
	return values
}

// Host returns the host of the request, with its port if it has one.
func (r *Request) Host() string { return r.head.Host() }

// Get returns the first value of a header field, in any case, or "".
func (r *Request) Get(name string) string { return r.head.Get(name) }

// Header returns a copy of all header fields, which the caller may keep.
func (r *Request) Header() http.Header {
	if h := r.head.HTTP(); h != nil {
		return h.Header.Clone()
	}
	return r.head.Loop().Header()
}

// Secure reports whether the request came over TLS to this process.
func (r *Request) Secure() bool { return r.head.IsSecure() }

// RemoteAddr returns the client's address, the zero value if it has none.
func (r *Request) RemoteAddr() netip.AddrPort { return r.head.RemoteAddr() }
