package socketio

import (
	"errors"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/dialect"
)

// Transport is the name of sessions in presence, statistics and metrics.
const Transport = "socketio"

// settings are what all namespaces of a Server share.
type settings struct {
	main        string
	forms       *forms
	rules       rules
	routed      routed // events for the Backend
	isEcho      bool   // Laravel Echo is understood
	asksConnect bool   // the Backend is asked about joins
	describe    func(error) dialect.Failure
}

// namespace is a client in one namespace: a dialect with the frames of Socket.IO. The
// client's packets come as inputs, as packets belong to no namespace until they have been
// read. Like every dialect it does no I/O and reads no clock: what a Backend is to be
// asked is among asks.
//
//	CONNECT ─► identify ─► (Backend) ─► (recover) ─► subscribe ─► CONNECT
//	EVENT ─► rule, Backend, or publication ─► ACK
type namespace struct {
	*settings
	conn        *packet.Conn // of all namespaces of the client
	name        string
	channel     string
	excludesOwn bool   // the client is not given its own publications
	auth        []byte // what the client says of itself, until the Backend is asked

	phase     phase
	hasJoined bool // ever
	endsWith  ending
	session   string           // its ID
	as        *access.Identity // by the Backend; nil for the client itself
	opened    int64            // in nanoseconds of Unix time
	in        input            // what Receive is about
	asks      []ask            // for the Backend; taken by the owner
	asking    int              // the ones not answered
	joins     []string         // rooms that the Backend has answered with
	numbers   uint64           // of asks and of tags
	waiting   map[uint64]waiting
	rooms     map[string]room  // by channel
	pid       string           // "" without recovery
	record    *record          // nil without recovery, and before it has joined
	recovery  *recovering      // the session to go on with; nil for none
	restores  string           // the ID that the session is to have, "" for a new one
	owner     *access.Identity // the owner of that session
	remembers func(*record)    // called when the client has joined, with recovery
}

type phase uint8

const (
	phaseOpening phase = iota
	phaseJoined
	phaseOver
)

// ending is the effect of the end of a conversation on the session of Engine.IO.
type ending uint8

const (
	endsNamespace ending = iota // the client has left, and the others go on
	endsTransport               // the client comes back by itself, with all of its namespaces
)

// input is an input of a namespace: one of the fields is set.
type input struct {
	event     *packet.Packet
	connected *connected
	answered  *answered
}

// connected is the answer of a Backend to a ConnectRequest.
type connected struct {
	*ConnectAnswer
	err error
}

// answered is the answer of a Backend to an EventRequest.
type answered struct {
	number uint64
	*EventAnswer
	err error
}

// ask is a question for the Backend. Of one about a client that connects number is 0.
type ask struct {
	number uint64
	event  *EventRequest
}

// asksMax is how many events of a namespace may wait for the Backend before the client is
// read no more.
const asksMax = 16

// room is a channel besides the namespace's own.
type room struct {
	hasJoined  bool
	isEcho     bool // a channel of Laravel Echo
	hasMembers bool // and its client is told of them
	isVouched  bool // the Backend has joined it
}

// The tags of the first commands. Those of others are greater.
const (
	tagIdentify = iota + 1
	tagVouched
	tagSubscribe
	tagLast
)

// Transport implements dialect.Dialect.
func (n *namespace) Transport() string { return Transport }

// Opened implements dialect.Opener.
func (n *namespace) Opened(session string) { n.session = session }

// Deadline is never.
func (n *namespace) Deadline() time.Time { return time.Time{} }

// Expire is never called.
func (n *namespace) Expire(time.Time, *dialect.Effects) {}

// Begin has the client identified.
func (n *namespace) Begin(now time.Time, out *dialect.Effects) {
	n.opened, n.numbers = now.UnixNano(), tagLast
	out.Commands = append(out.Commands, dialect.Command{Kind: dialect.CommandIdentify, Tag: tagIdentify, Session: n.restores, Owner: n.owner})
	if !n.asksConnect {
		n.join(out)
	}
}

