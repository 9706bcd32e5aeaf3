package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// goroutineCarrier carries a conversation as a WebSocket with two goroutines: the
// handler's reads from the client, a second one takes from the session and writes.
// Either may end it.
type goroutineCarrier struct {
	conversation
	conn    *ws.Conn
	woken   signal
	resumed signal // the client may be read again

	mu        sync.Mutex // serialises the calls of the conversation
	isWritten bool       // nothing is written any more; guarded by mu

	// writing is held from a call to the end of its write, where both goroutines have
	// something to write: in a session, and in a Protocol. It is locked before mu.
	writing  sync.Mutex
	isSpoken bool // by a session, or a Protocol
}

// inOrder calls f, which has a turn and writes what it leads to, while the other
// goroutine does not.
func (s *goroutineCarrier) inOrder(f func()) {
	if s.isSpoken {
		s.writing.Lock()
		defer s.writing.Unlock()
	}
	f()
}

// serveOnGoroutines makes r a WebSocket, when the dialect has begun.
func (t *Transport) serveOnGoroutines(w http.ResponseWriter, r *http.Request, d *decision) {
	s := &goroutineCarrier{woken: newSignal(), resumed: newSignal()}
	s.conversation.t, s.conversation.dialect, s.conversation.wake, s.visitor = t, d.socket, s.woken.wake, d.visitor
	s.isSpoken = s.clock() != nil
	m := s.open(w, r, &d.asker)
	if m == nil {
		return
	}
	header := make(http.Header)
	if begin := m.effects.Answer.Begin(); begin != "" {
		header.Set(headerPosition, begin)
	}
	defer s.close()
	var err error
	s.conn, err = ws.Accept(w, r, &ws.AcceptOptions{
		Options: ws.Options{
			MessageBytesMax: t.messageBytesMax(s.clock() != nil),
			PingInterval:    t.o.Heartbeat,
			WriteTimeout:    t.o.WriteTimeout,
			Compression:     t.o.Compression,
		},
		Origins:      t.o.Origins,
		Subprotocols: d.socket.Subprotocols(),
		Header:       header,
		Refuse:       t.refuseUpgrade(&d.asker),
	})
	if err != nil {
		m.recycle()
		t.o.Logger.DebugContext(r.Context(), "handshake failed", "path", r.URL.Path, "error", err)
		return
	}
	_, isCompressed := s.conn.Compression()
	d.socket.Agree(s.conn.Subprotocol(), isCompressed)
	s.setTimer()
	end, err := s.apply(r.Context(), m)
	switch {
	case err != nil:
		end = s.leave()
	case end == "":
		s.woken.wake() // the hub may have had something before
		end = s.run(r.Context())
		var closed *ws.CloseError
		if errors.As(s.conn.Err(), &closed) {
			s.saidGoodbye(closed)
		}
	}
	t.endSocket(&s.conversation, end, s.conn.Err())
}

// open begins the conversation and waits for the dialect's answer. It returns nil
// when the request was refused. Otherwise what the dialect has for the client
// already is in the memory.
func (s *goroutineCarrier) open(w http.ResponseWriter, r *http.Request, a *asker) *scratch {
	m := scratches.Get().(*scratch)
	opened := false
	defer func() {
		if !opened {
			s.close()
			m.recycle()
		}
	}()
	s.begin(m)
	for m.effects.Answer == nil {
		s.setTimer() // of a dialect that takes its time
		select {
		case <-s.woken:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // there is nobody to answer, and nothing to say
		}
		s.take(m)
	}
	if m.effects.Answer.Err != nil {
		s.t.refuseSocket(a, m.effects.Answer, &m.response)
		s.t.writeResponse(w, r, &m.response)
		return nil
	}
	opened = true
	return m
}

// run returns when both goroutines are done and the connection is closed.
//
// A panic in either, of a broker or an observer, closes the connection with 1011
// and goes on in the handler's goroutine, where its server recovers. In the one
// that writes it would otherwise end the process.
func (s *goroutineCarrier) run(ctx context.Context) (end dialect.End) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wrote := make(chan dialect.End, 1)
	var panicked any // by the writing goroutine; known once it has ended
	go func() {
		defer func() {
			if v := recover(); v != nil {
				panicked = fmt.Sprintf("%v\n\nin the goroutine that writes to a WebSocket:\n%s", v, debug.Stack())
				s.fail()
				s.endWriting()
				wrote <- EndFailure
			}
		}()
		end := s.write(ctx)
		s.endWriting()
		wrote <- end
	}()
	returned := false
	defer func() {
		if !returned { // a panic passes
			s.fail()
			cancel()
			<-wrote
		}
	}()
	end = s.read(ctx)
	returned = true
	cancel()
	if e := <-wrote; e != "" {
		end = e // the writer ended it, and the reader only saw that
	}
	_ = s.conn.CloseNow()
	if panicked != nil {
		panic(panicked)
	}
	return end
}

