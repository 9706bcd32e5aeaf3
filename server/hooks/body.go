package hooks

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// object appends the members of a JSON object.
type object struct{ b []byte }

func (o *object) name(name string) {
	if n := len(o.b); n > 0 && o.b[n-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(jsontext.AppendString(o.b, name), ':')
}

// text appends a member, unless it is empty.
func (o *object) text(name, value string) {
	if value != "" {
		o.name(name)
		o.b = jsontext.AppendString(o.b, value)
	}
}

// value appends a member that is JSON already, unless there is none.
func (o *object) value(name string, value json.RawMessage) {
	if len(value) > 0 {
		o.name(name)
		o.b = jsontext.AppendCompact(o.b, value)
	}
}

func (o *object) number(name string, n int64) {
	o.name(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) identity(id *access.Identity) {
	if id != nil {
		o.text("user", id.User)
		o.value("info", id.Info)
	}
}

// payload appends the payload of a publication.
func (o *object) payload(kind hub.Kind, data []byte) {
	switch {
	case kind == hub.Binary:
		o.text("kind", "binary")
		o.name("data_base64")
		o.b = append(o.b, '"')
		o.b = append(base64.StdEncoding.AppendEncode(o.b, data), '"')
	case kind == hub.JSON && json.Valid(data):
		o.text("kind", "json")
		o.name("data")
		o.b = jsontext.AppendCompact(o.b, data)
	default:
		o.text("kind", "text")
		o.name("data")
		o.b = jsontext.AppendString(o.b, data)
	}
}

// appendMessage appends what Standard Webhooks has for payloads: a type, a
// timestamp, and data, whose members are appended by data.
func appendMessage(dst []byte, kind string, at time.Time, data func(*object)) []byte {
	o := &object{append(dst, '{')}
	o.text("type", kind)
	o.name("timestamp")
	o.b = append(o.b, '"')
	o.b = append(at.UTC().AppendFormat(o.b, "2006-01-02T15:04:05.000Z07:00"), '"')
	o.name("data")
	o.b = append(o.b, '{')
	data(o)
	return append(o.b, "}}"...)
}

// decodeBase64 takes both alphabets, with or without padding: programming languages differ.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "=")
	return base64.RawStdEncoding.DecodeString(s)
}
