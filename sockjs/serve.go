package sockjs

import (
	"context"
	"iter"
)

// Serve returns a Handler for programs that wait: serve is called with each session in a
// goroutine of its own, and the session is closed when it returns: with 1000 if it
// returned nil, with 1011 if it returned an error that is not the session's own.
// ctx ends with the session.
func Serve(serve func(ctx context.Context, c *Conn) error) Handler { return &serving{serve: serve} }

type serving struct {
	NopHandler
	serve func(ctx context.Context, c *Conn) error
}

// Conn is a session as a program that waits sees it. All methods are safe for concurrent
// use.
type Conn struct{ session *Session }

// Recv waits for the next message of the client. It returns the *CloseError of the session
// when it has ended and everything was received, or the error of ctx.
func (c *Conn) Recv(ctx context.Context) (string, error) { return "", ErrClosed }

// Messages is a loop over all messages. The last error is that of Recv.
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

// Send sends a message. It waits while half of the session's queue waits for the client.
func (c *Conn) Send(ctx context.Context, text string) error { return c.session.Send(text) }

// Close ends the session. It does not wait.
func (c *Conn) Close(code uint16, reason string) { c.session.Close(code, reason) }

// Session returns the session, for its ID, its Transport and its Value, which belongs to the
// Conn.
func (c *Conn) Session() *Session { return c.session }
