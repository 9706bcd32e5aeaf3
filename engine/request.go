package engine

import (
	"crypto/tls"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/engine/internal/httphead"
	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Request is a request as Server.Admit and Server.Route see it. Its strings are
// valid until they return: use strings.Clone to keep one.
type Request struct {
	head   *httphead.Head
	conn   *Conn
	http   *http.Request // instead of head and conn, when net/http has read it
	remote netip.AddrPort
	secure bool

	over  excess
	fault *handshake.Fault
}

// Fault returns why the engine does not serve a request that Route decides about, nil
// if it does: the server has too many connections, is overloaded, or ends. It must
// not be modified. See Route.IsRefusal.
func (r *Request) Fault() *handshake.Fault { return r.fault }

// IsFirst reports whether r is the first request on its connection, as far as is known:
// it is of every request that net/http has read.
func (r *Request) IsFirst() bool {
	return r.conn == nil || r.conn.extra == nil || r.conn.extra.exchange == nil
}

// Method returns the method. It is always GET in Admit.
func (r *Request) Method() string {
	if r.http != nil {
		return r.http.Method
	}
	for _, method := range methods {
		if method == r.head.Method {
			return method // the application may keep it
		}
	}
	return r.head.Method
}

var methods = [...]string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch}

// ContentLength returns the length of the request's content, 0 without any.
func (r *Request) ContentLength() int64 {
	if r.http != nil {
		return r.http.ContentLength
	}
	return r.head.ContentLength
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

// Query returns the parameters in the URL, malformed ones left out.
func (r *Request) Query() url.Values {
	_, query, _ := strings.Cut(strings.Clone(r.Target()), "?")
	values, _ := url.ParseQuery(query) // on an error values has the well-formed parameters
	return values
}

// Host returns the host of the request, with its port if it has one.
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

// Fields returns the header fields one after another, as they were sent, without
// a copy of them. Host is not among them.
func (r *Request) Fields() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if r.http != nil {
			for name, values := range r.http.Header {
				for _, v := range values {
					if !yield(name, v) {
						return
					}
				}
			}
			return
		}
		for i := range r.head.Fields {
			if f := &r.head.Fields[i]; !httpsyntax.EqualFold(f.Name, "Host") && !yield(f.Name, f.Value) {
				return
			}
		}
	}
}

// RemoteAddr returns the client's address, the zero value if it has none.
func (r *Request) RemoteAddr() netip.AddrPort { return r.remote }

// Secure reports whether the request came over TLS to this process.
func (r *Request) Secure() bool { return r.secure }

// ConnectionState returns the state of the request's TLS, with the client's
// certificates for example, or nil if it did not come over TLS to this process.
func (r *Request) ConnectionState() *tls.ConnectionState {
	if r.http != nil {
		return r.http.TLS
	}
	return r.conn.ConnectionState()
}

// Admission is the decision of Server.Admit. The zero value accepts.
type Admission struct {
	// Status, if not 0, refuses the request with it: 401, 403, 404, 429, 503. Body
	// is sent with it if there is one, as ContentType or else as plain text. Without
	// one the body is what Server.Refuse makes, or Reason, a line of plain text.
	Status      int
	Reason      string
	ContentType string
	Body        []byte

	// Pending, if not nil, lets the client wait: its OnBody is called at once with the
	// Exchange of the handshake, and Exchange.Admit decides later, or
	// Exchange.Respond refuses, from any goroutine. Value becomes the exchange's; the
	// other fields count in the Admission that decides.
	Pending Responder

	// PendingTimeout is the time for that decision; after it the client gets 503, and
	// OnEnd ErrPendingTimeout. Default Server.HandshakeTimeout; NoLimit waits for ever.
	// A negative one is refused with 500, and an *OptionError from Upgrade.
	PendingTimeout time.Duration

	// HTTP gives the request to Server.HTTP, which may still call Upgrade.
	HTTP bool

	// Header is sent with the response, Set-Cookie or Retry-After for example.
	Header http.Header

	// Subprotocols, if not nil, are those spoken here, the preferred one first, of
	// Server.Subprotocols: an application that is many speaks different ones at
	// different paths. It is not modified.
	Subprotocols []string

	// Value and Handler are set before OnOpen, as by Conn.SetValue and
	// Conn.SetHandler. Limits are as in Conn.SetLimits, and their MessageBytesMax
	// counts for what a compressed message inflates to.
	Value   any
	Handler Handler
	Limits  *Options
}
