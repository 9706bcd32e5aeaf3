package socketio

import (
	"strconv"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport/dialect"
)

// ack is an acknowledgement that a client waits for.
type ack struct {
	id    uint64
	left  int    // commands that have no outcome yet
	args  []byte // what the client is told; nil for where it was published, or what was joined begins
	err   error  // the first one
	isOff bool   // nobody waits
}

// waiting is a command with an outcome that matters.
type waiting struct {
	ack       *ack   // nil if nobody waits
	room      string // the channel that is joined; "" for none
	membersOf string // the channel of the members asked for; "" for none
}

// await returns the tag of a command.
func (n *namespace) await(w waiting) uint64 {
	if n.waiting == nil {
		n.waiting = make(map[uint64]waiting)
	}
	n.numbers++
	n.waiting[n.numbers] = w
	return n.numbers
}

// settleWaiting takes the outcome of a command that await has a tag for.
func (n *namespace) settleWaiting(o *hub.Outcome, out *dialect.Effects) {
	w, ok := n.waiting[o.Tag]
	if !ok {
		return
	}
	delete(n.waiting, o.Tag)
	err := o.Err
	if w.membersOf != "" {
		n.tellMembers(w.membersOf, o.Roster, out)
	}
	if w.room != "" {
		err = n.entered(w.room, o, out)
	}
	n.done(w.ack, o.Position, err, out)
}

// done counts an outcome for an acknowledgement, which goes out with the last one.
func (n *namespace) done(a *ack, position hub.Position, err error, out *dialect.Effects) {
	if a == nil {
		return
	}
	if a.left--; a.err == nil {
		a.err = err
	}
	if a.left > 0 || a.isOff {
		return
	}
	args := a.args
	switch {
	case a.err != nil:
		args = append(appendProblem([]byte(`{"error":`), n.describe(a.err)), '}')
	case args == nil && position.IsZero():
		args = []byte("{}")
	case args == nil:
		args = position.AppendTo([]byte(`{"position":"`))
		args = append(args, `"}`...)
	}
	p := packet.Packet{Type: packet.Ack, Namespace: n.name, ID: a.id, HasID: true, Args: args}
	out.Frames = append(out.Frames, p.Frames()...)
}

// refuse tells a client that waits for an acknowledgement that nothing was done.
func (n *namespace) refuse(p *packet.Packet, err error, out *dialect.Effects) {
	if p.HasID {
		n.done(&ack{id: p.ID, left: 1}, hub.Position{}, err, out)
	}
}

// emit sends an event of the server's own, with JSON as its argument.
func (n *namespace) emit(event string, arg []byte, out *dialect.Effects) {
	p := packet.Packet{Type: packet.Event, Namespace: n.name, Event: event, Args: arg}
	out.Frames = append(out.Frames, p.Frames()...)
}

// appendGap appends {"channel":…,"from":…,"to":…}, as it is told where something was lost.
func appendGap(dst []byte, channel string, g *hub.Gap) []byte {
	dst = jsontext.AppendString(append(dst, `{"channel":`...), channel)
	dst = dialect.AppendPosition(append(dst, `,"from":`...), g.From)
	dst = dialect.AppendPosition(append(dst, `,"to":`...), g.To)
	if g.Count > 0 {
		dst = strconv.AppendInt(append(dst, `,"count":`...), int64(g.Count), 10)
	}
	return append(dst, '}')
}

// appendEnd appends {"code":…,"reason":…}.
func appendEnd(dst []byte, c *dialect.Closing) []byte {
	dst = strconv.AppendUint(append(dst, `{"code":`...), uint64(c.Code), 10)
	return append(jsontext.AppendString(append(dst, `,"reason":`...), c.Reason), '}')
}

// eventError is why an event cannot have its intended effect.
type eventError struct{ event, problem string }

func (e *eventError) Error() string { return "the event " + quoted(e.event) + ": " + e.problem }
