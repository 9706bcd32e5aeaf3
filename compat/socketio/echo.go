package socketio

import (
	"bytes"
	"encoding/json"

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
// It returns false for what is none.
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
		n.subscribeRoom(said.Channel, room{isEcho: true}, ackOf(p), hub.Position{}, out)
	case "unsubscribe":
		n.unsubscribeRoom(said.Channel, ackOf(p), out)
	default:
		n.whisper(&said, p, out)
	}
	return true
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
