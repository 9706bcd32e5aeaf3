package transport

import (
	"net/http"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/transport/dialect"
)

// Route is the engine.Server.Route of the paths that a Transport serves; others get
// the zero Route. Streams, pages, long polls and publications are served on the
// loops then.
func (t *Transport) Route(r *engine.Request) engine.Route {
	if _, ok := t.routeOf(r.Path()); !ok {
		return engine.Route{}
	}
	var d decision
	a := askedLoop(r)
	why := r.Fault()
	if why != nil {
		d = t.unavailable(&a, why)
	} else {
		d = t.decide(&a)
	}
	if d.response == nil {
		d.visitor = t.visitOf(&d, &a, false)
	}
	route := engine.Route{IsRefusal: why != nil, Limits: t.limits, BodyBytesMax: engine.NoBody, EndsWithInput: true}
	switch {
	case d.response != nil:
		route.Responder = &answerer{response: d.response}
		if !d.response.isLast {
			route.BodyBytesMax = int64(t.o.BodyBytesMax) // the connection goes on behind it
		}
		route.EndsWithInput = false
	case d.content != nil:
		route.Responder = t.newExchange(&d)
		route.BodyBytesMax = int64(t.o.SessionBytesMax)
		route.EndsWithInput = false
	case d.isPost:
		route.Responder = t.newExchange(&d)
		route.BodyBytesMax = int64(t.o.BodyBytesMax)
		// A client that has sent all of its request may close its half. It is answered
		// all the same.
		route.EndsWithInput = false
	default:
		route.Responder = t.newExchange(&d)
	}
	return route
}

// briefExchange is an exchange that ends with its answer, and its asker.
type briefExchange struct {
	exchangeCarrier
	asker asker
}

// postExchange is one whose dialect is known.
type postExchange struct {
	briefExchange
	post dialect.Post
}

func (t *Transport) newExchange(d *decision) *exchangeCarrier {
	var s *exchangeCarrier
	if stream, ok := d.dialect.(*dialect.Stream); ok && isHeld(stream) {
		s = &exchangeCarrier{asker: new(d.asker)}
	} else {
		var brief *briefExchange
		if d.isPost {
			one := &postExchange{post: dialect.Post{Message: d.message}}
			brief, d.dialect = &one.briefExchange, &one.post
		} else {
			brief = new(briefExchange)
		}
		brief.asker = d.asker
		s = &brief.exchangeCarrier
		s.asker = &brief.asker
	}
	s.conversation.t, s.conversation.dialect, s.conversation.wake, s.visitor = t, d.dialect, s.wakeUp, d.visitor
	return s
}

// Admit is the engine.Server.Admit of the paths that a Transport serves: handshakes
// for others are left to Server.HTTP. Channels are WebSockets on the loops then.
// The Server's Origins must be those of the Transport.
func (t *Transport) Admit(r *engine.Request) engine.Admission {
	if _, ok := t.routeOf(r.Path()); !ok {
		return engine.Admission{HTTP: true}
	}
	asked := askedLoop(r)
	d := t.decideSocket(&asked)
	if d.response != nil {
		return admission(d.response)
	}
	d.visitor = t.visitOf(&d, &asked, true)
	a, _ := t.openOnLoop(&d)
	return a
}

// admission refuses a handshake with a response.
func admission(out *response) engine.Admission {
	a := engine.Admission{Status: out.status, Body: out.body, Header: make(http.Header, len(out.fields))}
	for _, f := range out.fields {
		if f.name == "Content-Type" {
			a.ContentType = f.value
			continue
		}
		a.Header.Set(f.name, f.value)
	}
	return a
}
