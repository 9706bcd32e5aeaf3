package socketio

import (
	"errors"
	"fmt"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport/dialect"
)

// follow applies a rule to an event.
func (n *namespace) follow(rule *Rule, p *packet.Packet, out *dialect.Effects) {
	index := rule.Publish
	switch {
	case rule.Subscribe != nil:
		index = rule.Subscribe
	case rule.Unsubscribe != nil:
		index = rule.Unsubscribe
	}
	name, ok := roomArg(p.Args, *index)
	if !ok {
		n.refuse(p, &eventError{p.Event, fmt.Sprintf("its argument %d is the name of a room, a string or a number", *index)}, out)
		return
	}
	channel, err := roomChannel(n.channel, name)
	if err != nil {
		n.refuse(p, err, out)
		return
	}
	switch {
	case rule.Publish != nil:
		n.publish(channel, p.Event, without(p.Args, *index), p, out)
	case rule.Subscribe != nil:
		n.subscribeRoom(channel, room{}, ackOf(p), hub.Position{}, out)
	default:
		n.unsubscribeRoom(channel, ackOf(p), out)
	}
}

// ackOf is the acknowledgement that an event asks for, of one command.
func ackOf(p *packet.Packet) *ack {
	if !p.HasID {
		return nil
	}
	return &ack{id: p.ID, left: 1}
}

// enter joins a room by its name.
func (n *namespace) enter(name string, isVouched bool, a *ack, out *dialect.Effects) {
	channel, err := roomChannel(n.channel, name)
	if err != nil {
		n.done(a, hub.Position{}, err, out)
		return
	}
	n.subscribeRoom(channel, room{isVouched: isVouched}, a, hub.Position{}, out)
}

// subscribeRoom joins a channel. Where the Backend has said so, nobody else is asked.
func (n *namespace) subscribeRoom(channel string, r room, a *ack, since hub.Position, out *dialect.Effects) {
	if n.rooms[channel].hasJoined {
		n.done(a, hub.Position{}, nil, out)
		return
	}
	if n.rooms == nil {
		n.rooms = make(map[string]room)
	}
	n.rooms[channel] = r
	command := dialect.Command{
		Kind: hub.CommandSubscribe, Action: access.Subscribe, As: n.as, Channel: channel, Tag: n.await(waiting{ack: a, room: channel}),
		Subscribe: hub.SubscribeOptions{Since: since, ExcludeSelf: n.excludesOwn},
	}
	if r.hasMembers {
		command.Also, command.Subscribe.Presence, command.Subscribe.PresenceByUser = access.Presence, true, true
	}
	if r.isVouched {
		command.Action = 0
	}
	out.Commands = append(out.Commands, command)
}

// entered takes the outcome of subscribeRoom. A room that is joined already is a success.
func (n *namespace) entered(channel string, o *hub.Outcome, out *dialect.Effects) error {
	if o.Command != hub.CommandSubscribe {
		return o.Err
	}
	r, isWanted := n.rooms[channel]
	switch {
	case errors.Is(o.Err, hub.ErrSubscribed):
	case o.Err != nil:
		delete(n.rooms, channel)
		if isWanted && r.isEcho {
			n.refuseEcho(channel, o.Err, out)
		}
		return o.Err
	}
	if isWanted {
		r.hasJoined = true
		n.rooms[channel] = r
		if n.record != nil {
			n.record.entered(channel, r, o.Position)
		}
		if r.hasMembers {
			n.askMembers(channel, out)
		}
	}
	return nil
}

// unsubscribeRoom leaves a channel.
func (n *namespace) unsubscribeRoom(channel string, a *ack, out *dialect.Effects) {
	if _, isThere := n.rooms[channel]; !isThere {
		n.done(a, hub.Position{}, nil, out)
		return
	}
	n.leave(channel)
	out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandUnsubscribe, Channel: channel, Tag: n.await(waiting{ack: a})})
}

// leave forgets a room.
func (n *namespace) leave(channel string) {
	delete(n.rooms, channel)
	if n.record != nil {
		n.record.left(channel)
	}
}
