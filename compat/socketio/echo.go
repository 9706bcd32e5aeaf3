package socketio

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport/dialect"
)

// echoEvent is what Laravel Echo says with its events.
type echoEvent struct {
	Channel string          `json:"channel"`
	Event   string          `json:"event"`
	Data    json.RawMessage `json:"data"`
}

// receiveEcho takes an event of Laravel Echo's broadcaster for Socket.IO, which subscribes
// to channels by their full names:
//
//	subscribe, unsubscribe   {"channel":"orders","auth":{…}}
//	client event             {"channel":"orders","event":"client-typing","data":…}
//
// It returns false for an event that is none. Of a channel that begins with "presence-"
// the client is told the users that are there, and the users that come and go:
//
//	presence:subscribed                 the channel, [{"user_id":…,"user_info":…},…]
//	presence:joining, presence:leaving  the channel, {"user_id":…,"user_info":…}
func (n *namespace) receiveEcho(p *packet.Packet, out *dialect.Effects) bool {
	if p.Event != "subscribe" && p.Event != "unsubscribe" && p.Event != "client event" {
		return false
	}
	var said echoEvent
	first, _ := soleArg(p.Args)
	if json.Unmarshal(first, &said) != nil || said.Channel == "" {
		return false
	}
	if err := hub.CheckChannel(said.Channel); err != nil {
		n.refuse(p, err, out)
		return true
	}
	switch p.Event {
	case "subscribe":
		n.subscribeRoom(said.Channel, room{isEcho: true, hasMembers: strings.HasPrefix(said.Channel, access.PresencePrefix)}, ackOf(p), hub.Position{}, out)
	case "unsubscribe":
		n.unsubscribeRoom(said.Channel, ackOf(p), out)
	default:
		if !strings.HasPrefix(said.Event, whisperPrefix) {
			n.refuse(p, &eventError{p.Event, "the event of a whisper begins with " + whisperPrefix}, out)
			return true
		}
		n.whisper(&said, p, out)
	}
	return true
}

// whisperPrefix begins the events that clients send to each other.
const whisperPrefix = "client-"

// isOfEcho reports whether an event has a name that Laravel Echo takes for what the server
// itself says.
func isOfEcho(event string) bool {
	return strings.HasPrefix(event, "presence:") || event == "subscription_error"
}

// whisper publishes an event of a client to the other subscribers of a channel.
func (n *namespace) whisper(said *echoEvent, p *packet.Packet, out *dialect.Effects) {
	if !n.rooms[said.Channel].hasJoined {
		n.refuse(p, &eventError{p.Event, "subscribe to the channel first"}, out)
		return
	}
	m := hub.Message{Channel: said.Channel, Attributes: &hub.Attributes{Event: said.Event, Exclude: n.session}}
	if m.Kind, m.Data = payloadOf(bytes.TrimSpace(said.Data)); len(m.Data) == 0 && m.Kind == hub.JSON {
		m.Data = []byte("null")
	}
	command := dialect.Command{Kind: hub.CommandPublish, Action: access.Publish, As: n.as, Channel: said.Channel, Message: m}
	if a := ackOf(p); a != nil {
		command.Tag = n.await(waiting{ack: a})
	}
	out.Commands = append(out.Commands, command)
}

// refuseEcho tells Laravel Echo that it may not subscribe.
func (n *namespace) refuseEcho(channel string, err error, out *dialect.Effects) {
	status := 500
	if f := n.describe(err); f.Problem != nil {
		status = f.Problem.Status
	}
	arg, _ := json.Marshal(status)
	n.emit("subscription_error", append(append(jsontext.AppendString(nil, channel), ','), arg...), out)
}

// echoMembersMax is how many users a client is told of at once.
const echoMembersMax = hub.MembersMax

// askMembers asks for the members of a channel.
func (n *namespace) askMembers(channel string, out *dialect.Effects) {
	out.Commands = append(out.Commands, dialect.Command{
		Kind: hub.CommandPresence, Action: access.Presence, As: n.as, Channel: channel, Tag: n.await(waiting{membersOf: channel}),
		Presence: hub.PresenceQuery{ByUser: true, Limit: echoMembersMax},
	})
}

// tellMembers tells the members of a channel.
func (n *namespace) tellMembers(channel string, r *hub.Roster, out *dialect.Effects) {
	if r == nil || !n.rooms[channel].hasMembers {
		return
	}
	args := append(jsontext.AppendString(nil, channel), ",["...)
	for i := range r.Members {
		if i > 0 {
			args = append(args, ',')
		}
		args = appendMember(args, &r.Members[i])
	}
	n.emit("presence:subscribed", append(args, ']'), out)
}

// tellChanges tells of members that have come and gone, or asks for all members if
// there are too many changes.
func (n *namespace) tellChanges(c *hub.Changes, out *dialect.Effects) {
	if !n.rooms[c.Channel].hasMembers {
		return
	}
	if c.IsPartial {
		n.askMembers(c.Channel, out)
		return
	}
	tell := func(event string, members []hub.Member) {
		for i := range members {
			n.emit(event, appendMember(append(jsontext.AppendString(nil, c.Channel), ','), &members[i]), out)
		}
	}
	tell("presence:leaving", c.Left)
	tell("presence:joining", c.Joined)
}

func appendMember(dst []byte, m *hub.Member) []byte {
	dst = jsontext.AppendString(append(dst, `{"user_id":`...), m.User)
	dst = append(dst, `,"user_info":`...)
	if m.Info == "" {
		dst = append(dst, "null"...)
	} else {
		dst = jsontext.AppendCompact(dst, []byte(m.Info))
	}
	return append(dst, '}')
}
