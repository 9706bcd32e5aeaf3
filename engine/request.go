package engine

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/engine/internal/httphead"
	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Request is an opening handshake as Server.Admit sees it. Its strings are
// valid until Admit returns: strings.Clone what is to be kept.
type Request struct {
	head   *httphead.Head
	conn   *Conn
	http   *http.Request // instead of head and conn, when net/http has read it
	remote netip.AddrPort
	secure bool
}

// Target returns the path with its query, as it was sent.
func (r *Request) Target() string {
	if r.http != nil {
		return r.http.URL.RequestURI()
	}
	return r.head.Path
}

// Path returns the path, as it was sent: percent-encoded.
func (r *Request) Path() string {
	path, _, _ := strings.Cut(r.Target(), "?")
	return path
}

// Query returns the parameters in the URL; what is malformed is left out.
func (r *Request) Query() url.Values {
	_, query, _ := strings.Cut(strings.Clone(r.Target()), "?")
	values, _ := url.ParseQuery(query) // what could be parsed is in values
	return values
}

// Host returns the host that was asked for, with its port if it has one.
func (r *Request) Host() string {
	if r.http != nil {
		return r.http.Host
	}
	return r.head.Host
}

// Get returns the first value of a header field, in any case, or "".
func (r *Request) Get(name string) string {
	if r.http != nil {
		return r.http.Header.Get(name)
	}
	return r.head.Get(name)
}

// Header returns a copy of all header fields, which the caller may keep.
func (r *Request) Header() http.Header {
	if r.http != nil {
		return r.http.Header.Clone()
	}
	h := make(http.Header, len(r.head.Fields))
	for _, f := range r.head.Fields {
		if !httpsyntax.EqualFold(f.Name, "Host") { // as net/http has it
			h.Add(strings.Clone(f.Name), strings.Clone(f.Value))
		}
	}
	return h
}

// RemoteAddr returns the client's address, the zero value if it has none.
func (r *Request) RemoteAddr() netip.AddrPort { return r.remote }

// Secure reports whether the request came over TLS to this process.
func (r *Request) Secure() bool { return r.secure }

// ConnectionState returns what is known of the request's TLS, the client's
// certificates for example, or nil when it did not come over TLS to this process.
func (r *Request) ConnectionState() *tls.ConnectionState {
	if r.http != nil {
		return r.http.TLS
	}
	return r.conn.ConnectionState()
}

// Admission is the decision of Server.Admit. The zero value accepts.
type Admission struct {
	// Status, if not 0, refuses the request with it: 401, 403, 404, 429, 503.
	// Reason is the body, a line of plain text.
	Status int
	Reason string

	// HTTP gives the request to Server.HTTP, which may still call Upgrade.
	HTTP bool

	// Header is sent with the response, Set-Cookie or Retry-After for example.
	Header http.Header

	// Value and Handler are the connection's from the beginning, see
	// Conn.SetValue and Conn.SetHandler. Limits are as in Conn.SetLimits.
	Value   any
	Handler Handler
	Limits  *Options
}