// join subscribes, from where the client was if that is known.
func (n *namespace) join(out *dialect.Effects) {
	if n.recovery != nil {
		n.check(out)
		return
	}
	n.subscribe(out, hub.Position{})
}

func (n *namespace) subscribe(out *dialect.Effects, since hub.Position) {
	out.Commands = append(out.Commands, dialect.Command{
		Kind: hub.CommandSubscribe, Action: access.Subscribe, As: n.as, Tag: tagSubscribe, Channel: n.channel,
		Subscribe: hub.SubscribeOptions{Since: since, ExcludeSelf: n.excludesOwn},
	})
}

// Receive takes what in has.
func (n *namespace) Receive(_ time.Time, _ dialect.Frame, out *dialect.Effects) {
	in := n.in
	n.in = input{}
	switch {
	case n.phase == phaseOver:
	case in.event != nil:
		n.receive(in.event, out)
	case in.connected != nil:
		n.admit(in.connected, out)
	case in.answered != nil:
		n.apply(in.answered, out)
	}
}

// admit goes on with the Backend's answer about the client.
func (n *namespace) admit(c *connected, out *dialect.Effects) {
	if n.phase != phaseOpening {
		return
	}
	if c.err != nil {
		n.fail(c.err, out)
		return
	}
	if n.as = c.vouched(n.channel); n.as != nil {
		out.Commands = append(out.Commands, dialect.Command{Kind: dialect.CommandIdentify, Tag: tagVouched, As: n.as})
	}
	if c.ConnectAnswer != nil {
		n.joins = c.Join
	}
	if n.recovery != nil && n.recovery.user != n.user() {
		n.recovery = nil // another one than it was
	}
	n.join(out)
}

// user is the client's user as the Backend has said.
func (n *namespace) user() string {
	if n.as == nil {
		return ""
	}
	return n.as.User
}

// receive takes an event of the client.
func (n *namespace) receive(p *packet.Packet, out *dialect.Effects) {
	if n.phase != phaseJoined || p.Type != packet.Event {
		return // an acknowledgement is of an event that nobody has asked to acknowledge
	}
	rule, hasRule := n.rules[p.Event]
	switch {
	case n.routed.has(p.Event):
		n.ask(p, out)
	case hasRule:
		n.follow(&rule, p, out)
	case n.isEcho && n.name == packet.Main && n.receiveEcho(p, out):
	default:
		n.publish(n.channel, p.Event, p.Args, p, out)
	}
}

// publish publishes an event. p says what it came with.
func (n *namespace) publish(channel, event string, args packet.Args, p *packet.Packet, out *dialect.Effects) {
	m, err := publicationOf(channel, event, args, p.Attachments)
	if err != nil {
		n.refuse(p, err, out)
		return
	}
	command := dialect.Command{Kind: hub.CommandPublish, Action: access.Publish, As: n.as, Channel: channel, Message: m}
	if p.HasID {
		command.Tag = n.await(waiting{ack: &ack{id: p.ID, left: 1}})
	}
	out.Commands = append(out.Commands, command)
}

// Push implements dialect.Dialect.
func (n *namespace) Push(_ time.Time, pushes []hub.Push, out *dialect.Effects) {
	for i := range pushes {
		switch p := &pushes[i]; {
		case p.Delivery != nil:
			n.deliver(p, out)
		case p.Gap != nil:
			if p.Gap.Reason == hub.GapLost {
				n.emit("gap", appendGap(nil, p.Channel, p.Gap), out)
			}
		case p.Behind != nil: // clients have no word for it; nothing is lost, and it is tried again
		case p.Changes != nil:
			n.tellChanges(p.Changes, out)
		case p.Outcome != nil:
			n.settle(p.Outcome, out)
		}
		if out.Closing != nil {
			return
		}
	}
}

// deliver sends a publication.
func (n *namespace) deliver(p *hub.Push, out *dialect.Effects) {
	var encoded []byte
	switch d := p.Delivery; {
	case d.Channel == n.channel:
		encoded = n.forms.own.Of(d)
	case n.rooms[d.Channel].isEcho:
		encoded = n.forms.echo.Of(d)
	case parentOf(d.Channel) == n.channel:
		encoded = n.forms.room.Of(d)
	default: // the server API has subscribed the session to it
		encoded = n.forms.encode(d.Publication, n.name)
	}
	out.Frames = append(out.Frames, encoded)
	out.Delivered.Add(p.Delivery.Publication, len(encoded), n.opened)
	if n.record != nil {
		n.record.sent(p.Delivery.Channel, p.Delivery.Position)
	}
}

