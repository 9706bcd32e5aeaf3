package socketio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/socketio/packet"
)

// messageEvent is the event of socket.send, and what a publication without an event is
// to clients.
const messageEvent = "message"

// attachmentKey is the only member of the object that stands for bytes in JSON, see
// hub.ShapeAttachments.
const attachmentKey = "$base64"

// publicationOf is the publication in a channel that an event with args is. It copies
// what it needs of both. attachments are what placeholders in args stand for. An event
// without a name and a placeholder that stands for nothing are errors.
//
//	("hello")             text
//	(Buffer)              bytes
//	({"a":1})             JSON
//	(), (1,2)             JSON, an array of a shape that says so
//	({"file":Buffer})     JSON, with {"$base64":"…"} and a shape that says so
func publicationOf(channel, event string, args packet.Args, attachments [][]byte) (hub.Message, error) {
	if event == "" {
		// To everybody else a publication without an event's name has none, and comes back as a message.
		return hub.Message{}, &eventError{event, "it has no name; socket.send sends without one"}
	}
	m := hub.Message{Channel: channel}
	var shape hub.Shape
	switch only, count := soleArg(args); {
	case count != 1:
		shape = hub.ShapeArgs
		m.Kind, m.Data = hub.JSON, args.AppendArray(make([]byte, 0, len(args)+2))
	case len(attachments) == 1 && isPlaceholder(only):
		m.Kind, m.Data = hub.Binary, bytes.Clone(attachments[0])
		if m.Data == nil {
			m.Data = []byte{}
		}
		attachments = nil
	default:
		m.Kind, m.Data = payloadOf(only)
	}
	if len(attachments) > 0 {
		shape |= hub.ShapeAttachments
		size := len(args) + 2
		for _, a := range attachments {
			size += base64.StdEncoding.EncodedLen(len(a))
		}
		data := make([]byte, 0, size)
		if shape&hub.ShapeArgs != 0 {
			data = append(data, '[')
		}
		data, err := packet.AppendExpanded(data, args, attachments, packet.AppendBase64Object(attachmentKey))
		if err != nil {
			return hub.Message{}, err
		}
		if shape&hub.ShapeArgs != 0 {
			data = append(data, ']')
		}
		m.Kind, m.Data = hub.JSON, data
	}
	if event == messageEvent {
		event = ""
	}
	if event != "" || shape != 0 {
		m.Attributes = &hub.Attributes{Event: strings.Clone(event), Shape: shape}
	}
	return m, nil
}

// soleArg returns how many arguments there are, 2 for more than that, and the first one.
func soleArg(args packet.Args) (first []byte, count int) {
	for arg := range args.All() {
		if count++; count == 2 {
			break
		}
		first = arg
	}
	return first, count
}

func isPlaceholder(arg []byte) bool {
	_, ok := packet.IsPlaceholder(arg)
	return ok
}

// payloadOf is one argument as a payload: text, if it is a string that text can be.
func payloadOf(arg []byte) (hub.Kind, []byte) {
	if len(arg) < 2 || arg[0] != '"' {
		return hub.JSON, bytes.Clone(arg)
	}
	if inside := arg[1 : len(arg)-1]; bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return hub.Text, append(make([]byte, 0, len(inside)), inside...)
	}
	// Half of a surrogate pair, which a string of JavaScript can have, is no text. It stays
	// what it is as JSON.
	text, ok := stringOf(arg)
	if !ok || strings.ContainsRune(text, utf8.RuneError) {
		return hub.JSON, bytes.Clone(arg)
	}
	return hub.Text, []byte(text)
}

// stringOf is the text of an argument that is a string.
func stringOf(arg []byte) (text string, ok bool) {
	if len(arg) == 0 || arg[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(arg, &text) == nil
}

// roomArg is the argument at index n as the name of a room: a string, or a number as it
// is written.
func roomArg(args packet.Args, n int) (room string, ok bool) {
	i := 0
	for arg := range args.All() {
		if i++; i <= n {
			continue
		}
		if text, isString := stringOf(arg); isString {
			return text, text != ""
		}
		if c := arg[0]; c >= '0' && c <= '9' || c == '-' {
			return string(arg), true
		}
		return "", false
	}
	return "", false
}

// without are the arguments but the one at index n.
func without(args packet.Args, n int) (rest packet.Args) {
	i := 0
	for arg := range args.All() {
		if i != n {
			rest = rest.AppendArg(arg)
		}
		i++
	}
	return rest
}
