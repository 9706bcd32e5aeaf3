package socketio

import (
	"bytes"
	"errors"
)

// connect asks OnConnect about a client and lets it in, or does not.
func (s *Socket) connect(e *Event) {
	auth := Auth(e.args)
	h := s.namespace.server.history
	if h != nil {
		h.recover(s, auth)
	}
	var err error
	if f := s.namespace.onConnect.Load(); f != nil {
		err = (*f)(s, auth)
	}
	if err != nil {
		s.refuse(err)
		return
	}
	if !s.open(h) { // it has ended meanwhile, by Disconnect perhaps
		s.refuse(&Refusal{Message: "Refused"})
	}
}

// open lets the client in. It reports false if it has ended meanwhile.
func (s *Socket) open(h *history) bool {
	c := s.client
	if h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != stateConnecting || c.closed {
		return false
	}
	var missed [][][]byte
	pid := ""
	if h != nil {
		var ok bool
		if missed, ok = h.missed(s); !ok {
			// The events that it missed were forgotten while OnConnect ran. It comes back as a
			// new one.
			go c.close(ReasonServerClose)
			return false
		}
		pid = s.trail.pid
		h.opened(s)
	}
	frame := c.conn.Accept(s.namespace.name, s.id, pid)
	if frame == nil {
		return false
	}
	s.namespace.server.sockets.update(s.id, func(*Socket, bool) (*Socket, bool) { return s, true })
	s.namespace.everyone.add(s)
	c.engine.WakeAt(c.conn.Deadline())
	c.write([][]byte{frame})
	for _, frames := range missed {
		c.write(frames)
	}
	if len(s.held) > 0 {
		c.write(s.held)
	}
	s.held, s.heldBytes = nil, 0
	s.state.Store(stateOpen)
	return true
}

// refuse tells the client that it may not join.
func (s *Socket) refuse(err error) {
	c := s.client
	c.server.refused.Add(1)
	if errors.Is(err, ErrTryLater) {
		s.end(ReasonServerClose)
		c.close(ReasonServerClose)
		return
	}
	message, data, told := refusal(err)
	if !told {
		c.server.options.Log.Error("socketio: OnConnect", "namespace", s.namespace.name, "error", err)
	}
	c.mu.Lock()
	frame := c.conn.Refuse(s.namespace.name, message, data)
	for i, other := range c.sockets {
		if other == s {
			c.sockets = append(c.sockets[:i:i], c.sockets[i+1:]...)
			break
		}
	}
	if frame != nil && !c.closed {
		c.write([][]byte{frame})
	}
	c.mu.Unlock()
	s.end(ReasonServerDisconnect)
}

// write sends frames to the client, after it was let in. logged says that the events of
// the history are among them, which a client that recovers gets from there. It does not
// keep frames.
func (s *Socket) write(frames [][]byte, logged bool) error {
	switch s.state.Load() {
	case stateOpen:
		return s.written(s.client.engine.WritePackets(frames...))
	case stateClosed:
		return ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state.Load() {
	case stateOpen:
		return s.written(s.client.engine.WritePackets(frames...))
	case stateClosed:
		return ErrClosed
	}
	if logged && s.trail.recovered {
		return nil
	}
	for _, f := range frames {
		s.held = append(s.held, bytes.Clone(f))
		s.heldBytes += len(f) + eventOverhead
	}
	if s.heldBytes > s.namespace.server.heldBytesMax {
		s.held = nil
		go s.client.close(ReasonQueueFull)
		return ErrClosed
	}
	return nil
}

// written makes of an error of the engine one of this package: what can be wrong with frames
// is not wrong with ours.
func (s *Socket) written(err error) error {
	if err != nil {
		return ErrClosed
	}
	return nil
}

// end takes the socket out of everything, once. What has come from the client before is
// still handled, and then OnDisconnect called.
func (s *Socket) end(reason Reason) {
	server := s.namespace.server
	s.mu.Lock()
	before := s.state.Swap(stateClosed)
	if before == stateClosed {
		s.mu.Unlock()
		return
	}
	s.reason = reason
	s.held = nil
	if s.trail != nil {
		s.trail.end = server.history.last()
	}
	for _, m := range s.rooms {
		s.leave(m.room)
	}
	for id, answers := range s.acks {
		answers <- Answer{Socket: s, Err: ErrClosed}
		delete(s.acks, id)
		s.client.awaited.Add(-1)
	}
	s.mu.Unlock()

	if before == stateOpen {
		s.namespace.everyone.remove(s)
		server.sockets.update(s.id, func(now *Socket, _ bool) (*Socket, bool) { return now, now != s && now != nil })
		s.enqueue(&Event{socket: s, kind: disconnected})
	} else if s.trail != nil {
		close(s.trail.done)
	}
	server.part(s.namespace)
}

// disconnected tells the program that the socket has ended.
func (s *Socket) disconnected() {
	if s.trail != nil {
		s.namespace.server.history.ended(s)
		defer close(s.trail.done)
	}
	s.mu.Lock()
	f, reason := s.onDisconnect, s.reason
	s.mu.Unlock()
	if f != nil {
		f(reason)
	}
	if f := s.namespace.onDisconnect.Load(); f != nil {
		(*f)(s, reason)
	}
}
