package clientproto

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// AppendCommand appends c to dst as one JSON object without a line end: what a client
// sends. ParseCommand is its inverse for every command that ParseCommand returns.
//
// It checks nothing. Fields that do not belong to c.Verb are left out, and so are those
// that are zero, unless the command needs them. Data of the kind hub.JSON is appended as
// it is. The data of a publication keeps each byte; in other commands it is compacted if there
// are line ends in it, and a JSON string is read as hub.Text.
func AppendCommand(dst []byte, c *Command) []byte {
	dst = append(dst, '{')
	if c.ID != 0 {
		dst = append(dst, `"id":`...)
		dst = strconv.AppendUint(dst, c.ID, 10)
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, c.Verb.String()...)
	dst = append(dst, `":`...)
	m := members{dst: append(dst, '{')}
	m.appendBody(c)
	return append(m.dst, "}}"...)
}

func (m *members) appendBody(c *Command) {
	switch c.Verb {
	case Connect:
		m.text("token", c.Token)
		m.text("client", c.Client)
		if c.Resume != (Resume{}) {
			m.name("resume")
			inner := members{dst: append(m.dst, '{')}
			inner.text("session", c.Resume.Session)
			inner.text("secret", c.Resume.Secret)
			m.dst = append(inner.dst, '}')
		}
		if c.NoMessages {
			m.boolean("messages", false)
		}
		m.text("messages", c.Messages)
	case Subscribe:
		m.needed("channel", c.Channel)
		m.since(c)
		m.number("last", uint64(c.Last))
		switch {
		case c.WithMembers && c.ByUser:
			m.text("presence", "user")
		case c.WithMembers:
			m.boolean("presence", true)
		}
		m.text("delta", c.Delta)
		m.number("rate", uint64(c.Rate))
		if c.ExcludeSelf {
			m.boolean("self", false)
		}
	case Unsubscribe:
		m.needed("channel", c.Channel)
	case Publish:
		m.needed("channel", c.Channel)
		m.data(c)
		m.text("event", c.Event)
		m.text("key", c.Key)
		m.text("exclude", c.Exclude)
		m.text("idempotency_key", c.Idempotency)
	case History:
		m.needed("channel", c.Channel)
		m.since(c)
		m.number("last", uint64(c.Last))
		m.number("limit", uint64(c.Limit))
	case Presence:
		m.needed("channel", c.Channel)
		m.number("limit", uint64(c.Limit))
		m.text("cursor", c.Cursor)
		if c.ByUser {
			m.text("by", "user")
		}
		if c.CountOnly {
			m.boolean("count", true)
		}
	case Digest:
		m.needed("channel", c.Channel)
		m.number("last", uint64(c.Last))
	case RPC:
		m.needed("method", c.Method)
		m.data(c)
		m.number("timeout_ms", uint64(c.Timeout/time.Millisecond))
	case Cancel:
		m.number("rpc", c.Target)
	case Register:
		m.needed("method", c.Method)
		m.number("concurrency", uint64(c.Concurrency))
	case Unregister:
		m.needed("method", c.Method)
	case Answer:
		m.number("call", c.Target)
		if c.Failure != nil {
			m.failure(c.Failure)
		} else {
			m.data(c)
		}
	case Refresh:
		m.needed("token", c.Token)
	}
}

// members appends the members of an object.
type members struct {
	dst  []byte
	more bool // than none
}

func (m *members) name(name string) {
	if m.more {
		m.dst = append(m.dst, ',')
	}
	m.more = true
	m.dst = append(m.dst, '"')
	m.dst = append(m.dst, name...)
	m.dst = append(m.dst, `":`...)
}

func (m *members) needed(name, value string) {
	m.name(name)
	m.dst = jsontext.AppendString(m.dst, value)
}

func (m *members) text(name, value string) {
	if value != "" {
		m.needed(name, value)
	}
}

func (m *members) number(name string, n uint64) {
	if n != 0 {
		m.name(name)
		m.dst = strconv.AppendUint(m.dst, n, 10)
	}
}

func (m *members) boolean(name string, is bool) {
	m.name(name)
	m.dst = strconv.AppendBool(m.dst, is)
}

func (m *members) since(c *Command) {
	switch {
	case c.Vector != "":
		m.text("since", c.Vector)
	case !c.Since.IsZero():
		m.name("since")
		m.dst = append(m.dst, '"')
		m.dst = c.Since.AppendTo(m.dst)
		m.dst = append(m.dst, '"')
	}
}

// data appends a payload. Only a publication must have one.
func (m *members) data(c *Command) {
	switch {
	case c.Data == nil && c.Verb != Publish:
	case c.Kind == hub.Binary:
		m.name("data_base64")
		m.dst = append(m.dst, '"')
		m.dst = base64.StdEncoding.AppendEncode(m.dst, c.Data)
		m.dst = append(m.dst, '"')
	case c.Kind == hub.JSON && c.Verb == Publish && isChanged(c.Data):
		m.needed("kind", "json")
		m.needed("data", string(c.Data))
	case c.Kind == hub.JSON:
		m.json("data", c.Data)
	default:
		m.needed("data", string(c.Data))
	}
}

// isChanged reports whether a JSON value would be read as something else if it stood in a line as it
// is: as text, or as fewer bytes.
func isChanged(value []byte) bool {
	return bytes.HasPrefix(value, []byte{'"'}) || len(bytes.TrimSpace(value)) != len(value) || bytes.IndexByte(value, '\n') >= 0
}

// json appends a JSON value, on one line.
func (m *members) json(name string, value []byte) {
	m.name(name)
	if bytes.IndexByte(value, '\n') >= 0 {
		m.dst = jsontext.AppendCompact(m.dst, value)
		return
	}
	m.dst = append(m.dst, value...)
}

func (m *members) failure(f *Failure) {
	m.name("error")
	inner := members{dst: append(m.dst, '{')}
	inner.text("type", f.Type)
	inner.text("title", f.Title)
	inner.text("detail", f.Detail)
	if f.Data != nil {
		inner.json("data", f.Data)
	}
	m.dst = append(inner.dst, '}')
}
