package socketio

import (
	"slices"

	"github.com/godwit-io/godwit/socketio/packet"
)

// Broadcast is a choice of the sockets of a namespace: all of them, those in some rooms,
// those not in others. It is a value; its methods return new ones.
type Broadcast struct {
	namespace *Namespace
	rooms     []string // none: all
	except    []string
	sender    *Socket // is left out
	volatile  bool
}

// To adds the sockets in any of the rooms. The first To narrows all sockets down to these.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.rooms = slices.Concat(b.rooms, rooms)
	return b
}

// Except leaves out the sockets in any of the rooms.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.except = slices.Concat(b.except, rooms)
	return b
}

// Volatile has Emit leave out clients for which something is waiting already: for events
// that the next one makes worthless, such as positions. They are not recovered either.
func (b Broadcast) Volatile() Broadcast {
	b.volatile = true
	return b
}

// Emit sends an event to the chosen sockets. It is encoded once for all of them. Values
// become JSON as with encoding/json, a []byte or a Binary becomes bytes, a
// json.RawMessage is sent as it is, and Arguments stand for all their values.
//
// Nothing is waited for: a nil error says nothing about the clients that have got the
// event. A client that does not read is ended when Options.Engine.QueueBytesMax waits for
// it. The error is ErrEventName, ErrAttachments, ErrPlaceholder or one of encoding/json,
// and nothing has been sent then.
func (b Broadcast) Emit(event string, args ...any) error {
	p, e, err := b.namespace.encode(event, args)
	if err != nil {
		return err
	}
	defer e.release()
	if h := b.namespace.server.history; h != nil && !b.volatile {
		h.emit(&p, &b, nil)
		return nil
	}
	frames := p.Frames()
	for s := range b.sockets {
		if b.volatile && s.isBehind() {
			continue
		}
		_ = s.write(frames, false) // it has ended meanwhile
	}
	return nil
}

// encode makes a packet of an event. What it refers to is e's.
func (n *Namespace) encode(event string, args []any) (p packet.Packet, e *encoder, err error) {
	if packet.IsReserved(event) {
		return packet.Packet{}, nil, ErrEventName
	}
	e = encoders.Get().(*encoder)
	if err := e.append(args); err != nil {
		e.release()
		return packet.Packet{}, nil, err
	}
	return packet.Packet{Type: packet.Event, Namespace: n.name, Event: event, Args: e.args, Attachments: e.attachments}, e, nil
}

// Join adds the chosen sockets to rooms. A socket that is in too many is left out.
func (b Broadcast) Join(rooms ...string) {
	for s := range b.sockets {
		_ = s.Join(rooms...) // ErrClosed or ErrTooManyRooms
	}
}

// Leave takes the chosen sockets out of rooms.
func (b Broadcast) Leave(rooms ...string) {
	for s := range b.sockets {
		s.Leave(rooms...)
	}
}

// Disconnect ends the chosen sockets, as Socket.Disconnect does.
func (b Broadcast) Disconnect() {
	for s := range b.sockets {
		s.Disconnect()
	}
}

// Sockets returns the chosen sockets, in no particular order.
func (b Broadcast) Sockets() []*Socket { return slices.Collect(b.sockets) }

// sockets calls yield with each of the chosen sockets once. No lock is held meanwhile.
func (b *Broadcast) sockets(yield func(*Socket) bool) {
	if len(b.rooms) == 0 {
		b.of(b.namespace.everyone.sockets(), nil, yield)
		return
	}
	for i, name := range b.rooms {
		before := b.rooms[:i]
		r := b.namespace.room(name)
		if r != nil && !b.of(r.sockets(), before, yield) {
			return
		}
		if s := b.namespace.Socket(name); s != nil && (r == nil || !r.has(s)) && !b.of([]*Socket{s}, before, yield) {
			return
		}
	}
}

// of calls yield with the chosen sockets, except the ones in the rooms of before. It
// reports whether to go on.
func (b *Broadcast) of(sockets []*Socket, before []string, yield func(*Socket) bool) bool {
	for _, s := range sockets {
		if s == b.sender || s.isIn(before) || s.isIn(b.except) {
			continue
		}
		if !yield(s) {
			return false
		}
	}
	return true
}