// settle takes the outcome of a command.
func (n *namespace) settle(o *hub.Outcome, out *dialect.Effects) {
	switch {
	case n.phase == phaseOver:
	case o.Tag == tagIdentify:
		n.identified(o, out)
	case o.Tag == tagVouched:
		if o.Err != nil {
			n.fail(o.Err, out)
		}
	case o.Tag == tagSubscribe && n.phase == phaseOpening:
		n.subscribed(o, out)
	case n.recovery != nil && o.Command == hub.CommandHistory:
		n.checked(o, out)
	case o.Tag != 0:
		n.settleWaiting(o, out)
	case o.Command == hub.CommandUnsubscribe: // by the server
		n.removed(o, out)
	}
}

func (n *namespace) identified(o *hub.Outcome, out *dialect.Effects) {
	switch {
	case n.phase != phaseOpening:
	case o.Err != nil:
		n.fail(o.Err, out)
	default:
		isOther := n.restores != "" && n.session != n.restores // than the client that was there
		if isOther {
			n.recovery = nil
		}
		if n.asksConnect {
			n.asks = append(n.asks, ask{})
		} else if isOther {
			n.join(out)
		}
	}
}

// subscribed tells the client that it has joined.
func (n *namespace) subscribed(o *hub.Outcome, out *dialect.Effects) {
	if o.Err != nil {
		n.fail(o.Err, out)
		return
	}
	n.phase, n.hasJoined = phaseJoined, true
	out.Frames = append(out.Frames, n.conn.Accept(n.name, n.session, n.pid))
	n.remember(o.Position)
	n.rejoin(out)
	for _, name := range n.joins {
		n.enter(name, true, nil, out)
	}
	n.joins = nil
}

// removed ends a subscription that the server has ended.
func (n *namespace) removed(o *hub.Outcome, out *dialect.Effects) {
	if o.Channel != n.channel {
		n.leave(o.Channel)
		return
	}
	err := o.Err
	if err == nil {
		err = hub.ErrUnsubscribed
	}
	n.leaveNamespace(dialect.ClosingOf(err), out)
}

// fail refuses a client that has not joined. A client that is told so does not come back
// by itself, so it is told only of a verdict: it tries again later if something else is
// wrong.
func (n *namespace) fail(err error, out *dialect.Effects) {
	closing := dialect.ClosingOf(err)
	if !transport.IsRefusal(err) {
		n.end(endsTransport, closing, out)
		return
	}
	failure := n.describe(err)
	if frame := n.conn.Refuse(n.name, failure.Detail, appendProblem(nil, failure)); frame != nil {
		out.Frames = append(out.Frames, frame)
	}
	n.end(endsNamespace, closing, out)
}

// End implements dialect.Dialect.
func (n *namespace) End(reason error, out *dialect.Effects) {
	var ended *hub.Ended
	switch closing := dialect.ClosingOf(reason); {
	case n.phase == phaseOpening:
		n.fail(reason, out)
	case transport.IsRefusal(reason), errors.As(reason, &ended) && !ended.Reconnect:
		n.leaveNamespace(closing, out)
	default:
		n.end(endsTransport, closing, out)
	}
}

// leaveNamespace has the client leave, and says why before: that it has to leave is all
// that the protocol has words for.
func (n *namespace) leaveNamespace(closing *dialect.Closing, out *dialect.Effects) {
	n.emit("end", appendEnd(nil, closing), out)
	if frame := n.conn.Leave(n.name); frame != nil {
		out.Frames = append(out.Frames, frame)
	}
	n.end(endsNamespace, closing, out)
}

func (n *namespace) end(how ending, closing *dialect.Closing, out *dialect.Effects) {
	n.phase, n.endsWith = phaseOver, how
	out.Closing = closing
}
