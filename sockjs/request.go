package sockjs

import (
	"net/http"
	"net/netip"

	"github.com/godwit-io/godwit/engine"
)

// Request is the request that begins a session, as Options.Decide sees it. It is valid
// until Decide returns, and so are its strings: use strings.Clone to keep one.
type Request struct {
	http      *http.Request   // nil if a loop has read it
	loop      *engine.Request // nil if net/http has
	base      string
	query     string
	transport Transport
}

// Base returns the part of the path that names the service, "/echo" for example. It is
// percent-encoded, as it was sent. What follows in the path is between the client
// and the Server, and secret.
func (r *Request) Base() string { return r.base }

// Query returns the parameters of the URL as they were sent. The client keeps those of the
// URL that its page gave it.
func (r *Request) Query() string { return r.query }

// Transport returns by which the session begins.
func (r *Request) Transport() Transport { return r.transport }

// Get returns the first value of a header field, or "".
func (r *Request) Get(name string) string {
	if r.http != nil {
		return r.http.Header.Get(name)
	}
	return r.loop.Get(name)
}

// RemoteAddr returns the address of the peer of the connection, which may be a proxy. It
// is invalid for a peer without one.
func (r *Request) RemoteAddr() netip.AddrPort {
	if r.loop != nil {
		return r.loop.RemoteAddr()
	}
	addr, _ := netip.ParseAddrPort(r.http.RemoteAddr) // invalid without one
	return addr
}

// HTTP returns the request of net/http, nil if an event loop has read it.
func (r *Request) HTTP() *http.Request { return r.http }

// Loop returns the request that an event loop has read, nil if net/http has.
func (r *Request) Loop() *engine.Request { return r.loop }
