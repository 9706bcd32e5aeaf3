package transport

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
)

// appendEnvelope appends p as one line of JSON, without a line end:
//
//	{"channel":"chat","position":"f3Zb:17","time":"2026-11-21T09:30:00.5Z","data":"hello"}
//
// Text is a JSON string, JSON is the value itself without the white space
// between its tokens, and Binary is "data_base64" instead of "data", as in
// CloudEvents.
func appendEnvelope(dst []byte, p *hub.Publication) []byte {
	dst = append(dst, `{"channel":`...)
	dst = appendString(dst, p.Channel)
	dst = append(dst, `,"position":`...)
	dst = appendPosition(dst, p.Position)
	dst = append(dst, `,"time":"`...)
	dst = p.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `",`...)
	switch p.Kind {
	case hub.Text:
		dst = append(dst, `"data":`...)
		dst = appendString(dst, p.Data)
	case hub.JSON:
		dst = append(dst, `"data":`...)
		dst = appendCompact(dst, p.Data)
	default:
		dst = append(dst, `"data_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, p.Data)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// appendGap appends {"from":…,"to":…}. From is null when it is not known what
// the client had.
func appendGap(dst []byte, g *hub.Gap) []byte {
	from := g.From
	if from.Epoch == lostEpoch {
		from = hub.Position{}
	}
	dst = append(dst, `{"from":`...)
	dst = appendPosition(dst, from)
	dst = append(dst, `,"to":`...)
	dst = appendPosition(dst, g.To)
	return append(dst, '}')
}

// appendPosition appends a position as a JSON string, null for no place at all.
// The characters of a position need no escape.
func appendPosition(dst []byte, p hub.Position) []byte {
	if p.IsZero() {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = p.AppendTo(dst)
	return append(dst, '"')
}

// appendCompact appends a JSON value without insignificant white space, so that
// a line stays one line. The hub has made sure that it is valid.
func appendCompact(dst, value []byte) []byte {
	if !bytes.ContainsAny(value, " \t\r\n") {
		return append(dst, value...)
	}
	buf := bytes.NewBuffer(dst)
	if err := json.Compact(buf, value); err != nil {
		// A broker shared with others may hold what they put there. What cannot
		// be a value is shown as a string, and the line stays valid.
		return appendString(dst, value)
	}
	return buf.Bytes()
}

// appendString appends s as a JSON string (RFC 8259 §7). Besides what must be
// escaped it escapes U+2028 and U+2029, which end a line in places that read
// JSON as JavaScript. Bytes that are not UTF-8, which the hub does not let in,
// become U+FFFD.
func appendString[T string | []byte](dst []byte, s T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0 // of what is not yet copied
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, `\n`...)
			case '\r':
				dst = append(dst, `\r`...)
			case '\t':
				dst = append(dst, `\t`...)
			default:
				dst = append(dst, `\u00`...)
				dst = append(dst, hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hex[r&15])
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
