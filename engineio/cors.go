package engineio

import (
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpcarrier"
)

// contentType is the head of an answer: the fields that depend on what it is.
type contentType string

// None of the answers may be kept by anybody.
const (
	text8  contentType = "Content-Type: text/plain; charset=UTF-8\r\nCache-Control: no-store\r\n"
	octets contentType = "Content-Type: application/octet-stream\r\nCache-Control: no-store\r\n"
	html   contentType = "Content-Type: text/html\r\nCache-Control: no-store\r\n"
	json   contentType = "Content-Type: application/json\r\nCache-Control: no-store\r\n"
)

// with returns the fields of t and others.
func (t contentType) with(others []byte) []byte {
	fields := make([]byte, 0, len(t)+len(others))
	fields = append(fields, t...)
	return append(fields, others...)
}

// corsMaxAge is for how many seconds a browser keeps the answer to a preflight; the most
// that Chromium does.
const corsMaxAge = "7200"

// allowsOrigin asks the one policy about the page behind a request, and returns the fields
// that let it see the answer.
func (s *Server) allowsOrigin(head *httpcarrier.Request) (fields []byte, ok bool) {
	origins := head.Values("Origin")
	if len(origins) == 0 {
		return nil, true // no page, or a page that may see it anyway
	}
	origin, policy := origins[0], s.options.Origins
	if len(origins) > 1 || !policy.Allow(origin, head.Host(), head.IsSecure()) {
		return nil, false
	}
	if origin == "" {
		return nil, true
	}
	trusted := policy.Trusts(origin, head.Host(), head.IsSecure())
	if !trusted && policy.Any() {
		origin = "*"
	}
	fields, err := engine.AppendField(nil, "Access-Control-Allow-Origin", origin)
	if err != nil {
		return nil, false
	}
	if trusted {
		fields = append(fields, "Access-Control-Allow-Credentials: true\r\n"...)
	}
	return append(fields, "Vary: Origin\r\n"...), true
}

// preflight is the answer to OPTIONS.
func (s *Server) preflight(head *httpcarrier.Request, fields []byte) httpcarrier.Route {
	fields = append(fields, "Access-Control-Allow-Methods: GET, POST\r\nAccess-Control-Max-Age: "+corsMaxAge+"\r\n"...)
	if asked := strings.Join(head.Values("Access-Control-Request-Headers"), ", "); asked != "" {
		fields, _ = engine.AppendField(fields, "Access-Control-Allow-Headers", asked) // on an error they are as they were
	}
	return httpcarrier.Route{Responder: &allowed{fields: fields}, BodyBytesMax: refusedBytesMax}
}

// allowed is a request for the allowed methods and fields.
type allowed struct{ fields []byte }

func (a *allowed) OnBody(x httpcarrier.Exchange, _ []byte) {
	_ = x.Respond(http.StatusNoContent, a.fields, nil) // an error is of a client that has gone
}

func (a *allowed) OnTooLarge(x httpcarrier.Exchange, _ int64) { a.OnBody(x, nil) }

func (a *allowed) OnWake(httpcarrier.Exchange) {}

func (a *allowed) OnDrain(httpcarrier.Exchange) {}

func (a *allowed) OnEnd(httpcarrier.Exchange, error) {}
