package sockjs

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/sockjs/internal/frames"
	"github.com/godwit-io/godwit/sockjs/internal/session"
)

// receiver is a request that waits for frames: the Responder of the request.
type receiver struct {
	engineless
	session *polled // set before anybody else knows it
	format  frames.Format
	fields  fields
	ctx     context.Context // of a request of net/http; nil on a loop

	exchange httpcarrier.Exchange // nil until OnBody; guarded by the session's mu
	carries  bool                 // something of the session is in it; guarded by the session's mu
	begun    bool                 // the response has; belongs to the writer
	isSecond bool                 // there was another receiver; this and isOften belong to the request
	isOften  bool                 // and its client has asked many times
}

// secondPatience is how long a second receiver waits for the end of the first: a client that
// has given up the first may be seen asking again before it is seen leaving.
const secondPatience = 50 * time.Millisecond

// formats are the formats of the transports.
var formats = [transportCount]frames.Kind{
	XHRPolling: frames.Poll, XHRStreaming: frames.Stream, EventSource: frames.Events, HTMLFile: frames.HTMLFile, JSONPPolling: frames.JSONP,
}

var contentTypes = [transportCount]string{
	XHRPolling: typeScript, XHRStreaming: typeScript, EventSource: typeEvents, HTMLFile: typeHTML, JSONPPolling: typeScript,
}

// receive lets a request wait for the frames of a session, which begins if there is none of
// that name.
func (s *Server) receive(r *httpcarrier.Request, base, name string, t Transport) httpcarrier.Route {
	format := frames.Format{Kind: formats[t]}
	if t == HTMLFile || t == JSONPPolling {
		var wrong string
		if format.Callback, wrong = frames.ParseCallback(r.Query()); wrong != "" {
			a := &answer{status: http.StatusInternalServerError, body: []byte(wrong)}
			a.fields = append(a.fields, notCached...)
			a.fields.add("Content-Type", typeText)
			return a.route()
		}
		format.Callback = strings.Clone(format.Callback) // which may be in the memory of the request
	}
	in := &receiver{format: format, fields: s.receiverFields(r, t)}
	if h := r.HTTP(); h != nil {
		in.ctx = h.Context()
	}
	if told, isLater := s.attach(r, in, base, name, t); told != nil {
		return (&notice{format: format, fields: in.fields, frame: told, isLater: isLater}).route()
	}
	return httpcarrier.Route{Responder: in, BodyBytesMax: ignoredBytesMax, EndsWithInput: true, Limits: responseLimits}
}

// attach makes in the receiver of a session, or returns the frame that it is told instead.
func (s *Server) attach(r *httpcarrier.Request, in *receiver, base, name string, t Transport) (told []byte, isLater bool) {
	key := sessionKey(base, name)
	for {
		p, isNew, refusal := s.find(key, in, t)
		switch {
		case refusal != nil:
			return refusal, false
		case isNew:
			p.addr = r.RemoteAddr()
			p.begin(&Request{head: r, base: base, transport: t})
			return nil, false
		}
		v, isOften := p.attach(in)
		p.schedule() // the end of the last receiver may have been noticed
		switch v {
		case isToldOfEnd:
			return p.farewell(), isOften
		case isSecond:
			in.isSecond, in.isOften = true, isOften
		case isUnknown:
			s.remove(p)
			continue
		}
		return nil, false
	}
}

// receiverFields are the header fields of what frames are sent in.
func (s *Server) receiverFields(r *httpcarrier.Request, t Transport) fields {
	f := make(fields, 0, 384)
	f = append(f, notCached...)
	f.add("Content-Type", contentTypes[t])
	switch t {
	case HTMLFile:
	case JSONPPolling:
		f.add("X-Content-Type-Options", "nosniff")
	default:
		f.addCORS(r)
	}
	if !formatOf(t).IsSingle() {
		f.add("X-Accel-Buffering", "no") // nginx would keep data that is to be read now
	}
	if s.o.SetsCookie {
		f.addCookie(r)
	}
	return f
}

