package dialect

import (
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// appendEnvelope appends p as one line of JSON, without a line end:
//
//	{"channel":"chat","position":"f3Zb:17","time":"2026-11-21T09:30:00.5Z","data":"hello"}
//
// Text is a JSON string, JSON is the value itself without the white space
// between its tokens, and Binary is "data_base64" instead of "data", as in
// CloudEvents. "event", "user" and "key" stand before it when there are any, and
// "args", "attachments" and "framed" when the payload has such a shape.
func appendEnvelope(dst []byte, p *hub.Publication) []byte {
	w := writer{b: dst}
	w.envelope(p)
	return w.b
}

// envelope writes p.
func (w *writer) envelope(p *hub.Publication) {
	outer := w.begin()
	w.envelopeHead(p)
	w.data(p.Kind, p.Data)
	w.end(outer)
}

// envelopeHead writes the part before the payload.
func (w *writer) envelopeHead(p *hub.Publication) {
	w.text(clientproto.KeyChannel, p.Channel)
	w.position(clientproto.KeyPosition, p.Position)
	w.time(clientproto.KeyTime, p.Time)
	if a := p.Attributes; a != nil {
		w.textIfAny(clientproto.KeyEvent, a.Event)
		w.textIfAny(clientproto.KeyUser, a.User)
		w.textIfAny(clientproto.KeyKey, a.Key)
		w.shape(a.Shape)
	}
}

// shape writes true for each bit, and nothing else.
func (w *writer) shape(s hub.Shape) {
	if s == 0 {
		return
	}
	if s&hub.ShapeArgs != 0 {
		w.bool(clientproto.KeyArgs, true)
	}
	if s&hub.ShapeAttachments != 0 {
		w.bool(clientproto.KeyAttachments, true)
	}
	if s&hub.ShapeFrame != 0 {
		w.bool(clientproto.KeyFramed, true)
	}
}

// appendGap appends {"from":…,"to":…}. From is null when it is not known what the client had.
// Where nothing was lost, "reason" says why it was left out, and "count" how many publications
// that were.
func appendGap(dst []byte, g *hub.Gap) []byte {
	w := writer{b: dst}
	w.gap(g)
	return w.b
}

// gap writes what appendGap describes.
func (w *writer) gap(g *hub.Gap) {
	outer := w.begin()
	w.position(clientproto.KeyFrom, g.From)
	w.position(clientproto.KeyTo, g.To)
	if g.Reason != hub.GapLost {
		w.text(clientproto.KeyReason, g.Reason.String())
	}
	if g.Count > 0 {
		w.int(clientproto.KeyCount, g.Count)
	}
	w.end(outer)
}

// AppendPosition appends a position as a JSON string, null for no place at all.
// The characters of a position need no escape.
func AppendPosition(dst []byte, p hub.Position) []byte {
	if p.IsZero() {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = p.AppendTo(dst)
	return append(dst, '"')
}
