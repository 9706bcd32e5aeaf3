package api

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// fieldsOfPublication are those of a publication; one to a user has no channel.
var (
	fieldsOfPublication = []string{"channel", "data", "data_base64", "type", "event", "key", "exclude", "idempotency_key", "ttl"}
	fieldsOfMessage     = fieldsOfPublication[1:]
)

// What the fields are, for people.
const (
	channelSays = "the name of a channel"
	dataSays    = "any JSON value: a string is published as text, and anything else as JSON"
	typeSays    = `"text" or "json"`
	base64Says  = "bytes as a string in base64"
	orNone      = "; leave it out for none"
)

// readPublication reads a publication out of b, one JSON value. The
// message refers to nothing of b.
func readPublication(b []byte, what string, known []string) (m hub.Message, f *fault) {
	if f := checkJSON(b, what); f != nil {
		return m, f
	}
	return readMessage(string(b), 0, what, known)
}

// readMessage is readPublication of valid JSON; see readObject.
func readMessage(text string, at int, what string, known []string) (m hub.Message, f *fault) {
	o, f := readObject(text, at, what, known...)
	if f != nil {
		return m, f
	}
	if known[0] == "channel" {
		if m.Channel, f = o.required("channel", channelSays); f != nil {
			return m, f
		}
		if err := hub.CheckChannel(m.Channel); err != nil {
			name := err.(*hub.NameError)
			return m, &fault{problem: transport.ProblemChannelName, detail: "channel " + quote(name.Name) + " of " + what + ": " + name.Problem}
		}
	}
	ttl, f := o.ttl()
	if f != nil {
		return m, f
	}
	if f := o.payload(&m); f != nil {
		return m, f
	}
	var a hub.Attributes
	for _, field := range []struct {
		name string
		to   *string
		says string
	}{
		{"event", &a.Event, "the name of the event, a string" + orNone},
		{"key", &a.Key, "what the publication is about, a string" + orNone},
		{"exclude", &a.Exclude, "the ID of a session that is not given the publication, a string" + orNone},
		{"idempotency_key", &m.IdempotencyKey, "a string of 1 to 255 printable ASCII characters" + orNone},
	} {
		if *field.to, f = o.text(field.name, field.says); f != nil {
			return m, f
		}
	}
	if ttl != 0 {
		a.Expires = time.Now().Add(ttl).UTC().Round(0)
	}
	if a != (hub.Attributes{}) {
		m.Attributes = &a
	}
	return m, nil
}

// ttlMax is the longest time to live: ten years.
const ttlMax = 10 * 365 * 24 * time.Hour

// ttl reads the time to live, 0 for none.
func (o *object) ttl() (time.Duration, *fault) {
	raw := o.raw("ttl")
	if raw == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(raw, 64)
	if err != nil || seconds < 0.001 || seconds > ttlMax.Seconds() {
		return 0, o.wrong("ttl", "a number of seconds, from 0.001 to 315360000"+orNone)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// payload reads the payload and what kind it is of.
func (o *object) payload(m *hub.Message) *fault {
	data, encoded := o.raw("data"), o.raw("data_base64")
	kind, f := o.text("type", typeSays)
	switch {
	case f != nil:
		return f
	case kind != "" && kind != "text" && kind != "json":
		return &fault{problem: transport.ProblemField, detail: "the field type of " + o.what + " is " + quote(kind) + "; it is " + typeSays}
	case data != "" && encoded != "":
		return &fault{problem: transport.ProblemField, detail: o.what + " has both data and data_base64; give one of them"}
	case data == "" && encoded == "":
		return o.wrong("data", dataSays+"; or give bytes as data_base64")
	case encoded != "" && kind != "":
		return &fault{problem: transport.ProblemField, detail: o.what + " has a type with data_base64, which is bytes; leave the type out"}
	case encoded != "":
		text, ok := unquote(encoded)
		if !ok {
			return o.wrong("data_base64", base64Says)
		}
		var err error
		if m.Data, err = decodeBase64(text); err != nil {
			return &fault{problem: transport.ProblemField, detail: "the field data_base64 of " + o.what + " is not base64"}
		}
		m.Kind = hub.Binary
	case kind == "json" || kind == "" && data[0] != '"':
		m.Kind, m.Data = hub.JSON, []byte(data)
	default:
		text, ok := unquote(data)
		if !ok {
			return o.wrong("data", "a string of whole characters, because it is published as text")
		}
		m.Kind, m.Data = hub.Text, []byte(text)
	}
	return nil
}

// decodeBase64 takes both alphabets, with or without padding: programming languages differ.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "=")
	return base64.RawStdEncoding.Strict().DecodeString(s)
}
