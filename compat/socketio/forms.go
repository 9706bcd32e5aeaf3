package socketio

import (
	"bytes"
	"slices"

	"github.com/godwit-io/godwit/compat/piesocket/frame"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/socketio/packet"
)

// forms are what publications are to clients, each encoded once for all of them: as
// frames of a WebSocket of Engine.IO, the text of a packet and behind it its attachments.
type forms struct {
	main      string
	hasOffset bool // each event has its offset as one more argument, for recovery

	own  *hub.Form[[]byte] // in the namespace of the channel
	room *hub.Form[[]byte] // in the namespace of which the channel is a room
	echo *hub.Form[[]byte] // of Laravel Echo: in the namespace "/", with the channel before the data
}

func newForms(main string, hasOffset bool) *forms {
	f := &forms{main: main, hasOffset: hasOffset}
	f.own = hub.NewForm(func(p *hub.Publication) []byte { return f.encode(p, namespaceOf(p.Channel, main)) })
	f.room = hub.NewForm(func(p *hub.Publication) []byte { return f.encode(p, namespaceOf(parentOf(p.Channel), main)) })
	f.echo = hub.NewForm(f.encodeEcho)
	return f
}

// encode is p as an event of a namespace.
func (f *forms) encode(p *hub.Publication, namespace string) []byte {
	out := eventOf(p)
	out.Namespace = namespace
	if f.hasOffset {
		out.Args = slices.Clip(out.Args).AppendString(offsetOf(p, namespace, f.main)) // it may be a part of the payload
	}
	return joined(&out)
}

// encodeEcho is p as Laravel Echo has it: the event with the channel and the data. Others
// may publish under any name; a name that would be taken for the server's is none.
func (f *forms) encodeEcho(p *hub.Publication) []byte {
	out := eventOf(p)
	if isOfEcho(out.Event) {
		out.Event = messageEvent
	}
	out.Namespace = packet.Main
	args := packet.Args(nil).AppendString(p.Channel)
	if len(out.Args) == 0 {
		out.Args = packet.Args("null")
	}
	out.Args = args.AppendArg(out.Args)
	if f.hasOffset {
		out.Args = out.Args.AppendString(offsetOf(p, packet.Main, f.main))
	}
	return joined(&out)
}

// joined are the frames of a packet, one behind another.
func joined(p *packet.Packet) []byte {
	frames := p.Frames()
	if len(frames) == 1 {
		return frames[0]
	}
	return bytes.Join(frames, nil)
}

// eventOf is the event that a publication is to clients, without a namespace. A name
// that means something else to clients is taken for none: they end their connection over
// it.
func eventOf(p *hub.Publication) (e packet.Packet) {
	e.Type, e.Event = packet.Event, messageEvent
	var shape hub.Shape
	if a := p.Attributes; a != nil {
		shape = a.Shape
		if a.Event != "" && !packet.IsReserved(a.Event) {
			e.Event = a.Event
		}
	}
	switch p.Kind {
	case hub.Binary:
		e.Args, e.Attachments = packet.Args(nil).AppendPlaceholder(0), [][]byte{p.Data}
	case hub.JSON:
		e.Args = argsOf(p.Data, shape)
		if shape&hub.ShapeAttachments != 0 {
			e.Args, e.Attachments = packet.AppendCollected(make([]byte, 0, len(e.Args)), e.Args, attachmentKey, nil)
		}
	default:
		e.Args = jsontext.AppendString(make([]byte, 0, len(p.Data)+len(p.Data)/16+2), p.Data)
	}
	return e
}

// argsOf are the arguments that a payload of JSON is.
func argsOf(data []byte, shape hub.Shape) packet.Args {
	if shape&hub.ShapeArgs != 0 {
		if args, err := packet.ParseArgs(data); err == nil {
			return args
		}
	}
	if shape&hub.ShapeFrame != 0 {
		if payload, ok := frame.Payload(data); ok {
			return packet.Args(payload)
		}
	}
	return packet.Args(bytes.TrimSpace(data))
}

// offsetOf is the offset of p for its clients: its position, and in a room or in a
// channel of Laravel Echo also which channel, as positions of several can be alike.
func offsetOf(p *hub.Publication, namespace, main string) string {
	if namespaceOf(p.Channel, main) == namespace {
		return p.Position.String()
	}
	return p.Position.String() + " " + p.Channel
}