func formatOf(t Transport) frames.Format { return frames.Format{Kind: formats[t]} }

// sessionKey names a session within a Server. No path has a NUL.
func sessionKey(base, name string) string { return base + "\x00" + name }

// isReady reports whether something may be written to r, which may be nil.
func (r *receiver) isReady() bool { return r != nil && r.exchange != nil }

// buffered is how many bytes wait in the response of r, which may be nil.
func (r *receiver) buffered() int {
	if !r.isReady() {
		return 0
	}
	return r.exchange.Buffered()
}

// wake has the session run where the response is served; false if there is none.
func (r *receiver) wake() bool {
	if r == nil {
		return false
	}
	r.session.mu.Lock()
	x := r.exchange
	r.session.mu.Unlock()
	if x != nil {
		x.Wake() // or else OnBody comes
	}
	return true
}

// hasGone reports whether the client has left, though OnEnd was not called yet. Over HTTP/2
// a client asks again on the same connection before that is seen.
func (r *receiver) hasGone() bool { return r.ctx != nil && r.ctx.Err() != nil }

// write sends a piece of the response. There is one writer at a time.
func (r *receiver) write(p []byte, isLast bool) error {
	if r.format.IsSingle() {
		return r.exchange.Respond(http.StatusOK, r.fields, p)
	}
	if !r.begun {
		r.begun = true
		if err := r.exchange.Begin(http.StatusOK, r.fields); err != nil {
			return err
		}
		r.fields = nil
	}
	err := r.exchange.Write(p)
	if isLast && err == nil {
		err = r.exchange.End()
	}
	return err
}

// OnBody implements httpcarrier.Responder. The content of the request is of no use.
func (r *receiver) OnBody(x httpcarrier.Exchange, _ []byte) {
	if r.isSecond {
		patience := secondPatience
		if r.isOften {
			patience = noticeDelay
		}
		x.WakeAt(time.Now().Add(patience))
		return
	}
	p := r.session
	p.mu.Lock()
	isIt := p.receiver == r
	if isIt {
		r.exchange = x
	}
	p.mu.Unlock()
	if !isIt {
		x.Abort() // its client was seen leaving
		return
	}
	p.flush(false)
	p.run()
}

// contend asks again whether r can be the receiver.
func (r *receiver) contend(x httpcarrier.Exchange) {
	p := r.session
	told := anotherReceiver
	switch v, _ := p.attach(r); v {
	case isReceiver:
		r.isSecond = false
		r.OnBody(x, nil)
		return
	case isToldOfEnd:
		told = p.farewell()
	case isUnknown:
		told = interrupted
	}
	p.schedule()
	(&notice{format: r.format, fields: r.fields, frame: told}).OnWake(x)
}

var interrupted = frames.AppendClose(nil, uint16(CloseInterrupted), reasonInterrupted)

// OnTooLarge implements httpcarrier.Responder.
func (r *receiver) OnTooLarge(x httpcarrier.Exchange, _ int64) { r.OnBody(x, nil) }

// OnWake implements httpcarrier.Responder.
func (r *receiver) OnWake(x httpcarrier.Exchange) {
	if r.isSecond {
		r.contend(x)
		return
	}
	r.session.run()
}

// OnDrain implements httpcarrier.Responder.
func (r *receiver) OnDrain(httpcarrier.Exchange) {
	r.session.flush(false)
	r.session.run()
}

// OnEnd implements httpcarrier.Responder. A response that was cut has lost something, also
// if everything had been handed over.
func (r *receiver) OnEnd(_ httpcarrier.Exchange, err error) {
	p := r.session
	p.mu.Lock()
	now := time.Now()
	switch {
	case p.receiver == r:
		p.detach(now, err)
	case err != nil && r.carries && p.machine.Phase() == session.Open:
		p.interrupt(now, err)
	}
	p.mu.Unlock()
	p.flush(false)
	p.run()
}
