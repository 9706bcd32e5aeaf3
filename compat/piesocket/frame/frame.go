package frame

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/godwit-io/godwit/internal/jsontext"
)

// The names of members that mean something.
const (
	keyEvent   = "event"
	keyData    = "data"
	keyMeta    = "meta"
	keyChannel = "system::channel"
	keyTo      = "system::to"
)

// Frame is the content of a message, as far as a server has to know it. Its slices are parts of
// the message. Where a member is there several times the last one counts, as it does to
// JavaScript.
type Frame struct {
	Event string // "" if there is none, or it is no text
	Data  []byte // one JSON value, nil if there is none
	Meta  []byte // the same

	// Channel is which of the channels of a socket a frame of version 4 is of. It is ""
	// for that of the URL.
	Channel string

	// To is the user that a frame of version 4 goes to, "" for everybody.
	To string

	// IsPlain says that there is nothing but an event, data or both: to others it is
	// data with an event.
	IsPlain bool

	// IsTagged says that there is a member system::channel, whatever is in it.
	IsTagged bool
}

// Parse reads a message. ok is false if it is no JSON object in UTF-8: clients may send
// anything.
func Parse(b []byte) (f Frame, ok bool) {
	if !isObject(b) {
		return Frame{}, false
	}
	f.IsPlain = true
	for m := range members(b) {
		switch m.name {
		case keyEvent:
			f.Event = text(m.value)
		case keyData:
			f.Data = m.value
		case keyMeta:
			f.Meta, f.IsPlain = m.value, false
		case keyChannel:
			f.Channel, f.IsTagged, f.IsPlain = text(m.value), true, false
		case keyTo:
			f.To, f.IsPlain = text(m.value), false
		default:
			f.IsPlain = false
		}
	}
	return f, true
}

// Payload is the data of a frame that has an event, data and nothing else, which is what
// it means to protocols that tell the two apart. To them any other frame is data as a
// whole, and ok is false.
func Payload(b []byte) (data []byte, ok bool) {
	f, ok := Parse(b)
	if !ok || !f.IsPlain || f.Event == "" || f.Data == nil {
		return nil, false
	}
	return f.Data, true
}

// AppendUntagged appends a frame without its members system::channel, and everything
// else as it was. b is one for which Parse has returned ok.
func AppendUntagged(dst, b []byte) []byte {
	dst = append(dst, '{')
	isFirst := true
	for m := range members(b) {
		if m.name == keyChannel {
			continue
		}
		if !isFirst {
			dst = append(dst, ',')
		}
		dst = append(dst, m.raw...)
		isFirst = false
	}
	return append(dst, '}')
}

// AppendTagged appends a frame with the member system::channel, which it must not have
// yet. b is one for which Parse has returned ok.
func AppendTagged(dst, b []byte, channel string) []byte {
	inside := bytes.TrimLeft(b[bytes.IndexByte(b, '{')+1:], " \t\r\n")
	dst = append(dst, `{"system::channel":`...)
	dst = jsontext.AppendString(dst, channel)
	if inside[0] != '}' {
		dst = append(dst, ',')
	}
	return append(dst, inside...)
}

// Append appends {"event":…,"data":…}. data is one JSON value.
func Append(dst []byte, event string, data []byte) []byte {
	dst = append(dst, `{"event":`...)
	dst = jsontext.AppendString(dst, event)
	dst = append(dst, `,"data":`...)
	dst = append(dst, data...)
	return append(dst, '}')
}

// members goes through the members of a valid object.
func members(b []byte) func(yield func(member) bool) {
	return func(yield func(member) bool) {
		s := scanner{b: b, i: bytes.IndexByte(b, '{') + 1}
		for m, ok := s.next(); ok && yield(m); m, ok = s.next() {
		}
	}
}

func isObject(b []byte) bool {
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && utf8.Valid(b) && json.Valid(b)
}

// text is a value that is text, "" for others.
func text(value []byte) string {
	if value[0] != '"' {
		return ""
	}
	return unquote(value)
}
