package transport

import (
	"net/http"
	"sync"

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

// postExchange is an exchange whose dialect is known. It is used again for another request, if
// nobody can have it any more:
//
//	Route ─► OnBody ─► hub ─► Published, telling ─► answer ─► OnEnd ─► spare
type postExchange struct {
	briefExchange
	post dialect.Post
}

var sparePosts = sync.Pool{New: func() any {
	p := new(postExchange)
	p.conversation.wake = p.wakeUp
	return p
}}

// OnEnd implements engine.Responder.
func (p *postExchange) OnEnd(x engine.Exchange, err error) {
	p.exchangeCarrier.OnEnd(x, err)
	// A Guard that decides late, and a hub that is about to tell the outcome of what its
	// client did not wait for, call it yet.
	if p.visitor != nil || p.telling.Load() != 0 {
		return
	}
	wake := p.conversation.wake
	*p = postExchange{}
	p.conversation.wake = wake
	sparePosts.Put(p)
}

func (t *Transport) newExchange(d *decision) engine.Responder {
	if d.isPost {
		p := sparePosts.Get().(*postExchange)
		p.post.Message, p.briefExchange.asker = d.message, d.asker
		p.exchangeCarrier.asker = &p.briefExchange.asker
		p.t, p.dialect, p.visitor = t, &p.post, d.visitor
		return p
	}
	var s *exchangeCarrier
	if stream, ok := d.dialect.(*dialect.Stream); ok && isHeld(stream) {
		s = &exchangeCarrier{asker: new(d.asker)}
	} else {
		brief := &briefExchange{asker: d.asker}
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
