package sockjs

import (
	"context"
	"iter"
	"sync"
)

// Serve returns a Handler for programs that wait: serve is called with each session in a
// goroutine of its own, and the session is closed when it returns: with 1000 if it
// returned nil, and with 1011 if it returned an error or panicked. ctx ends with the
// session.
//
// A client that sends faster than serve receives is read no more meanwhile.
func Serve(serve func(ctx context.Context, c *Conn) error) Handler { return &serving{serve: serve} }

// serving is the Handler of sessions that have a goroutine each.
type serving struct {
	NopHandler
	serve func(ctx context.Context, c *Conn) error
}

// Conn is a session as a program that waits sees it. All methods are safe for concurrent
// use.
type Conn struct {
	session *Session
	cancel  context.CancelFunc

	mu       sync.Mutex // guards what follows
	inbox    []string
	bytes    int           // of inbox
	changed  chan struct{} // closed when something has changed; nil while nobody waits for that
	err      *CloseError   // the end, nil before
	isPaused bool
}

// The inbox of a Conn is full, so that its client is not read, with so many messages or
// bytes; and it is read again with half of them.
const (
	connMessagesMax = 64
	connBytesMax    = 64 << 10
)

// OnOpen implements Handler.
func (h *serving) OnOpen(s *Session) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Conn{session: s, cancel: cancel}
	s.SetValue(c)
	s.server.join()
	go func() { // Server.Close waits for it
		defer s.server.leave()
		defer cancel()
		code := CloseInternal
		s.server.guarded(s, func() {
			if h.serve(ctx, c) == nil {
				code = CloseNormal
			}
		})
		s.Close(uint16(code), "")
	}()
}

// OnMessage implements Handler.
func (h *serving) OnMessage(s *Session, _ MessageType, data []byte) {
	c := s.Value().(*Conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inbox = append(c.inbox, string(data))
	c.bytes += len(data)
	if !c.isPaused && (len(c.inbox) >= connMessagesMax || c.bytes >= connBytesMax) {
		c.isPaused = true
		s.PauseReading()
	}
	c.tell()
}

// OnDrain implements Handler.
func (h *serving) OnDrain(s *Session) {
	c := s.Value().(*Conn)
	c.mu.Lock()
	c.tell()
	c.mu.Unlock()
}

// OnClose implements Handler.
func (h *serving) OnClose(s *Session, err *CloseError) {
	c, wasOpen := s.Value().(*Conn)
	if !wasOpen {
		return
	}
	c.mu.Lock()
	c.err = err
	c.tell()
	c.mu.Unlock()
	c.cancel()
}

// tell wakes the waiting goroutines; mu is held.
func (c *Conn) tell() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// wait returns a channel that is closed with the next change; mu is held.
func (c *Conn) wait() <-chan struct{} {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// Recv waits for the next message of the client. When the session has ended and everything
// was received it returns the *CloseError. It returns the error of ctx when that ends, which
// loses nothing.
func (c *Conn) Recv(ctx context.Context) (string, error) {
	for {
		c.mu.Lock()
		if len(c.inbox) > 0 {
			text := c.take()
			c.mu.Unlock()
			return text, nil
		}
		err, changed := c.err, c.wait()
		c.mu.Unlock()
		if err != nil {
			return "", err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// take removes the first message; mu is held.
func (c *Conn) take() string {
	text := c.inbox[0]
	c.inbox[0] = ""
	c.bytes -= len(text)
	if c.inbox = c.inbox[1:]; len(c.inbox) == 0 {
		c.inbox = nil
	}
	if c.isPaused && len(c.inbox) <= connMessagesMax/2 && c.bytes <= connBytesMax/2 {
		c.isPaused = false
		c.session.ResumeReading()
	}
	return text
}

// Messages is a loop over all messages. The last error is Recv's.
//
//	for text, err := range c.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(text)
//	}
func (c *Conn) Messages(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for {
			text, err := c.Recv(ctx)
			if !yield(text, err) || err != nil {
				return
			}
		}
	}
}

// Send sends a message. It waits while half of what may wait for the client does, until the
// client takes it, the session ends or ctx does. Errors are Session.Send's, and ctx's.
func (c *Conn) Send(ctx context.Context, text string) error {
	for {
		c.mu.Lock()
		changed, isOver := c.wait(), c.err != nil
		c.mu.Unlock()
		if isOver || !c.session.carrier.isCrowded() {
			return c.session.Send(text)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the session behind the messages sent. It does not wait for that.
func (c *Conn) Close(code uint16, reason string) { c.session.Close(code, reason) }

// Session returns the session, for what it says of itself. Its Value is the Conn's.
func (c *Conn) Session() *Session { return c.session }
