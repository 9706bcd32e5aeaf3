package dialect

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// events is Server-Sent Events (HTML §9.2). A stream begins with the
// reconnection time, which may be told again at any time, and the position it begins behind, so that a client that
// breaks off before its first message resumes without loss. The position is an
// event with data: some clients ignore an id without.
//
//	retry: 2000
//	id: f3Zb:16
//	event: position
//	data: f3Zb:16
//
//	id: f3Zb:17
//	data: hello
//
//	id: f3Zb:18
//	event: binary
//	data: AAEC
//
//	id: f3Zb:40
//	event: gap
//	data: {"from":"f3Zb:18","to":"f3Zb:40"}
//
//	id: f3Zb:45
//	event: gap
//	data: {"from":"f3Zb:40","to":"f3Zb:45","reason":"conflated","count":5}
//
//	event: behind
//	data: {"is":true,"detail":"the broker behind this server cannot be used now; …"}
//
//	event: end
//	data: {"code":4401,"reason":"token expired","reconnect":false}
//
//	:
//
// Text and JSON have the default event name, so that onmessage gets them, unless the
// publication has a name of its own. The
// id of a gap is where it ends, so that resuming goes on behind it.
var events = streamFormat{
	transport:    "sse",
	contentType:  "text/event-stream; charset=utf-8", // without it some read Latin-1
	form:         formEvent,
	appendOpen:   appendEventOpen,
	appendGap:    appendEventGap,
	appendEnd:    appendEventEnd,
	appendBehind: appendEventBehind,
	appendRetry:  AppendRetry,
	heartbeat:    []byte(":\n\n"),

	patternForm:       formPatternEvent,
	appendOpenPattern: appendEventOpenPattern,
	appendChannelGap:  appendEventChannelGap,
	appendID:          appendVectorID,

	endsWhenRefused: true, // an EventSource gives up for good on any status but 200
}

func appendRetry(dst []byte, retry time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, retry.Milliseconds(), 10)
	return append(dst, '\n')
}

func appendEventOpen(dst []byte, retry time.Duration, begin hub.Position) []byte {
	dst = appendRetry(dst, retry)
	if !begin.IsZero() {
		dst = appendEventID(dst, begin)
		dst = append(dst, "event: position\ndata: "...)
		dst = begin.AppendTo(dst)
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}

// appendEventID appends the id field. A position has no character that could
// end the line, and no NUL, which would make the field void.
func appendEventID(dst []byte, p hub.Position) []byte {
	if p.IsZero() {
		return dst
	}
	dst = append(dst, "id: "...)
	dst = p.AppendTo(dst)
	return append(dst, '\n')
}

func appendEvent(dst []byte, p *hub.Publication) []byte {
	dst = appendEventID(dst, p.Position)
	name := ""
	switch {
	case p.Attributes != nil && p.Attributes.Event != "":
		name = p.Attributes.Event // the hub lets none through that would end the line, or is one of ours
	case p.Kind == hub.Binary:
		name = "binary"
	}
	if name != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, name...)
		dst = append(dst, '\n')
	}
	if p.Kind == hub.Binary {
		dst = append(dst, "data: "...)
		dst = base64.StdEncoding.AppendEncode(dst, p.Data)
		return append(dst, "\n\n"...)
	}
	return append(appendEventData(dst, p.Data), '\n')
}

func appendEventGap(dst []byte, g *hub.Gap) []byte {
	dst = appendEventID(dst, g.To)
	dst = append(dst, "event: gap\ndata: "...)
	dst = appendGap(dst, g)
	return append(dst, "\n\n"...)
}

// appendEventEnd says why the stream ends. An EventSource comes back all the same,
// unless its page closes it; it is told to take its time.
func appendEventEnd(dst []byte, e ending) []byte {
	if !e.reconnect {
		dst = append(dst, "retry: 60000\n"...)
	}
	dst = append(dst, "event: end\ndata: "...)
	dst = e.appendTo(dst)
	return append(dst, "\n\n"...)
}

// appendEventData appends a data field for each line of the payload. CR, LF and
// CRLF each end a line of the stream, so a payload is split at each of them and
// can smuggle in no field; the receiver joins the lines with LF.
func appendEventData(dst, data []byte) []byte {
	for {
		end := bytes.IndexAny(data, "\r\n")
		dst = append(dst, "data: "...)
		if end < 0 {
			dst = append(dst, data...)
			return append(dst, '\n')
		}
		dst = append(dst, data[:end]...)
		dst = append(dst, '\n')
		if data[end] == '\r' && end+1 < len(data) && data[end+1] == '\n' {
			end++
		}
		data = data[end+1:]
	}
}
