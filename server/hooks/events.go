package hooks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Types of events.
const (
	TypeOccupied = "channel.occupied" // a channel has its first subscriber
	TypeVacated  = "channel.vacated"  // it has none any more
	TypeJoined   = "member.joined"    // a user, or a session without one, subscribes to a channel
	TypeLeft     = "member.left"      // the user's last session there is gone
	TypeOpened   = "session.opened"
	TypeClosed   = "session.closed"
)

var eventTypes = []string{TypeOccupied, TypeVacated, TypeJoined, TypeLeft, TypeOpened, TypeClosed}

// EventTypes returns all types of events. The caller owns the slice.
func EventTypes() []string { return slices.Clone(eventTypes) }

func checkTypes(types []string) error {
	for _, name := range types {
		if !slices.Contains(eventTypes, name) {
			return &OptionError{"Events.Types", fmt.Sprintf("%.40q is no type of event; the types are %s", name, strings.Join(eventTypes, ", "))}
		}
	}
	return nil
}

// Member is somebody in a channel, or a session.
type Member struct {
	Session   string
	User      string          // "" for somebody without a name
	Info      json.RawMessage // one JSON value, or nil
	Transport string
}

func (m *Member) append(o *object) {
	o.text("session", m.Session)
	o.text("user", m.User)
	o.value("info", m.Info)
	o.text("transport", m.Transport)
}

// ChannelOccupied tells that channel has its first subscriber.
func (h *Hooks) ChannelOccupied(channel string) { h.tellChannel(TypeOccupied, channel, true) }

// ChannelVacated tells that channel has no subscriber any more.
func (h *Hooks) ChannelVacated(channel string) { h.tellChannel(TypeVacated, channel, false) }

// MemberJoined tells that a session has subscribed to channel. The application hears
// of the first session of each user; a session without a user is a member of its own.
func (h *Hooks) MemberJoined(channel string, m Member) { h.tellMember(TypeJoined, channel, &m, true) }

// MemberLeft tells that a session that joined channel is subscribed no more.
func (h *Hooks) MemberLeft(channel string, m Member) { h.tellMember(TypeLeft, channel, &m, false) }

// SessionOpened tells that there is a new session.
func (h *Hooks) SessionOpened(m Member) {
	if h.tells(TypeOpened) {
		h.events.put(newEvent(m.Session, TypeOpened, m.append))
	}
}

// SessionClosed tells that a session is over, and why.
func (h *Hooks) SessionClosed(m Member, reason string) {
	if h.tells(TypeClosed) {
		h.events.put(newEvent(m.Session, TypeClosed, func(o *object) {
			m.append(o)
			o.text("reason", reason)
		}))
	}
}

func (h *Hooks) tells(kind string) bool {
	return h != nil && h.events != nil && h.events.types[kind]
}

func (h *Hooks) tellChannel(kind, channel string, isThere bool) {
	if h == nil || h.events == nil || !h.events.tellsEither(TypeOccupied, TypeVacated) || !matches(h.events.channels, channel) {
		return
	}
	h.events.change(presenceKey{channel: strings.Clone(channel)}, isThere, newEvent(channel, kind, func(o *object) { o.text("channel", channel) }))
}

func (h *Hooks) tellMember(kind, channel string, m *Member, isThere bool) {
	if h == nil || h.events == nil || !h.events.tellsEither(TypeJoined, TypeLeft) || !matches(h.events.channels, channel) {
		return
	}
	key := presenceKey{channel: strings.Clone(channel), user: strings.Clone(m.User)}
	if m.User == "" {
		key.session = strings.Clone(m.Session)
	}
	h.events.change(key, isThere, newEvent(channel, kind, func(o *object) {
		o.text("channel", channel)
		m.append(o)
	}))
}

// event is an event on its way.
type event struct {
	key  string // what has the same key is sent in order: the channel, or the session
	kind string
	at   time.Time // when it happened; when it was queued, as soon as it is
	text []byte    // as it is sent
}

// newEvent makes an event that has happened now, and keeps nothing of data.
func newEvent(key, kind string, data func(*object)) event {
	at := time.Now()
	return event{key, kind, at, appendMessage(nil, kind, at, data)}
}
