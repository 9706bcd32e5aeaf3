package httpcarrier

import "github.com/godwit-io/godwit/engine"

// OnLoop is r as an event loop carries it out, which costs one allocation for the
// request and none for what happens in it. Without a Responder it gives the request to
// the Server's HTTP.
func (r Route) OnLoop() engine.Route {
	if r.Responder == nil {
		return engine.Route{}
	}
	return engine.Route{
		Responder:     &loopExchange{responder: r.Responder},
		BodyBytesMax:  int64(r.BodyBytesMax),
		EndsWithInput: r.EndsWithInput,
		Limits:        r.Limits,
	}
}

// loopExchange is an Exchange on a loop, and the engine.Responder that makes it one.
// An engine.Exchange would have to be copied to the heap for each call that is given it as
// an Exchange.
type loopExchange struct {
	engine.Exchange // set before the responder knows it
	responder       Responder
}

// OnBody implements engine.Responder.
func (x *loopExchange) OnBody(e engine.Exchange, body []byte) {
	x.Exchange = e
	x.responder.OnBody(x, body)
}

// OnTooLarge implements engine.Responder.
func (x *loopExchange) OnTooLarge(e engine.Exchange, length int64) {
	x.Exchange = e
	x.responder.OnTooLarge(x, length)
}

// OnWake implements engine.Responder.
func (x *loopExchange) OnWake(engine.Exchange) { x.responder.OnWake(x) }

// OnDrain implements engine.Responder.
func (x *loopExchange) OnDrain(engine.Exchange) { x.responder.OnDrain(x) }

// OnEnd implements engine.Responder.
func (x *loopExchange) OnEnd(e engine.Exchange, err error) {
	if x.Exchange == (engine.Exchange{}) {
		x.Exchange = e // its content has not arrived
	}
	x.responder.OnEnd(x, err)
}
