package piesocket

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// Bounds of what members say of themselves.
const (
	uuidBytesMax = 128
	userBytesMax = 1 << 10
)

// anonymous is the user of a member that has none.
const anonymous = `"anonymous"`

// member is a client as a member of a channel.
type member struct {
	uuid string
	user json.RawMessage // a JSON value; nil for nobody

	// isProven says that the user stands in a token. What a client only says of itself is
	// shown to the members, and is nobody's name to the rest of the server.
	isProven bool
}

func (m *member) check() (problem string) {
	switch {
	case len(m.uuid) > uuidBytesMax, strings.ContainsFunc(m.uuid, unicode.IsControl):
		return fmt.Sprintf("uuid is not at most %d printable bytes", uuidBytesMax)
	case len(m.user) > userBytesMax:
		return fmt.Sprintf("user has %d bytes as JSON; at most %d are possible", len(m.user), userBytesMax)
	}
	if name := m.name(); len(name) > hub.AttributeBytesMax-app.PrefixBytesMax || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Sprintf("user is not at most %d printable bytes", hub.AttributeBytesMax-app.PrefixBytesMax)
	}
	return ""
}

// name is by which the user can be addressed: text, or a number. Objects have none.
func (m *member) name() string {
	switch {
	case len(m.user) == 0 || m.user[0] == '{' || m.user[0] == '[' || string(m.user) == "null":
		return ""
	case m.user[0] == '"':
		var s string
		_ = json.Unmarshal(m.user, &s) // it is valid
		return s
	}
	return string(m.user)
}

// provenUser is the member's user for the rest of the server, "" if it is not known.
func (m *member) provenUser(a *app.App) string {
	if !m.isProven {
		return ""
	}
	return a.User(m.name())
}

// json is the public part: {"uuid":…,"user":…}.
func (m *member) json() json.RawMessage {
	b := append([]byte(nil), `{"uuid":`...)
	b = jsontext.AppendString(b, m.uuid)
	b = append(b, `,"user":`...)
	if len(m.user) == 0 || string(m.user) == "null" {
		b = append(b, anonymous...)
	} else {
		b = append(b, m.user...)
	}
	return append(b, '}')
}

// identity is the identity shown in the presence of the channel.
func (m *member) identity(a *app.App) *access.Identity {
	return &access.Identity{Kind: access.Application, Name: a.Key, User: m.provenUser(a), Info: m.json()}
}
