package socketio

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/engineio"
)

// Socket is one client in one namespace. All methods are safe for concurrent use, and none
// but EmitWithAck waits for anything.
type Socket struct {
	namespace *Namespace
	client    *client
	id        string
	state     atomic.Uint32 // one of the states
	trail     *trail        // nil without recovery

	mu           sync.Mutex // guards the rest
	held         [][]byte   // written before the client was let in
	heldBytes    int
	rooms        []membership
	acks         map[uint64]chan<- Answer // awaited
	handlers     map[string]func(*Event)
	onDisconnect func(Reason)
	data         any
	reason       Reason // of its end; "" before

	head, tail *Event // wait for a handler
	running    bool   // a goroutine handles them
}

// The states of a Socket.
const (
	stateConnecting uint32 = iota // OnConnect has not let it in yet
	stateOpen
	stateClosed
)

// isLegacy reports whether the client is of version 1 or 2.
func (s *Socket) isLegacy() bool { return s.client.isLegacy }

// membership is that a Socket is in a room.
type membership struct {
	room *room
	from uint64 // with recovery, the last event before it
}

// ID returns the identifier that others may know: 20 characters, the same as socket.id
// at the client.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace.
func (s *Socket) Namespace() *Namespace { return s.namespace }

// Recovered reports whether the client goes on where it was before its connection broke.
// It is in its rooms already then, and has the Data it had.
func (s *Socket) Recovered() bool { return s.trail != nil && s.trail.recovered }

// Handshake returns what Options.Engine.Allow made the Value of the client's connection, or
// nil: headers, cookies and the query of the first request are kept by nobody else.
func (s *Socket) Handshake() any { return s.client.handshake }

// RemoteAddr returns the address of the client.
func (s *Socket) RemoteAddr() net.Addr { return s.client.engine.RemoteAddr() }

// Transport returns what carries the connection now.
func (s *Socket) Transport() engineio.Transport { return s.client.engine.Transport() }

// IsConnected reports whether the client has been let in, and is still there.
func (s *Socket) IsConnected() bool { return s.state.Load() == stateOpen }

// SetData keeps something of the application's with the socket.
func (s *Socket) SetData(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = v
}

// Data returns what SetData has set, or nil.
func (s *Socket) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data
}

// On sets the handler of an event for this socket. It goes before the handler of the Namespace,
// and is as Namespace.On otherwise. A handler for all sockets costs less memory.
func (s *Socket) On(event string, f func(e *Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		delete(s.handlers, event)
		return
	}
	if s.handlers == nil {
		s.handlers = make(map[string]func(*Event))
	}
	s.handlers[event] = f
}

// OnDisconnect sets the function that is called when this socket has ended, before
// the function of the Namespace.
func (s *Socket) OnDisconnect(f func(reason Reason)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisconnect = f
}

// Emit sends an event to the client. It does not wait: a nil error does not say that the
// client has got it. The error is ErrClosed if it cannot get it any more, or as with
// Broadcast.Emit.
func (s *Socket) Emit(event string, args ...any) error {
	p, e, err := s.namespace.encode(event, args)
	if err != nil {
		return err
	}
	defer e.release()
	if h := s.namespace.server.history; h != nil {
		return h.emit(&p, nil, s)
	}
	return s.write(e.frames(&p), false)
}

// EmitVolatile is as Emit, but does nothing if something is waiting for the client already.
// The event is not recovered either.
func (s *Socket) EmitVolatile(event string, args ...any) error {
	if s.isBehind() {
		return nil
	}
	p, e, err := s.namespace.encode(event, args)
	if err != nil {
		return err
	}
	defer e.release()
	return s.write(e.frames(&p), false)
}

// isBehind reports whether something is waiting for the client.
func (s *Socket) isBehind() bool {
	return s.state.Load() == stateConnecting || s.client.engine.Buffered() > 0
}

// To returns the sockets in any of the rooms, without this one.
func (s *Socket) To(rooms ...string) Broadcast { return s.Others().To(rooms...) }

// Others returns all sockets of the namespace but this one.
func (s *Socket) Others() Broadcast { return Broadcast{namespace: s.namespace, sender: s} }

// Join adds the socket to rooms, which exist as long as a socket is in them. The error is
// ErrClosed or ErrTooManyRooms; the socket is in those rooms then that came before.
func (s *Socket) Join(rooms ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range rooms {
		if err := s.join(name, s.namespace.server.history.last()); err != nil {
			return err
		}
	}
	return nil
}

// join adds the socket to a room. s.mu is held.
func (s *Socket) join(name string, from uint64) error {
	if s.state.Load() == stateClosed {
		return ErrClosed
	}
	if s.membership(name) >= 0 {
		return nil
	}
	if len(s.rooms) >= s.namespace.server.options.RoomsMax {
		return ErrTooManyRooms
	}
	s.namespace.server.rooms.update(roomKey{s.namespace, name}, func(r *room, ok bool) (*room, bool) {
		if !ok {
			r = &room{name: name}
		}
		r.add(s)
		s.rooms = append(s.rooms, membership{r, from})
		return r, true
	})
	return nil
}

func (s *Socket) membership(name string) int {
	return slices.IndexFunc(s.rooms, func(m membership) bool { return m.room.name == name })
}

// Leave takes the socket out of rooms.
func (s *Socket) Leave(rooms ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() == stateClosed {
		return
	}
	for _, name := range rooms {
		i := s.membership(name)
		if i < 0 {
			continue
		}
		m := s.rooms[i]
		s.leave(m.room)
		s.rooms = slices.Delete(s.rooms, i, i+1)
		if s.trail != nil {
			s.trail.left(m, s.namespace.server.history.last())
		}
	}
}

// leave takes the socket out of a room, which ends with its last member. s.mu is held.
func (s *Socket) leave(of *room) {
	s.namespace.server.rooms.update(roomKey{s.namespace, of.name}, func(r *room, ok bool) (*room, bool) {
		return r, of.remove(s) > 0
	})
}

// Rooms returns the names of the rooms that the socket is in, or was in when it ended.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(s.rooms))
	for i, m := range s.rooms {
		names[i] = m.room.name
	}
	return names
}

// isIn reports whether the socket is in one of the rooms, its own among them.
func (s *Socket) isIn(rooms []string) bool {
	for _, name := range rooms {
		if name == s.id {
			return true
		}
		if r := s.namespace.room(name); r != nil && r.has(s) {
			return true
		}
	}
	return false
}

// Disconnect has the client leave the namespace. It is final: clients do not come back by
// themselves. In OnConnect it refuses the client.
func (s *Socket) Disconnect() {
	s.client.leave(s)
	s.end(ReasonServerDisconnect)
}

// Close closes the client's connection, with all its namespaces. The client comes back by
// itself after some seconds.
func (s *Socket) Close() { s.client.close(ReasonServerClose) }