// fail tells the client that it is not its fault.
func (s *goroutineCarrier) fail() {
	_ = s.conn.Close(ws.StatusInternalError, "internal error")
}

// read gives the dialect the client's messages, until the connection ends.
func (s *goroutineCarrier) read(ctx context.Context) dialect.End {
	for {
		typ, data, err := s.conn.Read(ctx)
		if err != nil {
			if s.conn.Err() == nil { // the server ends the request, not the client
				_ = s.conn.Close(ws.StatusGoingAway, "going away")
				return EndShutdown
			}
			return readEnd(err)
		}
		m := scratches.Get().(*scratch)
		var end dialect.End
		s.inOrder(func() {
			s.inTurn(func() {
				s.receive(typ == ws.MessageBinary, data, m)
				s.setTimer()
			})
			end, err = s.apply(ctx, m)
		})
		if end != "" {
			return end
		} else if err != nil {
			return s.leave()
		}
		for s.mustWait() {
			select {
			case <-s.resumed:
			case <-ctx.Done():
				return EndClient
			}
		}
	}
}

// leave ends the connection after a write that failed. The client may have said why in a
// close frame that was not read yet, so it is closed in good order, which reads that.
func (s *goroutineCarrier) leave() dialect.End {
	_ = s.conn.Close(ws.StatusGoingAway, "going away")
	return EndClient
}

// inTurn calls f while the other goroutine does not use the conversation.
func (s *goroutineCarrier) inTurn(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// mustWait reports whether the client is to be read no more. Once nothing is written
// there is nobody to say that it may be read again, and the connection is about to end.
func (s *goroutineCarrier) mustWait() (wait bool) {
	s.inTurn(func() { wait = !s.isWritten && s.isBusy() })
	return wait
}

// endWriting has the goroutine that reads wait no more.
func (s *goroutineCarrier) endWriting() {
	s.inTurn(func() { s.isWritten = true })
	s.resumed.wake()
}

// readEnd says which end an error of Read is.
func readEnd(err error) dialect.End {
	var closed *ws.CloseError
	if errors.As(err, &closed) {
		switch closed.Sent {
		case ws.StatusMessageTooBig, ws.StatusUnsupportedData, wire.CloseInvalidPayload, wire.CloseProtocolError:
			return EndRefused
		}
		if errors.Is(closed.Err, ws.ErrWriteTimeout) {
			return EndSlow
		}
	}
	return EndClient
}

// write sends the messages that the session is owed until it or ctx ends. "" is an
// end that was not its own doing.
func (s *goroutineCarrier) write(ctx context.Context) dialect.End {
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-s.woken:
		}
		m := scratches.Get().(*scratch)
		var end dialect.End
		var err error
		s.inOrder(func() {
			s.inTurn(func() {
				s.take(m)
				s.setTimer()
			})
			end, err = s.apply(ctx, m)
		})
		if err != nil {
			if ctx.Err() == nil && errors.Is(err, ws.ErrWriteTimeout) {
				return EndSlow
			}
			return "" // the reader knows more
		}
		if end != "" {
			return end
		}
		s.resumed.wake()
	}
}

// apply carries out the decisions of the dialect: frames leave in one system call.
func (s *goroutineCarrier) apply(ctx context.Context, m *scratch) (dialect.End, error) {
	defer m.recycle()
	e := &m.effects
	if len(e.Frames) > 0 {
		if err := s.conn.WriteFrames(ctx, e.Frames...); err != nil {
			return "", err
		}
	}
	if len(e.Messages) > 0 {
		if err := s.conn.WritePrepared(ctx, e.Messages...); err != nil {
			return "", err
		}
	}
	s.t.observe.delivered(s.dialect.Transport(), e.Delivered)
	if e.Closing == nil {
		return "", nil
	}
	s.inTurn(s.leavePresence)
	_ = s.conn.Close(ws.StatusCode(e.Closing.Code), e.Closing.Reason)
	return e.Closing.End, nil
}
