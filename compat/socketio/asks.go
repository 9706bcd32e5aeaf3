package socketio

import (
	"strings"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport/dialect"
)

// ask gives an event to the Backend.
func (n *namespace) ask(p *packet.Packet, out *dialect.Effects) {
	args := append(make([]byte, 0, len(p.Args)+2), '[')
	args, err := packet.AppendExpanded(args, p.Args, p.Attachments, packet.AppendBase64Object(attachmentKey))
	if err != nil {
		n.refuse(p, err, out)
		return
	}
	a := &ack{id: p.ID, left: 1, isOff: !p.HasID}
	number := n.await(waiting{ack: a})
	n.asking++
	n.asks = append(n.asks, ask{number, &EventRequest{Event: strings.Clone(p.Event), Args: append(args, ']'), WantsAck: p.HasID}})
}

// apply carries out the Backend's answer to an event.
func (n *namespace) apply(got *answered, out *dialect.Effects) {
	w, ok := n.waiting[got.number]
	if !ok {
		return
	}
	delete(n.waiting, got.number)
	n.asking--
	a := w.ack
	answer := got.EventAnswer
	if got.err != nil || answer == nil {
		n.done(a, hub.Position{}, got.err, out)
		return
	}
	a.args = argsOfAck(answer.Ack)
	a.left += len(answer.Join) + len(answer.Leave) + len(answer.Publish)
	for _, name := range answer.Join {
		n.enter(name, true, a, out)
	}
	for _, name := range answer.Leave {
		if channel, err := roomChannel(n.channel, name); err != nil {
			n.done(a, hub.Position{}, err, out)
		} else {
			n.unsubscribeRoom(channel, &ack{left: 1, isOff: true}, out)
			n.done(a, hub.Position{}, nil, out)
		}
	}
	for _, m := range answer.Publish {
		out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandPublish, Channel: m.Channel, Message: m, Tag: n.await(waiting{ack: a})})
	}
	n.done(a, hub.Position{}, nil, out)
	if answer.Disconnect {
		n.leaveNamespace(&dialect.Closing{End: dialect.EndRefused, Code: closeByBackend, Reason: "disconnected by the application"}, out)
	}
}

// closeByBackend is the code with which a client is told that the application has
// disconnected it.
const closeByBackend = 4403

// argsOfAck are the arguments of an acknowledgement: an array, or one value.
func argsOfAck(answer []byte) packet.Args {
	args, err := packet.ParseArgs(answer)
	switch {
	case err == nil && args != nil:
		return args
	case len(answer) == 0 || err == nil:
		return packet.Args{}
	}
	return packet.Args(answer)
}
