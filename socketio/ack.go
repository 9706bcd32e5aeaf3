package socketio

import (
	"context"

	"github.com/godwit-io/godwit/socketio/packet"
)

// EmitWithAck sends an event and waits for the client to acknowledge it, and returns with
// what. Give ctx a timeout: a client need never answer. The error is ctx's,
// ErrClosed if the socket ends first, ErrNotConnected in OnConnect, ErrTooManyAcks, or as
// with Broadcast.Emit.
//
// Meanwhile other events of the socket wait if a handler of it makes the call.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (Arguments, error) {
	if err := ctx.Err(); err != nil {
		return Arguments{}, err
	}
	p, e, err := s.namespace.encode(event, args)
	if err != nil {
		return Arguments{}, err
	}
	p.ID, p.HasID = s.namespace.acks.Add(1), true
	frames := p.Frames()
	e.release()

	answers := make(chan Answer, 1)
	if err := s.await(p.ID, answers); err != nil {
		return Arguments{}, err
	}
	defer s.forget(p.ID)
	if err := s.write(frames, false); err != nil {
		return Arguments{}, err
	}
	select {
	case a := <-answers:
		return a.Arguments, a.Err
	case <-ctx.Done():
		return Arguments{}, ctx.Err()
	}
}

// EmitWithAck sends an event to the chosen sockets and waits for all of them to acknowledge
// it. It returns the answers in the order in which they came, that of a socket that ended
// meanwhile among them. When ctx ends first, the answers that have come are returned with
// its error: give it a timeout. Sockets that await too many acknowledgements already are
// left out. The other errors are Emit's.
func (b Broadcast) EmitWithAck(ctx context.Context, event string, args ...any) ([]Answer, error) {
	p, e, err := b.namespace.encode(event, args)
	if err != nil {
		return nil, err
	}
	p.ID, p.HasID = b.namespace.acks.Add(1), true
	frames := p.Frames()
	e.release()

	chosen := b.Sockets()
	answers := make(chan Answer, len(chosen))
	asked := 0
	for _, s := range chosen {
		if s.await(p.ID, answers) != nil {
			continue
		}
		defer s.forget(p.ID)
		asked++
		_ = s.write(frames, false) // it has ended meanwhile, and says so
	}
	all := make([]Answer, 0, asked)
	for len(all) < asked {
		select {
		case a := <-answers:
			all = append(all, a)
		case <-ctx.Done():
			return all, ctx.Err()
		}
	}
	return all, nil
}

// Answer is the acknowledgement of one of several clients.
type Answer struct {
	Socket *Socket
	Arguments
	Err error // ErrClosed, if the socket ended before it could answer
}

// await has an acknowledgement, or the end of the socket, sent to answers, where there must
// be room for it.
func (s *Socket) await(id uint64, answers chan<- Answer) error {
	s.mu.Lock()
	switch s.state.Load() {
	case stateConnecting:
		s.mu.Unlock()
		return ErrNotConnected
	case stateClosed:
		s.mu.Unlock()
		return ErrClosed
	}
	if len(s.acks) >= s.namespace.server.options.AcksMax {
		s.mu.Unlock()
		return ErrTooManyAcks
	}
	if s.acks == nil {
		s.acks = make(map[uint64]chan<- Answer)
	}
	s.acks[id] = answers
	s.client.awaited.Add(1)
	s.mu.Unlock()
	s.client.pauseOrResume() // or the answer is not read
	return nil
}

func (s *Socket) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.acks[id]; ok {
		delete(s.acks, id)
		s.client.awaited.Add(-1)
	}
}

// acked hands an acknowledgement to the function that waits for it. An acknowledgement that
// comes too late, twice or unasked is dropped.
func (s *Socket) acked(p *packet.Packet) {
	s.mu.Lock()
	answers, ok := s.acks[p.ID]
	if ok {
		delete(s.acks, p.ID)
		s.client.awaited.Add(-1)
	}
	s.mu.Unlock()
	if ok {
		answers <- Answer{Socket: s, Arguments: s.client.arguments(p)}
	}
}
