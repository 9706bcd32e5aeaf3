package sockjs

import (
	"net/http"
	"net/netip"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpcarrier"
)

// Request is the request that begins a session, as Options.Decide sees it. It is valid
// until Decide returns, and so are its strings: use strings.Clone to keep one.
type Request struct {
	head      *httpcarrier.Request
	base      string
	transport Transport
}

// Base returns the part of the path that names the service, "/echo" for example. It is
// percent-encoded, as it was sent. What follows in the path is between the client
// and the Server, and secret.
func (r *Request) Base() string { return r.base }

// Query returns the parameters of the URL as they were sent. The client keeps those of the
// URL that its page gave it.
func (r *Request) Query() string { return r.head.Query() }

// Transport returns by which the session begins.
func (r *Request) Transport() Transport { return r.transport }

// Host returns the host of the request, with its port if it has one.
func (r *Request) Host() string { return r.head.Host() }

// IsSecure reports whether the request came over TLS to this process.
func (r *Request) IsSecure() bool { return r.head.IsSecure() }

// Get returns the first value of a header field, or "".
func (r *Request) Get(name string) string { return r.head.Get(name) }

// Cookie returns the value of a cookie, or "".
func (r *Request) Cookie(name string) string { return r.head.Cookie(name) }

// RemoteAddr returns the address of the peer of the connection, which may be a proxy. It
// is invalid for a peer without one.
func (r *Request) RemoteAddr() netip.AddrPort { return r.head.RemoteAddr() }

// HTTP returns the request of net/http, nil if an event loop has read it.
func (r *Request) HTTP() *http.Request { return r.head.HTTP() }

// Loop returns the request that an event loop has read, nil if net/http has.
func (r *Request) Loop() *engine.Request { return r.head.Loop() }
