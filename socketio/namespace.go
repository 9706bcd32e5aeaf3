package socketio

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Namespace is a part of the server's traffic that clients join by name, each with one
// Socket: "/" is the one of a client that names none. All methods are safe for concurrent
// use.
type Namespace struct {
	server   *Server
	name     string
	everyone room
	acks     atomic.Uint64 // ids of acknowledgements that were asked for

	dynamic bool
	users   int // sockets, also the ones not let in yet; guarded by server.mu

	mu           sync.Mutex // held to change what follows
	handlers     atomic.Pointer[map[string]func(*Event)]
	other        atomic.Pointer[func(*Event)]
	onConnect    atomic.Pointer[func(*Socket, Auth) error]
	onDisconnect atomic.Pointer[func(*Socket, Reason)]
}

// Name returns the name, which begins with a slash.
func (n *Namespace) Name() string { return n.name }

// Len returns how many sockets are in the namespace.
func (n *Namespace) Len() int { return n.everyone.len() }

// OnConnect sets what decides whether a client may join, and prepares its Socket: the
// rooms it is in, its Data, its handlers. An error refuses: a *Refusal is told to the
// client, ErrTryLater has it try again, and any other error is logged and told as
// "Refused".
//
// What f emits to the Socket arrives after the client has been told that it is in. f may
// take time; the client waits, and events of others to it wait as well. Without OnConnect,
// and with a nil f, everybody may join.
func (n *Namespace) OnConnect(f func(s *Socket, auth Auth) error) { set(&n.onConnect, f, f == nil) }

// OnDisconnect sets the function that is called when a Socket that was let in has ended:
// last, after the handlers of all its events. The Socket is in no room any more, but Rooms
// says in which it was.
func (n *Namespace) OnDisconnect(f func(s *Socket, reason Reason)) {
	set(&n.onDisconnect, f, f == nil)
}

// set stores a function, or that there is none.
func set[F any](where *atomic.Pointer[F], f F, isNil bool) {
	if isNil {
		where.Store(nil)
		return
	}
	where.Store(&f)
}

// On sets the handler of an event, for every Socket that has none of its own. The events
// of one Socket are handled one after another, in the order in which its client emitted
// them; those of different sockets at the same time. A handler may take time: the events that
// wait for it are bounded, see Options.PendingBytesMax.
//
// A handler that panics ends the connection of its client. A nil f removes the handler.
func (n *Namespace) On(event string, f func(e *Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	handlers := make(map[string]func(*Event))
	if old := n.handlers.Load(); old != nil {
		maps.Copy(handlers, *old)
	}
	if handlers[event] = f; f == nil {
		delete(handlers, event)
	}
	n.handlers.Store(&handlers)
}

// OnOther sets the handler of the events that have none. Default: they are dropped.
func (n *Namespace) OnOther(f func(e *Event)) { set(&n.other, f, f == nil) }

// handler returns what handles an event, or nil.
func (n *Namespace) handler(event string) func(*Event) {
	if handlers := n.handlers.Load(); handlers != nil {
		if f := (*handlers)[event]; f != nil {
			return f
		}
	}
	if f := n.other.Load(); f != nil {
		return *f
	}
	return nil
}

// Emit sends an event to every socket of the namespace. See Broadcast.Emit.
func (n *Namespace) Emit(event string, args ...any) error {
	return n.all().Emit(event, args...)
}

// To returns the sockets in any of the rooms. The ID of a Socket is a room with that
// Socket alone.
func (n *Namespace) To(rooms ...string) Broadcast { return n.all().To(rooms...) }

// Except returns the sockets of the namespace that are in none of the rooms.
func (n *Namespace) Except(rooms ...string) Broadcast { return n.all().Except(rooms...) }

// All returns the sockets of the namespace.
func (n *Namespace) All() Broadcast { return n.all() }

func (n *Namespace) all() Broadcast { return Broadcast{namespace: n} }

// Socket returns the socket with an ID, or nil if there is none.
func (n *Namespace) Socket(id string) *Socket {
	if s, ok := n.server.sockets.get(id); ok && s.namespace == n {
		return s
	}
	return nil
}

// RoomLen returns how many sockets are in a room.
func (n *Namespace) RoomLen(name string) int {
	if r := n.room(name); r != nil {
		return r.len()
	}
	return 0
}

func (n *Namespace) room(name string) *room {
	r, _ := n.server.rooms.get(roomKey{n, name})
	return r
}
