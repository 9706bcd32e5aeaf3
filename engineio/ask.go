package engineio

import (
	"net/http"

	"github.com/godwit-io/godwit/internal/httpcarrier"
)

// asked is the wish of a request.
type asked struct {
	head      *httpcarrier.Request
	version   int
	transport Transport
	base64    bool
	socket    *Socket // nil in a handshake
	fields    []byte  // of any answer, what its origin makes necessary
}

// ask judges the head of a request. Its faults are found in the order in which the
// reference server looks.
func (s *Server) ask(head *httpcarrier.Request) (a asked, wrong *problem) {
	a.head = head
	fields, allowed := s.allowsOrigin(head)
	a.fields = fields
	q := parseQuery(head.Query())
	isUpgrade := head.IsUpgrade()
	switch {
	case q.transport == "polling" && s.polls:
		a.transport = Polling
	case q.transport == "websocket" && s.sockets:
		a.transport = WebSocket
	default:
		return a, problemTransport
	}
	if !allowed {
		return a, problemForbidden
	}
	switch q.version {
	case "4":
		a.version = 4
	case "3":
		a.version = 3
	}
	a.base64 = q.base64
	if q.sid == "" {
		return a, s.askHandshake(&a, &q, isUpgrade)
	}
	id, ok := s.sidOf(q.sid)
	if ok {
		a.socket = s.table.get(id)
	}
	if a.socket == nil {
		return a, problemSID
	}
	version, on, hasEnded := a.socket.now()
	switch {
	case hasEnded:
		return a, problemSID
	case isUpgrade != (a.transport == WebSocket), a.version != version, q.jsonp, a.transport == Polling && on != Polling:
		return a, problemRequest
	}
	switch head.Method() {
	case http.MethodGet, http.MethodPost:
		return a, nil
	}
	return a, problemMethod
}

func (s *Server) askHandshake(a *asked, q *query, isUpgrade bool) *problem {
	switch {
	case a.head.Method() != http.MethodGet:
		return problemMethod
	case isUpgrade != (a.transport == WebSocket), q.jsonp:
		return problemRequest
	case a.version == 0, a.version == 3 && !s.options.AllowEIO3:
		return problemVersion
	}
	return s.table.mayAdd()
}

// judgement is what Options.Allow decides about a handshake.
func (s *Server) judge(a *asked) *decision {
	d := &decision{}
	if s.options.Allow == nil {
		d.decide(Verdict{})
		return d
	}
	s.options.Allow(&Request{head: a.head, version: a.version, transport: a.transport}, d.decide)
	return d
}
