package dialect

import (
	"unicode/utf8"

	"github.com/centrifugal/fdelta"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/driver"
)

// deltas are the subscriptions of a session that are sent deltas (docs/protocol.md §8):
// for each channel the position of what was sent last, zero for nothing that a delta
// could be of.
type deltas map[string]*hub.Position

// follow notes the outcome of a subscription, or of its end.
func (s *Session) followDeltas(o *hub.Outcome) {
	switch {
	case o.Err != nil:
	case o.Command == hub.CommandSubscribe && o.Deltas:
		if s.deltas == nil {
			s.deltas = deltas{}
		}
		s.deltas[o.Channel] = &hub.Position{}
	case o.Command == hub.CommandSubscribe, o.Command == hub.CommandUnsubscribe:
		delete(s.deltas, o.Channel)
	}
}

// forget has the next publication of a channel come whole.
func (d deltas) forget(channel string) {
	if last := d[channel]; last != nil {
		*last = hub.Position{}
	}
}

// deltaForms are the forms of a publication for sessions with deltas.
type deltaForms[T any] struct {
	delta *hub.Form[*based[T]] // nil where the whole is sent to everybody
	whole *hub.Form[T]
}

// based is a delta on the wire, and what it is a delta of.
type based[T any] struct {
	base hub.Position
	form T
}

// newDeltaForms returns forms that stand on a carrier as wrap makes them.
func newDeltaForms[T any](isCBOR bool, wrap func(object []byte) T) *deltaForms[T] {
	return &deltaForms[T]{
		delta: hub.NewDeltaForm(func(d *hub.Delivery) *based[T] {
			delta := formDelta.Of(d)
			if delta == nil {
				return nil
			}
			w := writer{b: make([]byte, 0, len(delta)+len(delta)/8+len(d.Channel)+128), isCBOR: isCBOR}
			w.envelopeDelta(d.Publication, delta)
			return &based[T]{d.Base().Position, wrap(w.b)}
		}),
		whole: hub.NewForm(func(p *hub.Publication) T {
			w := writer{b: make([]byte, 0, envelopeSize(p)), isCBOR: isCBOR}
			w.envelopeWhole(p)
			return wrap(w.b)
		}),
	}
}

// of returns the form for a client whose newest publication is last, and makes d the
// newest.
func (f *deltaForms[T]) of(d *hub.Delivery, last *hub.Position) T {
	base := *last
	*last = d.Position
	if delta := f.delta.Of(d); delta != nil && delta.base == base {
		return delta.form
	}
	return f.whole.Of(d)
}

// formDelta is the delta itself, made once for all encodings. It is nil where it would
// not pay.
var formDelta = hub.NewDeltaForm(func(d *hub.Delivery) []byte {
	base := d.Base()
	if base == nil || len(base.Data) == 0 || len(base.Data) > deltaBytesMax || len(d.Data) > deltaBytesMax {
		return nil
	}
	delta := fdelta.Create(base.Data, d.Data)
	if len(delta)*100 > len(d.Data)*deltaPercentMax {
		return nil
	}
	return delta
})

const (
	deltaPercentMax = 80      // of the whole; a longer delta does not pay for its making
	deltaBytesMax   = 1 << 20 // making one of a longer payload takes too long in the middle of a fan-out
)

var kindNames = [...]string{hub.Text: "text", hub.Binary: "binary", hub.JSON: "json"}

// envelopeDelta writes an envelope with a delta in the place of the payload.
func (w *writer) envelopeDelta(p *hub.Publication, delta []byte) {
	outer := w.begin()
	w.envelopeHead(p)
	w.text(clientproto.KeyKind, kindNames[p.Kind])
	if !w.isCBOR && utf8.Valid(delta) {
		w.text(clientproto.KeyDelta, string(delta))
	} else {
		w.bytes(clientproto.KeyDelta, delta)
	}
	w.end(outer)
}

// envelopeWhole writes an envelope whose payload the client can keep as the base of a
// delta: in JSON, a value of JSON is a string that has its text.
func (w *writer) envelopeWhole(p *hub.Publication) {
	outer := w.begin()
	w.envelopeHead(p)
	if p.Kind == hub.JSON && !w.isCBOR {
		w.text(clientproto.KeyKind, kindNames[p.Kind])
		w.data(hub.Text, p.Data)
	} else {
		w.data(p.Kind, p.Data)
	}
	w.end(outer)
}

// The forms for clients with deltas.
var (
	deltaFrames     = newDeltaForms(false, func(object []byte) []byte { return appendTextFrame(nil, object) })
	deltaLines      = newDeltaForms(false, func(object []byte) []byte { return append(object, '\n') })
	deltaEvents     = newDeltaForms(false, func(object []byte) []byte { return appendObjectEvent(nil, object) })
	deltaObjects    = newDeltaForms(false, func(object []byte) []byte { return object })
	deltaFramesCBOR = newDeltaForms(true, func(object []byte) []byte { return appendBinaryFrame(nil, object) })
	deltaPrepared   = newDeltaForms(false, func(object []byte) *driver.Prepared { return prepareText(object) })
)
