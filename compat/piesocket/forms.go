package piesocket

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/compat/piesocket/frame"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/ws/wire"
)

// The forms of a publication, each encoded once for all clients. One is nil for a
// publication that would look like an event of the server.
//
// In version 4 a frame of the channel of the URL has no tag, and one of another channel
// has its name, which is the last segment of that in the hub.
var (
	formV3           = hub.NewForm(func(p *hub.Publication) []byte { return encode(p, 3, "") })
	formPrimary      = hub.NewForm(func(p *hub.Publication) []byte { return encode(p, 4, "") })
	formTagged       = hub.NewForm(func(p *hub.Publication) []byte { return encode(p, 4, lastSegment(p.Channel)) })
	formDirect       = hub.NewForm(func(p *hub.Publication) []byte { return encode(p, 4, "") })
	formDirectTagged = hub.NewForm(func(p *hub.Publication) []byte {
		channel, _, _ := strings.Cut(p.Channel, directSegment)
		return encode(p, 4, lastSegment(channel))
	})
)

func lastSegment(channel string) string { return channel[strings.LastIndexByte(channel, '/')+1:] }

// encode is the frame of WebSocket for a publication, with a tag if that is not "".
func encode(p *hub.Publication, version int, tag string) []byte {
	event, isFrame := "", false
	if a := p.Attributes; a != nil {
		event, isFrame = a.Event, a.Shape&hub.ShapeFrame != 0
	}
	if p.Kind == hub.Binary && event == "" {
		if version == 3 {
			return wire.AppendFrame(nil, true, wire.Binary, p.Data)
		}
		event = eventBinary
	} else if isSystem(event) {
		return nil
	}
	text := p.Data
	if event != "" && !isFrame {
		text = frame.Append(make([]byte, 0, len(p.Data)+len(event)+64), event, valueOf(p))
	} else if m, ok := frame.Parse(text); ok {
		switch {
		case isSystem(m.Event):
			return nil
		case m.IsTagged:
			text = frame.AppendUntagged(nil, text)
		}
	} else if tag != "" { // nothing but an object can have one
		text = append([]byte(`{"data":`), valueOf(p)...)
		text = append(text, '}')
	}
	if tag != "" {
		text = frame.AppendTagged(make([]byte, 0, len(text)+len(tag)+32), text, tag)
	}
	return wire.AppendFrame(make([]byte, 0, len(text)+wire.HeaderBytesMax), true, wire.Text, text)
}

// eventBinary has bytes as Base64, for clients of version 4.
const eventBinary = "system::binary"

// valueOf is the payload as one value of JSON.
func valueOf(p *hub.Publication) []byte {
	switch p.Kind {
	case hub.JSON:
		return p.Data
	case hub.Binary:
		b := make([]byte, 0, base64.StdEncoding.EncodedLen(len(p.Data))+2)
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, p.Data)
		return append(b, '"')
	}
	return jsontext.AppendString(nil, p.Data)
}

// quoted is text of the peer made fit for an error.
func quoted(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
	}
	return fmt.Sprintf("%q", s)
}

func tooLong(bytes, most int) string {
	return fmt.Sprintf("the message has %d bytes, and at most %d are possible in this app; it was not published", bytes, most)
}
