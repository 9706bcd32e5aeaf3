package piesocket

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/piesocket/frame"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// relayed are events that look like the server's and come from clients: the video
// signalling of version 3.
var relayed = []string{
	"system:portal_broadcaster", "system:portal_watcher", "system:video_request", "system:video_offer", "system:video_answer",
	"system:portal_candidate", "system:stopped_screen",
}

// isSystem reports whether an event is the server's own, and not to be had from others.
func isSystem(event string) bool {
	return strings.HasPrefix(event, "system:") && !slices.Contains(relayed, event)
}

// Receive takes a message of the client.
func (s *Socket) Receive(now time.Time, f dialect.Frame, out *dialect.Effects) {
	switch {
	case s.held != nil || !s.entered:
		return
	case s.isAppGone():
		s.refuse(refuseApp, out)
		return
	}
	if f.Binary {
		s.publish(now, s.primary, s.primary.full, hub.Message{Kind: hub.Binary, Data: bytes.Clone(f.Data)}, out)
		return
	}
	m, isObject := frame.Parse(f.Data)
	if s.version == 4 && isObject && s.control(now, &m, out) {
		return
	}
	if isSystem(m.Event) {
		return // clients must not send it, and some do
	}
	to := s.primary
	if s.version == 4 && m.IsTagged {
		if to = s.find(m.Channel); to == nil {
			s.sendError("there is no subscription to the channel "+quoted(m.Channel), false, out)
			return
		}
	}
	full := to.full
	if s.version == 4 && m.To != "" {
		if full = s.directName(to, m.To); full == "" {
			s.sendError("nobody can be called "+quoted(m.To), false, out)
			return
		}
	}
	s.publish(now, to, full, messageOf(f.Data, &m, isObject), out)
}

// messageOf is the publication that a message of text becomes. An event with data and
// nothing else is an event to other protocols, too; the frame is kept whole.
func messageOf(text []byte, m *frame.Frame, isObject bool) hub.Message {
	switch {
	case isObject && m.IsTagged:
		text = frame.AppendUntagged(nil, text)
	default:
		text = bytes.Clone(text)
	}
	message := hub.Message{Kind: hub.Text, Data: text}
	if isObject || isList(text) {
		message.Kind = hub.JSON
	}
	if isObject && isEvent(m.Event) {
		message.Attributes = &hub.Attributes{Event: m.Event, Shape: hub.ShapeFrame}
	}
	return message
}

func isList(text []byte) bool {
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '[' && json.Valid(text)
}

// isEvent reports whether a publication can have the event.
func isEvent(event string) bool {
	return event != "" && len(event) <= hub.AttributeBytesMax && !strings.ContainsFunc(event, unicode.IsControl) && !slices.Contains(hub.ReservedEvents(), event)
}

// publish publishes as the member of a channel: to it, or to one of its members.
func (s *Socket) publish(now time.Time, c *channel, full string, m hub.Message, out *dialect.Effects) {
	if most := s.app.PublicationBytes(NoLimit); len(m.Data) > most {
		s.sendError(tooLong(len(m.Data), most), false, out)
		return
	}
	if ok, _ := s.app.AllowPublication(now); !ok {
		s.sendError("the app publishes more than it may; this was not published", false, out)
		return
	}
	m.Channel = full
	if c.as.User != "" {
		if m.Attributes == nil {
			m.Attributes = &hub.Attributes{}
		}
		m.Attributes.User = c.as.User
	}
	as := c.as
	if full != c.full { // to one user, not necessarily the member
		var err error
		if as, err = grantsOf(s.app, &c.member, full); err != nil {
			s.sendError("nobody can be called that", false, out)
			return
		}
	}
	out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandPublish, Action: access.Publish, As: as, Channel: full, Message: m})
}

// control handles a message of version 4 to the server. It returns false for one
// that is for the members of a channel.
func (s *Socket) control(now time.Time, m *frame.Frame, out *dialect.Effects) bool {
	switch m.Event {
	case "system::subscribe":
		s.askSubscribe(now, m.Data, out)
	case "system::unsubscribe":
		s.askUnsubscribe(m.Data, out)
	case "system::get_members":
		s.askMembers(m.Data, out)
	default:
		return false
	}
	return true
}

// request is the data of a message that asks the server for something.
type request struct {
	Channel  string          `json:"channel"`
	Presence any             `json:"presence"`
	UUID     string          `json:"uuid"`
	JWT      string          `json:"jwt"`
	User     json.RawMessage `json:"user"`
}

func (s *Socket) askSubscribe(now time.Time, data []byte, out *dialect.Effects) {
	var r request
	if json.Unmarshal(data, &r) != nil || r.Channel == "" {
		s.sendNamed("system::subscribe_error", r.Channel, `data is not {"channel":…}`, out)
		return
	}
	if c := s.find(r.Channel); c != nil { // once more, as clients do that have lost count
		if c.begun || c == s.primary { // else the outcome of the first time comes
			s.sendChannel("system::subscribe_success", c, "", out)
		}
		return
	}
	if s.count() >= s.protocol.o.ChannelsMax {
		s.sendNamed("system::subscribe_error", r.Channel, "there are as many channels on this connection as there may be", out)
		return
	}
	user := bytes.TrimSpace(r.User)
	if string(user) == `""` || string(user) == "null" || string(user) == "false" {
		user = nil
	}
	presence := r.Presence == true || r.Presence == 1.0 || r.Presence == "1" || r.Presence == "true"
	c, refused := s.newChannel(&asked{name: r.Channel, uuid: r.UUID, userJSON: user, token: r.JWT, presence: presence}, now)
	if refused != nil {
		s.sendNamed("system::subscribe_error", r.Channel, refused.text, out)
		return
	}
	s.subscribe(c, out)
}

// count is how many channels the client has asked for.
func (s *Socket) count() (n int) {
	for _, c := range s.channels {
		if c.direct == nil {
			n++
		}
	}
	return n
}

func (s *Socket) askUnsubscribe(data []byte, out *dialect.Effects) {
	var r request
	_ = json.Unmarshal(data, &r) // without a channel nothing is found
	c := s.find(r.Channel)
	switch {
	case c == nil:
		s.sendNamed("system::unsubscribe_error", r.Channel, "there is no subscription to the channel", out)
	case c == s.primary:
		s.sendNamed("system::unsubscribe_error", r.Channel, "it is the channel of the URL; open another connection and close this one", out)
	default:
		s.forget(c, out)
		s.command(dialect.Command{Kind: hub.CommandUnsubscribe, Channel: c.full}, pending{unsubscribes, c}, out)
	}
}

func (s *Socket) askMembers(data []byte, out *dialect.Effects) {
	var r request
	_ = json.Unmarshal(data, &r)
	c := s.find(r.Channel)
	if c == nil {
		s.sendNamed("system::member_list_error", r.Channel, "there is no subscription to the channel", out)
		return
	}
	s.list(c, asks, out)
}
