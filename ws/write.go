package ws

import (
	"context"
	"errors"
	"os"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/wire"
)

// Write sends p as one message. It does not keep p. It returns when the message
// was handed to the operating system, not when the peer has it.
//
// It returns ErrMessageType or ErrNotUTF8 and sends nothing when the message
// cannot be sent, ErrClosing when a close frame was sent, and a *CloseError
// when the connection has ended. When ctx ends first, Write returns its error
// and the connection goes on; what is missing of a message that has been sent in
// part is kept and goes out before whatever is written next. Over TLS a write
// cannot be cut like that: there, the end of ctx during a stalled write ends the
// connection.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if typ == MessageText && !utf8.Valid(p) {
		return ErrNotUTF8
	}
	if err := c.acquireMessage(ctx); err != nil {
		return err
	}
	buf := getBuffer(len(p) + wire.HeaderBytesMax)
	c.mu.Lock()
	out, err := c.proto.AppendMessage(c.takeQueue((*buf)[:0]), opcode(typ), p)
	out = c.proto.AppendReplies(out)
	c.mu.Unlock()
	if sendErr := c.send(ctx, out); err == nil {
		err = sendErr
	}
	putBuffer(buf, out)
	c.unlockWriting()
	return err
}

// acquireMessage takes writing when no other message is being written in parts.
func (c *Conn) acquireMessage(ctx context.Context) error {
	for {
		if err := c.acquire(ctx, c.writing); err != nil {
			return err
		}
		c.mu.Lock()
		busy := c.fragments
		c.mu.Unlock()
		if busy == nil {
			return nil
		}
		c.unlockWriting()
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return c.Err()
		}
	}
}

// unlockWriting gives writing back, and sends what became owed meanwhile: who
// owes it did not wait.
func (c *Conn) unlockWriting() {
	<-c.writing
	c.flush()
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
	c.mu.Lock()
	out := c.takeQueue((*buf)[:0])
	err := c.proto.MayWrite()
	c.mu.Unlock()
	if err == nil {
		for _, f := range frames {
			out = append(out, f...)
		}
		err = c.send(ctx, out)
	}
	putBuffer(buf, out)
	c.unlockWriting()
	return err
}

// flush sends what the protocol owes the peer, unless a writer is at work: a
// writer flushes after itself.
func (c *Conn) flush() {
	for {
		c.mu.Lock()
		owed := c.proto.HasReplies() && c.closed == nil
		c.mu.Unlock()
		if !owed {
			return
		}
		select {
		case c.writing <- struct{}{}:
		default:
			return
		}
		c.sendReplies()
		<-c.writing
	}
}

// sendReplies sends what the protocol owes the peer. The caller holds writing.
func (c *Conn) sendReplies() {
	buf := getBuffer(2 * wire.ControlPayloadBytesMax)
	c.mu.Lock()
	out := c.proto.AppendReplies((*buf)[:0])
	c.mu.Unlock()
	c.send(context.Background(), out) // its error is the connection's
	putBuffer(buf, out)
}

// send puts p on the wire. The caller holds writing.
func (c *Conn) send(ctx context.Context, p []byte) error {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
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
		if ctx.Err() != nil && c.stream.cuttable() {
			c.rest = append(c.rest, p[n:]...)
			return ctx.Err()
		}
		if err = ctx.Err(); err == nil {
			err = ErrWriteTimeout
		}
		c.end(abnormal(err), false)
		return c.Err()
	}
	return c.breaks(err)
}

// breaks notes that nothing can be written any more. The peer may have said why
// in a close frame that has arrived and was not read yet, so the connection is
// left to the reader to end, for a while.
func (c *Conn) breaks(err error) error {
	c.mu.Lock()
	reading := c.readSince != 0
	if c.broken == nil {
		c.broken = err
	}
	if reading && c.closed == nil {
		c.timer.Reset(max(c.options.CloseTimeout, 0))
	}
	c.mu.Unlock()
	if !reading {
		c.end(abnormal(err), false)
	}
	return abnormal(err)
}

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
		if c.options.WriteTimeout > 0 {
			nc.SetWriteDeadline(time.Now().Add(c.options.WriteTimeout))
		}
		if err := ctx.Err(); err != nil { // it may have ended before the deadline was set
			return n, os.ErrDeadlineExceeded
		}
		m, err := nc.Write(p[n:])
		n += m
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && m > 0 && ctx.Err() == nil && c.stream.cuttable()) {
			return n, err
		}
	}
	return n, nil
}
