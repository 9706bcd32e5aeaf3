package sockjs

import (
	"math"
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/sockjs/internal/frames"
)

// sender is the Responder of a request that sends.
type sender struct {
	engineless
	server      *Server
	key         string
	contentType string // of jsonp_send
	fields      fields
	isJSONP     bool
}

// send hands on the messages of a request.
func (s *Server) send(r *httpcarrier.Request, base, name string, e endpoint) httpcarrier.Route {
	in := &sender{server: s, key: sessionKey(base, name), isJSONP: e.isJSONP, fields: make(fields, 0, 256)}
	in.fields = append(in.fields, notCached...)
	in.fields.add("Content-Type", typeText)
	if e.isJSONP {
		in.contentType = strings.Clone(r.Get("Content-Type"))
		in.fields.add("X-Content-Type-Options", "nosniff")
	} else {
		in.fields.addCORS(r)
	}
	if s.o.SetsCookie {
		in.fields.addCookie(r)
	}
	return httpcarrier.Route{Responder: in, BodyBytesMax: min(s.o.BodyBytesMax, math.MaxInt-1)}
}

// OnBody implements httpcarrier.Responder.
func (in *sender) OnBody(x httpcarrier.Exchange, body []byte) {
	p := in.server.lookup(in.key)
	if p == nil {
		_ = x.Respond(http.StatusNotFound, in.fields, []byte(notFoundText))
		return
	}
	batch := batches.get()
	err := in.parse(batch, body)
	switch {
	case err == frames.ErrTooMany, err == nil && batch.Longest() > in.server.o.MessageBytesMax:
		in.OnTooLarge(x, 0)
	case err == frames.ErrPayload:
		_ = x.Respond(http.StatusInternalServerError, in.fields, []byte("Payload expected.\n"))
	case err != nil:
		_ = x.Respond(http.StatusInternalServerError, in.fields, []byte("Broken JSON encoding.\n"))
	default:
		in.server.received.Add(uint64(batch.Len()))
		d := &delivery{batch: batch, exchange: x, fields: in.fields, isJSONP: in.isJSONP}
		if status := p.take(d); status != 0 {
			d.answer(status)
		}
		p.run()
		return
	}
	batches.put(batch)
}

// OnTooLarge implements httpcarrier.Responder.
func (in *sender) OnTooLarge(x httpcarrier.Exchange, _ int64) {
	_ = x.Respond(http.StatusRequestEntityTooLarge, in.fields, []byte("The message is longer than is taken here.\n"))
}

// parse reads the messages.
func (in *sender) parse(b *frames.Batch, body []byte) error {
	if in.isJSONP {
		var err error
		if body, err = frames.ParseForm(body, in.contentType); err != nil {
			return err
		}
	}
	return frames.ParseMessages(b, body)
}
