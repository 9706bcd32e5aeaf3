package transport

import (
	"errors"
	"sync"

	"github.com/godwit-io/godwit/access"
)

// Visit is the client of a request that begins a session of another protocol, which may
// have several conversations. It is ended with Leave. Its methods are safe for concurrent
// use.
type Visit struct {
	visitor *visitor // nil where nothing is guarded

	mu      sync.Mutex // guards what follows
	waiting []func()   // to be called once the client is known
}

// Visit asks the Guard for the client of a request, which is valid until Visit returns.
func (t *Transport) Visit(r *Request) *Visit {
	o := &Visit{visitor: t.visit(r.a, r.a.isSocket)}
	if o.visitor != nil {
		o.visitor.begin(o.settle)
	}
	return o
}

// settle calls the functions that have waited for the client to be known.
func (o *Visit) settle() {
	o.mu.Lock()
	waiting := o.waiting
	o.waiting = nil
	o.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

// Then calls f once the client of the request is known, or cannot be known: at once,
// or later and from any goroutine. err is what the client is refused with, an
// *access.Refusal or a failure of the Guard. It is not called after Leave.
func (o *Visit) Then(f func(err error)) {
	if o.visitor == nil {
		f(nil)
		return
	}
	known := func() {
		_, err, _ := o.visitor.known()
		f(err)
	}
	o.mu.Lock()
	if _, _, isKnown := o.visitor.known(); !isKnown {
		o.waiting = append(o.waiting, known)
		o.mu.Unlock()
		return
	}
	o.mu.Unlock()
	known()
}

// Leave says that the session is over. It may be called more than once.
func (o *Visit) Leave() {
	o.visitor.leave()
	o.mu.Lock()
	o.waiting = nil
	o.mu.Unlock()
}

// known returns the client, if it is known.
func (v *visitor) known() (client *Client, err error, isKnown bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.client, v.err, v.isKnown
}

// converse returns the visitor of a conversation of the session: the client of the
// request, or the holder of a token that is shown in the conversation.
func (o *Visit) converse(token string) *visitor {
	if o == nil || o.visitor == nil {
		return nil
	}
	base := o.visitor
	v := &visitor{guard: base.guard}
	if token == "" {
		v.guard = shared{base.guard}
	}
	o.Then(func(err error) {
		client, _, _ := base.known()
		guard, ok := base.guard.(TokenGuard)
		switch {
		case err != nil, token == "", client == nil:
			v.know(client, err)
		case !ok:
			v.know(nil, errTokensWithRequest)
		default:
			guard.IdentifyToken(client, token, v.know)
		}
	})
	return v
}

// errTokensWithRequest refuses a token that a Guard does not want to see later.
var errTokensWithRequest = &access.Refusal{Cause: access.Unauthenticated, Reason: "tokens are shown with the request here"}

// shared is the Guard of a conversation whose client is a Visit's: the conversation may
// end before the Visit.
type shared struct{ Guard }

// Leave implements Guard.
func (shared) Leave(*Client) {}

// IsRefusal reports whether err is a verdict about a client, and not something that
// passes.
func IsRefusal(err error) bool {
	var r *access.Refusal
	return errors.As(err, &r) && (r.Cause == access.Denied || r.Cause == access.Unauthenticated || r.Cause == access.Expired)
}
