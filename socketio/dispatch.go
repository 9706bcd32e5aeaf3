package socketio

import (
	"fmt"
	"runtime/debug"
)

// eventOverhead is what an event counts besides its arguments, in bytes.
const eventOverhead = 256

// enqueue has the socket handle an event in turn. A worker has the socket while there are
// events, or the caller with the first of them if handlers never wait.
func (s *Socket) enqueue(e *Event) {
	s.client.pending.Add(int64(e.size))
	s.mu.Lock()
	if s.tail == nil {
		s.head = e
	} else {
		s.tail.next = e
	}
	s.tail = e
	begin := !s.running
	s.running = true
	s.mu.Unlock()
	switch {
	case begin && s.client.server.options.NeverBlocks:
		s.workAll()
		return
	case begin:
		s.client.server.workers.run(s)
	}
	s.client.pauseOrResume()
}

// workAll handles the events of the queue.
func (s *Socket) workAll() {
	for {
		s.mu.Lock()
		e := s.head
		if e == nil {
			s.running = false
			s.mu.Unlock()
			return
		}
		if s.head = e.next; s.head == nil {
			s.tail = nil
		}
		s.mu.Unlock()
		e.next = nil
		s.work(e)
		s.client.pending.Add(-int64(e.size))
		s.client.pauseOrResume()
	}
}

func (s *Socket) work(e *Event) {
	defer func() {
		if v := recover(); v != nil {
			s.client.server.panicked(s, v)
		}
	}()
	switch e.kind {
	case connecting:
		s.connect(e)
	case disconnected:
		s.disconnected()
	default:
		if f := s.handler(e.name); f != nil {
			f(e)
		}
	}
}

// handler returns what handles an event, or nil.
func (s *Socket) handler(event string) func(*Event) {
	s.mu.Lock()
	f := s.handlers[event]
	s.mu.Unlock()
	if f != nil {
		return f
	}
	return s.namespace.handler(event)
}

func (s *Server) panicked(socket *Socket, v any) {
	s.panics.Add(1)
	s.options.Log.Error("socketio: handler panicked", "namespace", socket.namespace.name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	socket.client.close(ReasonPanic)
	if socket.state.Load() == stateConnecting {
		socket.end(ReasonPanic)
	}
}
