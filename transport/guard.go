package transport

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
)

// Guard decides what each client may do. Every path into a channel asks it: WebSocket,
// streams, pages, long polls, publications and presence. Identify in this package
// makes one of a function.
//
// The methods are safe for concurrent use and do not block, as they may be called on
// an event loop. What takes time is answered later, from any goroutine; the client
// waits meanwhile, and nobody else does. An error that is an *access.Refusal is told
// to the client; any other is logged, and the client learns that it cannot be
// decided now.
type Guard interface {
	// Identify names the client of a request. It calls done once, before it returns or
	// later. r is valid until Identify returns. With neither a Client nor an error
	// everything is allowed, and the Guard is asked nothing more about this client.
	Identify(r *Request, done func(*Client, error))

	// Authorize decides whether c may do what act says, before it is done: with
	// every message that a client publishes, too. If it can decide at once it
	// returns true and the decision, and does not call later; else it returns false,
	// and calls later once. act is the Guard's until it has decided.
	Authorize(c *Client, act *Act, later func(error)) (decided bool, err error)

	// Leave says that c is gone. It is called once for every Client that Identify
	// has handed out.
	Leave(c *Client)
}

// TokenGuard is a Guard that also knows clients by a token that they show later than
// their request, which a session can.
type TokenGuard interface {
	Guard

	// IdentifyToken names the holder of a token that the client of a request shows. It calls
	// done once, before it returns or later and from any goroutine, with a Client that
	// replaces c; the Guard is told of the end of both.
	IdentifyToken(c *Client, token string, done func(*Client, error))
}

// OpenGuard is a Guard that can say at once that a request needs none.
type OpenGuard interface {
	Guard

	// IsOpenTo reports whether the client of r is allowed everything. Then Identify is not
	// called for r, and the Guard is asked nothing about this client.
	IsOpenTo(r *Request) bool
}

// Client is the client of a request, as long as the conversation that it began goes on.
type Client struct {
	Identity *access.Identity // not nil
	Address  netip.Addr       // for the Guard's own use
	State    any              // the Guard's own
}

// Act is something that a client wants to do.
type Act struct {
	Action  access.Action
	Channel string       // or method, for the actions of those; for access.Answer a pattern of methods
	Session string       // its ID, "" if it has none yet
	Message *hub.Message // what it publishes, nil otherwise; a Guard may change it
}

// Request is the head of a request, whether net/http has read it or an event loop.
// Its strings are valid as long as it is: use strings.Clone to keep one.
type Request struct {
	a *asked
	t *Transport
}

// Method is the method, such as GET.
func (r *Request) Method() string { return r.a.method }

// Path is the path as it was sent, percent-encoded.
func (r *Request) Path() string { return r.a.path }

// Query is the text behind the question mark, as it was sent. It may hold secrets.
func (r *Request) Query() string { return r.a.query }

// Host is the name by which the client calls the server.
func (r *Request) Host() string { return r.a.host }

// IsSecure reports whether the request came over TLS.
func (r *Request) IsSecure() bool { return r.a.secure }

// IsUpgrade reports whether the request is the opening handshake of a WebSocket.
func (r *Request) IsUpgrade() bool { return r.a.isSocket }

// Get is the first value of a field, or "".
func (r *Request) Get(name string) string { return r.a.get(name) }

// Values are all values of a field.
func (r *Request) Values(name string) []string { return r.a.values(name) }

// Cookie is the value of a cookie, or "". It is a credential only if AdmitsCookies.
func (r *Request) Cookie(name string) string {
	for _, line := range r.a.values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			if key, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && key == name {
				return strings.Trim(value, `"`)
			}
		}
	}
	return ""
}

// AdmitsCookies reports whether cookies count: the page behind the request, if there
// is one, is of the same origin or of an origin that Origins name. Where they admit everybody,
// with "*" or "null", cookies of such pages do not count.
func (r *Request) AdmitsCookies() bool { return r.t.admitsCookies(r.a) }

// RemoteAddr is the address of the peer of the connection, which may be a proxy.
// It is invalid for a peer without one, such as that of a socket file.
func (r *Request) RemoteAddr() netip.AddrPort {
	if r.a.loop != nil {
		return r.a.loop.RemoteAddr()
	}
	if r.a.http != nil {
		addr, _ := netip.ParseAddrPort(r.a.http.RemoteAddr) // invalid without one
		return addr
	}
	return netip.AddrPort{}
}

// HTTP is the request of net/http, nil if an event loop has read it.
func (r *Request) HTTP() *http.Request { return r.a.http }

// Loop is the request that an event loop has read, nil if net/http has.
func (r *Request) Loop() *engine.Request { return r.a.loop }

// Identify returns a Guard for which identify names the client of a request, and grants
// alone decide. An error that is no *access.Refusal is told as the access.Cause
// Unauthenticated with its text. identify must not block: look up what is in memory.
func Identify(identify func(*Request) (*access.Identity, error)) Guard {
	return identifier(identify)
}

type identifier func(*Request) (*access.Identity, error)

// Identify implements Guard.
func (f identifier) Identify(r *Request, done func(*Client, error)) {
	id, err := f(r)
	if err != nil {
		if _, ok := err.(*access.Refusal); !ok {
			err = &access.Refusal{Cause: access.Unauthenticated, Reason: err.Error()}
		}
		done(nil, err)
		return
	}
	if id == nil {
		id = &access.Identity{Kind: access.Anonymous}
	}
	done(&Client{Identity: id}, nil)
}

// Authorize implements Guard.
func (identifier) Authorize(c *Client, act *Act, _ func(error)) (decided bool, err error) {
	if !access.May(c.Identity, nil, act.Action, act.Channel) {
		err = Deny(c.Identity, act)
	}
	return true, err
}

// Leave implements Guard.
func (identifier) Leave(*Client) {}

// Deny is the refusal of an act for want of a grant. A client that has shown
// nothing is asked to.
func Deny(id *access.Identity, act *Act) *access.Refusal {
	r := &access.Refusal{Cause: access.Denied, Reason: access.Missing(act.Action, act.Channel)}
	if id.Kind == access.Anonymous {
		r.Cause = access.Unauthenticated
		r.Reason += ", and there is no token"
	}
	return r
}
