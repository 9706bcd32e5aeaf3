package client

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/godwit-io/godwit/client/internal/session"
	"github.com/godwit-io/godwit/clientproto"
)

const (
	// finishTimeout is how long the end of a session may take to be on its way.
	finishTimeout = time.Second

	// batchBytes is about how much is sent at once: less than any server refuses.
	batchBytes = 64 << 10

	// fallbackTime is how long a connection that is not of the first transport has to have lasted for
	// the first to be tried again.
	fallbackTime = 10 * time.Minute
)

// carrier moves objects between a Client and a server.
type carrier interface {
	// send sends lines. One call at a time is made of it, and of receive.
	send(ctx context.Context, lines [][]byte) error

	// receive returns the next message: one line or several.
	receive(ctx context.Context) ([]byte, error)

	// begun says what the session is named by. Until then send is called once, if
	// needsSession.
	begun(clientproto.Resume)
	needsSession() bool

	// end closes it; with finish as at the end of a session, else so that the session can go on.
	end(finish bool)
}

// brokenError is an error of a carrier that knows more than what to say.
type brokenError struct{ session.Cause }

func (e *brokenError) Error() string { return e.Err.Error() }
func (e *brokenError) Unwrap() error { return e.Err }

func causeOf(err error) session.Cause {
	if broken, ok := errors.AsType[*brokenError](err); ok {
		return broken.Cause
	}
	return session.Cause{Err: err}
}

// link is a connection of a Client, with the lines to be sent on it.
type link struct {
	client  *Client
	carrier carrier
	ctx     context.Context
	cancel  context.CancelFunc
	wake    chan struct{} // has room for one
	since   time.Time

	// Guarded by client.mu:

	pending  [][]byte
	isOpen   bool // the session has begun
	isFirst  bool // nothing was sent yet
	isEnding bool // the pending lines are the last
}

func (l *link) enqueue(lines [][]byte) {
	l.pending = append(l.pending, lines...)
	l.rouse()
}

func (l *link) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// open says that the session has begun.
func (l *link) open(r clientproto.Resume) {
	if !l.isOpen {
		l.isOpen = true
		l.carrier.begun(r)
		l.rouse()
	}
}

// end ends the link; with finish, when the pending lines were sent.
func (l *link) end(finish bool) {
	if finish {
		l.isEnding = true
		l.rouse()
		return
	}
	l.pending = nil
	l.cancel()
}

// take returns the lines to send now, and whether they are the last.
func (l *link) take() (lines [][]byte, isLast bool) {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	if !l.isFirst && !l.isOpen && l.carrier.needsSession() {
		return nil, l.isEnding
	}
	lines, l.pending = l.pending, nil
	if len(lines) > 0 {
		l.isFirst = false
	}
	return lines, l.isEnding
}

// sendLoop sends the enqueued lines until the link ends.
func (l *link) sendLoop() {
	defer l.cancel()
	for {
		select {
		case <-l.ctx.Done():
			l.carrier.end(false)
			return
		case <-l.wake:
		}
		lines, isLast := l.take()
		for len(lines) > 0 {
			n, size := 0, 0
			for n < len(lines) && (n == 0 || size+len(lines[n]) <= batchBytes) {
				size += len(lines[n])
				n++
			}
			if err := l.carrier.send(l.ctx, lines[:n]); err != nil {
				l.carrier.end(false)
				l.broken(err)
				return
			}
			lines = lines[n:]
		}
		if isLast {
			l.carrier.end(true)
			return
		}
	}
}

// receiveLoop has the client take what comes until the link ends.
func (l *link) receiveLoop() {
	defer l.cancel()
	for {
		message, err := l.carrier.receive(l.ctx)
		if err != nil {
			l.broken(err)
			return
		}
		l.client.do(func(m *session.Machine) {
			if l.client.link != l {
				return
			}
			for line := range bytes.Lines(message) {
				if line = bytes.TrimSpace(line); len(line) == 0 {
					continue
				}
				if err = m.Receive(time.Now(), line); err != nil {
					break
				}
			}
		})
		if err != nil {
			l.broken(err)
			return
		}
	}
}

// broken tells the machine, if this is its connection still.
func (l *link) broken(err error) {
	l.client.do(func(m *session.Machine) {
		if l.client.link == l {
			l.client.link = nil
			l.client.lost(m, err, l.isOpen, time.Since(l.since))
		}
	})
}

// dial opens a connection; c.mu is held.
func (c *Client) dial() {
	transport, token := c.transport(), c.token
	c.running.Go(func() {
		var err error
		if token == "" && c.options.Token != nil {
			if token, err = c.options.Token(c.ctx, TokenFirst); err != nil {
				err = errors.Join(errors.New("client: there is no token"), err)
			}
		}
		var opened carrier
		if err == nil {
			opened, err = c.open(transport)
		}
		c.do(func(m *session.Machine) {
			if m.State() != Connecting {
				if opened != nil {
					opened.end(false)
				}
				return
			}
			if err != nil {
				c.lost(m, err, false, 0)
				return
			}
			c.token = token
			l := &link{client: c, carrier: opened, wake: make(chan struct{}, 1), isFirst: true, since: time.Now()}
			l.ctx, l.cancel = context.WithCancel(c.ctx)
			c.link = l
			m.Opened(time.Now(), token)
			c.running.Go(l.sendLoop)
			c.running.Go(l.receiveLoop)
		})
	})
}

func (c *Client) open(t Transport) (carrier, error) {
	switch t {
	case Stream:
		return newHTTPCarrier(c, &lineReader{}), nil
	case LongPoll:
		return newHTTPCarrier(c, &poller{}), nil
	}
	return c.dialWebSocket()
}

// lost has the machine know that there is no connection, or not any more. If the transport may
// be what does not work, the next one is tried at once; c.mu is held.
func (c *Client) lost(m *session.Machine, err error, wasOpen bool, lasted time.Duration) {
	cause := causeOf(err)
	switch {
	case wasOpen:
		if lasted > fallbackTime {
			c.attempt = 0
		}
		m.Broken(time.Now(), cause)
	case cause.Problem == nil && !isUnreachable(err) && c.attempt+1 < len(c.options.Transports):
		c.attempt++
		m.Broken(time.Now(), session.Cause{Err: cause.Err}) // with any status: it may come from a proxy on the way
		m.Hurry(time.Now())
	default:
		c.attempt = 0
		m.Broken(time.Now(), cause)
	}
}

// unreachableError says that nothing listens at the server's address, or that it cannot be found: no other
// transport would do better.
type unreachableError struct {
	host string
	op   *net.OpError
}

func (e *unreachableError) Error() string {
	cause := e.op.Err
	if system, ok := errors.AsType[*os.SyscallError](cause); ok {
		cause = system.Err
	}
	return "cannot reach " + e.host + ": " + cause.Error()
}

func (e *unreachableError) Unwrap() error { return e.op }

// explainUnreachable makes an unreachableError of an error that is one.
func explainUnreachable(host string, err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return &unreachableError{host, op}
	}
	return err
}

func isUnreachable(err error) bool {
	_, is := errors.AsType[*unreachableError](err)
	return is
}
