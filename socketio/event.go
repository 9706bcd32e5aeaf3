package socketio

import (
	"sync/atomic"

	"github.com/godwit-io/godwit/socketio/packet"
)

// Event is something that a client has emitted. It belongs to the handler, which may keep
// it.
type Event struct {
	Arguments

	socket *Socket
	name   string
	id     uint64
	asked  atomic.Bool // for an acknowledgement that has not been sent

	// What else a Socket does in turn with its events.
	kind eventKind
	next *Event // of the same Socket
	size int
}

// eventKind is what an entry in the queue of a Socket is.
type eventKind uint8

const (
	emitted eventKind = iota
	connecting
	disconnected
)

// Name returns the name of the event.
func (e *Event) Name() string { return e.name }

// Socket returns the socket of the client.
func (e *Event) Socket() *Socket { return e.socket }

// WantsAck reports whether the client asks for an acknowledgement that it has not got yet.
func (e *Event) WantsAck() bool { return e.asked.Load() }

// Ack acknowledges the event: the arguments are what the client's callback is called with.
// It may be called later, from any goroutine. The error is ErrAcked if the client does not
// ask, or was answered already, ErrClosed, or as with Emit; after one of those nothing has
// been sent.
func (e *Event) Ack(args ...any) error {
	if !e.asked.Load() {
		return ErrAcked
	}
	enc := encoders.Get().(*encoder)
	defer enc.release()
	if err := enc.append(args); err != nil {
		return err
	}
	if !e.asked.CompareAndSwap(true, false) {
		return ErrAcked
	}
	p := packet.Packet{Type: packet.Ack, Namespace: e.socket.namespace.name, ID: e.id, HasID: true, Args: enc.args, Attachments: enc.attachments}
	return e.socket.write(enc.frames(&p), false)
}
