package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// EventNameMax is how many characters the name of an event may have.
const EventNameMax = 200

// isOfClient reports whether clients may send an event.
func isOfClient(event string) bool {
	return strings.HasPrefix(event, PrefixOfClients) && event != PrefixOfClients
}

// clientEvent is an event that the Listener is to be told of, once it is published.
type clientEvent struct {
	channel, event, user string
	data                 []byte
}

// publish publishes an event of the client.
func (s *Socket) publish(now time.Time, app *App, m *Message, out *dialect.Effects) {
	channel, _ := app.Forms.space.Channel(m.Channel)
	sub := s.subs[channel]
	switch {
	case !app.ClientEvents:
		s.fail(codeClientEvents, "To send client events, you must enable this feature in the settings of the app", out)
		return
	case utf8.RuneCountInString(m.Event) > EventNameMax:
		s.fail(codeClientEvents, fmt.Sprintf("The name of the event is longer than %d characters", EventNameMax), out)
		return
	case sub == nil || sub.settling != nil:
		s.fail(codeClientEvents, "Client event rejected: you are not subscribed to channel "+quoted(m.Channel), out)
		return
	case !sub.traits.Has(Private):
		s.fail(codeClientEvents, "Client event rejected: only supported on private and presence channels", out)
		return
	}
	data, kind, err := clientData(m.Data)
	if err != nil {
		s.fail(codeClientEvents, "Client event rejected: "+err.Error(), out)
		return
	}
	if len(data) > app.ClientEventBytesMax {
		s.fail(codeClientEvents, fmt.Sprintf("Client event rejected: the data is %d bytes long; at most %d are allowed", len(data), app.ClientEventBytesMax), out)
		return
	}
	if !s.rate.allow(now, app.ClientEventsPerSecond) {
		s.fail(codeClientEvents, fmt.Sprintf("Client event rejected: more than %d messages a second on this connection", app.ClientEventsPerSecond), out)
		return
	}
	if ok, _ := app.Meter.AllowPublication(now); !ok {
		s.fail(codeClientEvents, "Client event rejected: the app publishes more than it may", out)
		return
	}
	attributes := &hub.Attributes{Event: m.Event, User: sub.as.User, Exclude: s.session}
	s.newest++
	c := dialect.Command{Kind: hub.CommandPublish, Action: access.Publish, Tag: s.newest, Channel: channel, As: sub.as}
	c.Message = hub.Message{Channel: channel, Kind: kind, Data: data, Attributes: attributes}
	out.Commands = append(out.Commands, c)
	if app.Listener == nil {
		return
	}
	if s.told == nil {
		s.told = make(map[uint64]*clientEvent)
	}
	told := &clientEvent{channel: channel, event: m.Event, data: data}
	if sub.members != nil {
		told.user = sub.members.self.ID
	}
	s.told[s.newest] = told // as many as commands are under way at most
}

// published goes on when an event of the client was published, or not.
func (s *Socket) published(app *App, o *hub.Outcome, out *dialect.Effects) {
	told := s.told[o.Tag]
	delete(s.told, o.Tag)
	var refusal *access.Refusal
	switch {
	case o.Err == nil && told != nil && app.Listener != nil:
		app.Listener.ClientEvent(told.channel, told.event, told.data, s.id, told.user)
	case o.Err == nil:
	case errors.As(o.Err, &refusal):
		s.fail(codeClientEvents, "Client event rejected: "+refusal.Reason, out)
	default:
		s.fail(codeClientEvents, "Client event rejected: "+app.Describe(o.Err).Detail, out)
	}
}

// clientData is the data as which a client event is published. A string is text, and
// stays a string; any other value is JSON. No data is null, as there is nothing else to
// say so.
func clientData(raw json.RawMessage) ([]byte, hub.Kind, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return []byte("null"), hub.JSON, nil
	case raw[0] != '"':
		return bytes.Clone(raw), hub.JSON, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, 0, errors.New("the data is not JSON: " + jsonProblem(err))
	}
	return []byte(text), hub.Text, nil
}

// rate counts the events of a second: as much may come at once, and then one whenever a
// part of the second has passed.
type rate struct {
	used float64
	at   time.Time
}

// allow counts one more, if there may be one more. most is for a second.
func (r *rate) allow(now time.Time, most int) bool {
	passed := now.Sub(r.at).Seconds() * float64(most)
	used := max(0, r.used-max(0, passed))
	if used+1 > float64(most) {
		return false
	}
	r.used, r.at = used+1, now
	return true
}
