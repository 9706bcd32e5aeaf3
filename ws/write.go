//go:build !js

package ws

import (
	"context"
	"errors"
	"os"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Write sends p as one message. It does not keep p. It returns when the message
// was handed to the operating system, not when the peer has it.
//
// It returns ErrMessageType or ErrNotUTF8 and sends nothing when the message
// cannot be sent, ErrClosing when a close frame was sent, and a *CloseError
// when the connection has ended. When ctx ends first, Write returns its error
// and the connection goes on; the rest of a message that has been sent in
// part is kept and goes out before whatever is written next. Over TLS, where a
// write cannot be cut, it goes on in the background.
//
// A Write that breaks off, because the peer has gone, returns a *CloseError that wraps
// the transport's error. The peer may have said why in a close frame before: the next Read,
// or Close, finds it behind the messages that arrived before it, and Err has it then. Without either
// the connection ends after CloseTimeout.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if typ == MessageText && !utf8.Valid(p) {
		return ErrNotUTF8
	}
	if err := c.acquireMessage(ctx); err != nil {
		return err
	}
	buf := getBuffer(len(p) + wire.HeaderBytesMax)
	out, err := c.proto.AppendMessage(c.takeQueue((*buf)[:0]), opcode(typ), p)
	return c.transmit(ctx, buf, c.proto.AppendReplies(out), err)
}

// acquireMessage takes writing, and locks mu, when no other message is being
// written in parts.
func (c *Conn) acquireMessage(ctx context.Context) error {
	for {
		if err := c.acquire(ctx, &c.writing); err != nil {
			return err
		}
		busy := c.fragments
		if busy == nil {
			return nil
		}
		done := c.ended()
		c.settle()
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			return c.Err()
		}
	}
}

// WriteFrames sends frames that were encoded already, each one or more whole,
// unmasked frames, as wire.AppendFrame builds them: the way to encode a message
// once and send it to many. They leave together and nothing is sent between
// them. It does not keep them. Their content is the caller's responsibility.
//
// It is for servers and returns ErrServerOnly to a client; otherwise it returns
// what Write returns.
func (c *Conn) WriteFrames(ctx context.Context, frames ...[]byte) error {
	if !c.isServer() {
		return ErrServerOnly
	}
	size := 0
	for _, f := range frames {
		size += len(f)
	}
	if err := c.acquireMessage(ctx); err != nil {
		return err
	}
	buf := getBuffer(size)
	out := c.takeQueue((*buf)[:0])
	err := c.proto.MayWrite()
	if err == nil {
		for _, f := range frames {
			out = append(out, f...)
			c.noteEncoded(f)
		}
	}
	return c.transmit(ctx, buf, out, err)
}

// transmit sends out, which buf has become, and gives buf and writing back. The
// caller holds writing and mu, and neither afterwards. refused is why the message
// was not added to out; it is returned unless sending fails.
func (c *Conn) transmit(ctx context.Context, buf *[]byte, out []byte, refused error) error {
	broken := c.broken
	c.mu.Unlock()
	if ctx.Done() != nil && len(out) > 0 && !c.stream.cuttable() {
		return c.transmitApart(ctx, buf, out, refused, broken)
	}
	return c.transmitNow(ctx, buf, out, refused, broken)
}

func (c *Conn) transmitNow(ctx context.Context, buf *[]byte, out []byte, refused, broken error) error {
	err := c.send(ctx, out, broken)
	putBuffer(buf, out)
	c.mu.Lock()
	c.settle()
	if err == nil {
		err = refused
	}
	return err
}

