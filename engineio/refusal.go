package engineio

import (
	"net/http"
	"strconv"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// problem is an error of the protocol.
type problem struct {
	status  int
	code    int
	message string
	fields  []byte // more of the answer
	header  http.Header
}

// The errors of the protocol. Clients know the codes.
var (
	problemTransport = &problem{status: http.StatusBadRequest, code: 0, message: "Transport unknown"}
	problemSID       = &problem{status: http.StatusBadRequest, code: 1, message: "Session ID unknown"}
	problemMethod    = &problem{status: http.StatusBadRequest, code: 2, message: "Bad handshake method"}
	problemRequest   = &problem{status: http.StatusBadRequest, code: 3, message: "Bad request"}
	problemForbidden = &problem{status: http.StatusForbidden, code: 4, message: "Forbidden"}
	problemVersion   = &problem{status: http.StatusBadRequest, code: 5, message: "Unsupported protocol version"}

	// A client that gets one of these tries again later.
	problemFull = &problem{status: http.StatusServiceUnavailable, code: 4, message: "Too many sessions",
		header: http.Header{"Retry-After": {"5"}}, fields: []byte("Retry-After: 5\r\n")}
	problemBusy = &problem{status: http.StatusServiceUnavailable, code: 4, message: "The server is overloaded or ends",
		header: http.Header{"Retry-After": {"5"}}, fields: []byte("Retry-After: 5\r\n")}
	problemUndecided = &problem{status: http.StatusServiceUnavailable, code: 4, message: "The server could not decide in time",
		header: http.Header{"Retry-After": {"5"}}, fields: []byte("Retry-After: 5\r\n")}
)

// problemOf returns the problem of a verdict about a request, nil if it is accepted.
func problemOf(v session.Verdict) *problem {
	switch v {
	case session.Unknown:
		return problemSID
	case session.Misplaced, session.Overlaps:
		return problemRequest
	}
	return nil
}

// problem is the refusal that v is, nil if it is none. What has no status of a response
// counts as a refusal, too.
func (v *Verdict) problem() *problem {
	if v.Status == 0 {
		return nil
	}
	p := &problem{status: v.Status, code: problemForbidden.code, message: v.Message, header: v.Header}
	if p.message == "" {
		p.message = problemForbidden.message
	}
	if p.status < 400 || p.status > 599 {
		p.status = problemForbidden.status
	}
	p.fields = appendHeader(nil, v.Header)
	return p
}

// appendHeader appends the fields of h, without the fields that may not be set.
func appendHeader(dst []byte, h http.Header) []byte {
	for name, values := range h {
		for _, value := range values {
			dst, _ = engine.AppendField(dst, name, value) // on an error dst is as it was
		}
	}
	return dst
}

// body is the problem as JSON.
func (p *problem) body() []byte {
	b := strconv.AppendInt([]byte(`{"code":`), int64(p.code), 10)
	b = append(b, `,"message":`...)
	b = jsontext.AppendString(b, p.message)
	return append(b, '}')
}

// refuse answers a request with a problem.
func (s *Server) refuse(x httpcarrier.Exchange, p *problem, fields []byte) {
	s.note(p)
	fields = append(json.with(fields), p.fields...)
	_ = x.Respond(p.status, fields, p.body()) // an error is of a client that has gone
}

// admission is the refusal of an opening handshake.
func (s *Server) refusal(p *problem) httpcarrier.Admission {
	s.note(p)
	h := http.Header{"Connection": {"close"}}
	for name, values := range p.header {
		h[name] = values
	}
	return httpcarrier.Admission{Status: p.status, Fields: h, Body: []byte(p.message)}
}

// note counts a refusal.
func (s *Server) note(p *problem) {
	s.table.refused.Add(1)
	if p == problemSID {
		s.table.unknown.Add(1)
	}
}

// refused is a request that is answered with a problem.
type refused struct {
	server  *Server
	problem *problem
	fields  []byte
}

// refusedBytesMax is how much content of a refused request is read, so that its connection
// can be used again.
const refusedBytesMax = 64 << 10

func (r *refused) OnBody(x httpcarrier.Exchange, _ []byte) { r.server.refuse(x, r.problem, r.fields) }

func (r *refused) OnTooLarge(x httpcarrier.Exchange, _ int64) {
	r.server.refuse(x, r.problem, r.fields)
}

func (r *refused) OnWake(httpcarrier.Exchange) {}

func (r *refused) OnDrain(httpcarrier.Exchange) {}

func (r *refused) OnEnd(httpcarrier.Exchange, error) {}
