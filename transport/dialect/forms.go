package dialect

import (
	"encoding/base64"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// The forms of a publication on the wire. Each is encoded once and shared by
// every client that is owed it.
var (
	formFrame           = hub.NewForm(encodeFrame)        // the bare payload as an unmasked WebSocket frame
	formEnvelope        = hub.NewForm(encodeEnvelope)     // the envelope as an unmasked WebSocket text frame
	formMessage         = hub.NewForm(prepareFrame)       // the same, for connections that compress
	formEnvelopeMessage = hub.NewForm(prepareEnvelope)    // the same
	formEvent           = hub.NewForm(encodeEvent)        // a Server-Sent Event
	formPatternEvent    = hub.NewForm(encodePatternEvent) // the envelope as an event without an id
	formLine            = hub.NewForm(encodeLine)         // the envelope and a line feed
)

func encodeFrame(p *hub.Publication) []byte {
	op := wire.Text
	if p.Kind == hub.Binary {
		op = wire.Binary
	}
	return wire.AppendFrame(make([]byte, 0, wire.HeaderBytesMax+len(p.Data)), true, op, p.Data)
}

func encodeEnvelope(p *hub.Publication) []byte {
	return appendTextFrame(nil, appendEnvelope(make([]byte, 0, envelopeSize(p)), p))
}

func prepareFrame(p *hub.Publication) *driver.Prepared {
	typ := driver.MessageText
	if p.Kind == hub.Binary {
		typ = driver.MessageBinary
	}
	return prepare(typ, p.Data)
}

func prepareEnvelope(p *hub.Publication) *driver.Prepared {
	return prepareText(appendEnvelope(make([]byte, 0, envelopeSize(p)), p))
}

func prepareText(payload []byte) *driver.Prepared { return prepare(driver.MessageText, payload) }

func prepare(typ driver.MessageType, payload []byte) *driver.Prepared {
	m, err := driver.Prepare(typ, payload)
	if err != nil {
		panic("dialect: the hub has text that is not UTF-8") // it refuses that
	}
	return m
}

func encodeEvent(p *hub.Publication) []byte { return appendEvent(make([]byte, 0, envelopeSize(p)), p) }

func encodeLine(p *hub.Publication) []byte {
	return append(appendEnvelope(make([]byte, 0, envelopeSize(p)), p), '\n')
}

// appendTextFrame appends payload as a whole unmasked text frame.
func appendTextFrame(dst, payload []byte) []byte {
	return wire.AppendFrame(dst, true, wire.Text, payload)
}

// envelopeSize is about the length of an encoding: the payload and what is
// around it, with room for a few escapes.
func envelopeSize(p *hub.Publication) int {
	size := len(p.Data) + len(p.Data)/16
	if p.Kind == hub.Binary {
		size = base64.StdEncoding.EncodedLen(len(p.Data))
	}
	return size + len(p.Channel) + 128
}