// transmitApart is transmit for a transport whose writes cannot be cut short and
// continued, such as TLS, where half a record would end the connection. So the
// write goes on when ctx ends, and only the caller does not wait for it; the next
// writer does. It lasts until the peer has not read for WriteTimeout.
func (c *Conn) transmitApart(ctx context.Context, buf *[]byte, out []byte, refused, broken error) error {
	sent := make(chan error, 1)
	go func() { sent <- c.transmitNow(context.Background(), buf, out, refused, broken) }()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush sends what the protocol owes the peer, unless a writer is at work: a
// writer settles after itself.
func (c *Conn) flush() {
	if c.tryAcquire(&c.writing) {
		c.settle()
	}
}

// settle sends what the protocol owes the peer and gives writing back. The
// caller holds writing and mu, and neither afterwards.
func (c *Conn) settle() {
	for c.proto.HasReplies() && c.closed == nil {
		c.sendReplies()
	}
	c.writing.give()
	c.mu.Unlock()
}

// sendReplies unlocks mu meanwhile.
func (c *Conn) sendReplies() {
	buf := getBuffer(2 * wire.ControlPayloadBytesMax)
	out := c.proto.AppendReplies((*buf)[:0])
	broken := c.broken
	c.mu.Unlock()
	_ = c.send(context.Background(), out, broken) // its error is the connection's
	putBuffer(buf, out)
	c.mu.Lock()
}

// send puts p on the wire. The caller holds writing.
func (c *Conn) send(ctx context.Context, p []byte, broken error) error {
	c.tellObserver()
	if broken != nil {
		return abnormal(broken)
	}
	if len(c.rest) > 0 {
		p = append(c.rest, p...)
		c.rest = nil
	}
	if len(p) == 0 {
		return nil
	}
	n, err := c.stream.tryWrite(p)
	if n == len(p) {
		return nil
	}
	if err == nil {
		n, err = c.sendSlowly(ctx, p, n)
		if err == nil {
			return nil
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if ctx.Err() != nil {
			c.rest = append(c.rest, p[n:]...)
			return ctx.Err()
		}
		c.end(abnormal(ErrWriteTimeout), false)
		return c.Err()
	}
	return c.breaks(err)
}

// breaks notes that nothing can be written any more. The peer may have said why
// in a close frame that has arrived and was not read yet (RFC 6455 §7.1.5 takes the code
// of the first that is received), so the connection is left to a reader to end, for a
// while: to the one under way, or to the next.
func (c *Conn) breaks(err error) error {
	c.mu.Lock()
	if c.broken == nil && c.closed == nil {
		c.broken = err
		c.timer.Reset(c.lastRead())
	}
	c.mu.Unlock()
	return abnormal(err)
}

// lastRead is how long a connection that cannot be written to waits for a reader to
// find out why.
func (c *Conn) lastRead() time.Duration {
	if c.options.CloseTimeout == driver.Forever {
		return DefaultCloseTimeout // the peer's frame may never come now
	}
	return c.options.CloseTimeout
}

// partBytes is how much is given at a time to a transport that cannot tell how
// much of it went: a TLS record.
const partBytes = 16 << 10

// sendSlowly waits for the peer to make room: for WriteTimeout each time some
// was made, and no longer than ctx.
func (c *Conn) sendSlowly(ctx context.Context, p []byte, n int) (int, error) {
	nc := c.stream.nc
	if ctx.Done() != nil {
		cut := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			nc.SetWriteDeadline(longAgo)
			close(cut)
		})
		defer func() {
			if !stop() {
				<-cut
			}
			nc.SetWriteDeadline(time.Time{})
		}()
	} else {
		defer nc.SetWriteDeadline(time.Time{})
	}
	for n < len(p) {
		if c.options.WriteTimeout < driver.Forever {
			nc.SetWriteDeadline(time.Now().Add(c.options.WriteTimeout))
		}
		if err := ctx.Err(); err != nil { // it may have ended before the deadline was set
			return n, os.ErrDeadlineExceeded
		}
		part := p[n:]
		if !c.stream.cuttable() {
			part = part[:min(len(part), partBytes)] // progress shows only between writes
		}
		m, err := nc.Write(part)
		n += m
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && m > 0 && ctx.Err() == nil && c.stream.cuttable()) {
			return n, err
		}
	}
	return n, nil
}
