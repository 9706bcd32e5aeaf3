package ws

import (
	"context"
	"io"
	"syscall/js"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/wire"
)

// Write sends p as one message. It does not keep p. It returns when the message
// was handed to the browser, not when the peer has it. While the browser holds so
// much that has not been sent that p would make it more than QueueBytesMax, Write
// waits; one message may always be handed over, whatever its size.
//
// It returns ErrMessageType or ErrNotUTF8 and sends nothing when the message
// cannot be sent, ErrClosing when a close frame was sent, and a *CloseError
// when the connection has ended. When ctx ends first, Write returns its error,
// nothing of p was sent, and the connection goes on. A peer that lets the browser
// send nothing for WriteTimeout ends the connection.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if err := c.mayWrite(); err != nil {
		return err
	}
	m, err := newOutgoing(typ, p)
	if err != nil {
		return err
	}
	if err := c.acquire(ctx, c.writing, c.done); err != nil {
		return err
	}
	defer func() { <-c.writing }()
	return c.send(ctx, m)
}

// outgoing is a message on its way to the browser.
type outgoing struct {
	typ   MessageType
	value js.Value // a string or a Uint8Array
	bytes int      // of payload
}

// newOutgoing copies p into the browser's memory. It returns ErrMessageType or
// ErrNotUTF8.
func newOutgoing(typ MessageType, p []byte) (outgoing, error) {
	switch {
	case typ == MessageBinary:
		return outgoing{typ, toArray(p), len(p)}, nil
	case typ != MessageText:
		return outgoing{}, ErrMessageType
	case !utf8.Valid(p):
		return outgoing{}, ErrNotUTF8
	}
	return outgoing{typ, toText(p), len(p)}, nil
}

// WritePrepared sends messages that were prepared, as Write would: a page has no
// use for its frames.
func (c *Conn) WritePrepared(ctx context.Context, messages ...*Prepared) error {
	for _, m := range messages {
		if err := c.Write(ctx, m.Type(), m.Payload()); err != nil {
			return err
		}
	}
	return nil
}

// WriteFrames is for servers: it returns ErrServerOnly.
func (c *Conn) WriteFrames(context.Context, ...[]byte) error { return ErrServerOnly }

// mayWrite says why nothing can be sent.
func (c *Conn) mayWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writable()
}

// writable is mayWrite with mu held.
func (c *Conn) writable() error {
	if c.closed != nil {
		return c.closed
	}
	if c.sent != 0 || !c.socket.isOpen() {
		return ErrClosing
	}
	return nil
}

// hasRoom reports whether so many bytes more may be handed to the browser.
func (c *Conn) hasRoom(buffered, n int) bool {
	return buffered == 0 || n <= c.options.QueueBytesMax-buffered
}

// send hands a message to the browser once there is room for it. The caller holds
// writing.
func (c *Conn) send(ctx context.Context, m outgoing) error {
	for {
		c.mu.Lock()
		err := c.writable()
		room := err == nil && c.hasRoom(c.socket.buffered(), m.bytes)
		if room {
			err = c.hand(m)
		}
		c.mu.Unlock()
		if room || err != nil {
			c.observed.tell()
			return err
		}
		// An Enqueue may take the room first; then this waits again.
		if err := c.waitUntil(ctx, func(buffered int) bool { return c.hasRoom(buffered, m.bytes) }); err != nil {
			return err
		}
	}
}

// hand gives a message to the browser. mu is held.
func (c *Conn) hand(m outgoing) error {
	err := c.socket.send(m)
	if err == nil {
		c.handed += int64(m.bytes)
		c.observed.message(true, m.typ, m.bytes)
	}
	return err
}

// A browser has no event for what it has sent, so it is asked: often at first,
// then less and less.
const (
	askMin = 5 * time.Millisecond
	askMax = 80 * time.Millisecond
)

// waitUntil waits until the browser has sent so much that enough agrees. It ends
// the connection when nothing was sent for WriteTimeout.
func (c *Conn) waitUntil(ctx context.Context, enough func(buffered int) bool) error {
	last, since, pause := int64(-1), time.Now(), askMin
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.done:
			return c.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
		buffered, sent := c.progress()
		if enough(buffered) {
			return nil
		}
		pause = min(2*pause, askMax)
		if sent > last {
			since, pause = time.Now(), askMin
		} else if time.Since(since) >= c.options.WriteTimeout {
			c.hangUp(ErrWriteTimeout, false)
			return c.Err()
		}
		last = sent
		timer.Reset(pause)
	}
}

// progress is how many bytes the browser holds, and how many it has sent since
// the connection began.
func (c *Conn) progress() (buffered int, sent int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		buffered = c.socket.buffered()
	}
	return buffered, c.handed - int64(buffered)
}

// Writer begins a message whose end is not known yet. A page sends messages whole,
// so it is collected in memory, without limit, and goes out with Close. Other
// messages than those of Enqueue wait until then.
//
// ctx bounds all of it. If ctx ends first, or a text turns out not to be valid
// UTF-8, nothing was sent and the connection goes on. The writer must be used by
// one goroutine at a time. Writer returns what Write returns.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	if typ != MessageText && typ != MessageBinary {
		return nil, ErrMessageType
	}
	if err := c.acquire(ctx, c.writing, c.done); err != nil {
		return nil, err
	}
	if err := c.mayWrite(); err != nil {
		<-c.writing
		return nil, err
	}
	return &messageWriter{c: c, ctx: ctx, typ: typ}, nil
}

// messageWriter holds Conn.writing until it is over.
type messageWriter struct {
	c       *Conn
	ctx     context.Context
	typ     MessageType
	message []byte
	utf8    wire.UTF8
	err     error // why it is over; io.ErrClosedPipe when the message went out
}

func (w *messageWriter) Write(p []byte) (int, error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.ctx.Err() != nil:
		return 0, w.over(w.ctx.Err())
	case w.typ == MessageText && !w.utf8.Write(p):
		return 0, w.over(ErrNotUTF8)
	}
	w.message = append(w.message, p...)
	return len(p), nil
}

// Close sends the message. Further calls return nil if it went out, and else why
// it did not.
func (w *messageWriter) Close() error {
	if w.err == nil {
		w.over(w.finish())
	}
	if w.err == io.ErrClosedPipe {
		return nil
	}
	return w.err
}

func (w *messageWriter) finish() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	m, err := newOutgoing(w.typ, w.message) // which finds a text that ends within a character
	if err == nil {
		err = w.c.send(w.ctx, m)
	}
	if err == nil {
		err = io.ErrClosedPipe
	}
	return err
}

// over lets other messages pass.
func (w *messageWriter) over(err error) error {
	w.err, w.message = err, nil
	<-w.c.writing
	return err
}
