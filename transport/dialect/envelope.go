package dialect

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// appendEnvelope appends p as one line of JSON, without a line end:
//
//	{"channel":"chat","position":"f3Zb:17","time":"2026-11-21T09:30:00.5Z","data":"hello"}
//
// Text is a JSON string, JSON is the value itself without the white space
// between its tokens, and Binary is "data_base64" instead of "data", as in
// CloudEvents. "event", "user" and "key" stand before it when there are any.
func appendEnvelope(dst []byte, p *hub.Publication) []byte {
	dst = append(dst, `{"channel":`...)
	dst = jsontext.AppendString(dst, p.Channel)
	dst = append(dst, `,"position":`...)
	dst = AppendPosition(dst, p.Position)
	dst = append(dst, `,"time":"`...)
	dst = p.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `",`...)
	if a := p.Attributes; a != nil {
		dst = appendAttribute(dst, "event", a.Event)
		dst = appendAttribute(dst, "user", a.User)
		dst = appendAttribute(dst, "key", a.Key)
	}
	dst = appendData(dst, p.Kind, p.Data)
	return append(dst, '}')
}

// appendData appends "data":…, or "data_base64":….
func appendData(dst []byte, kind hub.Kind, data []byte) []byte {
	switch kind {
	case hub.Text:
		dst = append(dst, `"data":`...)
		return jsontext.AppendString(dst, data)
	case hub.JSON:
		dst = append(dst, `"data":`...)
		return jsontext.AppendCompact(dst, data)
	}
	dst = append(dst, `"data_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"')
}

// appendAttribute appends "name":"value", if there is a value.
func appendAttribute(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	dst = jsontext.AppendString(dst, value)
	return append(dst, ',')
}

// appendGap appends {"from":…,"to":…}. From is null when it is not known what the client had.
// Where nothing was lost, "reason" says why it was left out, and "count" how many publications
// that were.
func appendGap(dst []byte, g *hub.Gap) []byte {
	from := g.From
	if from.Epoch == LostEpoch {
		from = hub.Position{}
	}
	dst = append(dst, `{"from":`...)
	dst = AppendPosition(dst, from)
	dst = append(dst, `,"to":`...)
	dst = AppendPosition(dst, g.To)
	if g.Reason != hub.GapLost {
		dst = append(dst, `,"reason":"`...)
		dst = append(dst, g.Reason.String()...)
		dst = append(dst, '"')
	}
	if g.Count > 0 {
		dst = append(dst, `,"count":`...)
		dst = strconv.AppendInt(dst, int64(g.Count), 10)
	}
	return append(dst, '}')
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
