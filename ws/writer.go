//go:build !js

package ws

import (
	"context"
	"io"

	"github.com/godwit-io/godwit/ws/wire"
)

// writerBytes is how much a Writer collects before it sends a frame.
const writerBytes = 4 << 10

// Writer begins a message whose end is not known yet. The bytes written to it go
// out in frames of a few KiB; Close ends the message. Other messages wait until
// then, pings and pongs do not.
//
// ctx bounds all of it. A message that has begun cannot be taken back: if ctx
// ends first, if a write fails, or if a text turns out not to be valid UTF-8
// after a part of it was sent, the connection ends. The writer must be used by
// one goroutine at a time. Writer returns what Write returns.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	if typ != MessageText && typ != MessageBinary {
		return nil, ErrMessageType
	}
	if err := c.acquireMessage(ctx); err != nil {
		return nil, err
	}
	buf := getBuffer(0)
	out := c.takeQueue((*buf)[:0])
	err := c.proto.MayWrite()
	if err == nil {
		c.fragments = make(chan struct{})
	}
	began := err == nil
	if err = c.transmit(ctx, buf, out, err); err != nil {
		if began {
			c.endFragments()
		}
		return nil, err
	}
	return &messageWriter{c: c, ctx: ctx, typ: typ, buffer: getBuffer(writerBytes)}, nil
}

// messageWriter owns Conn.fragments until it is over.
type messageWriter struct {
	c      *Conn
	ctx    context.Context
	typ    MessageType
	buffer *[]byte // collected and not sent; nil once it is over
	utf8   wire.UTF8
	sent   bool  // a frame has gone out
	err    error // why it is over
}

func (w *messageWriter) Write(p []byte) (int, error) {
	if w.buffer == nil {
		return 0, w.err
	}
	if w.typ == MessageText && !w.utf8.Write(p) {
		return 0, w.fail(ErrNotUTF8)
	}
	if len(*w.buffer)+len(p) > writerBytes && len(*w.buffer) > 0 {
		if err := w.frame(*w.buffer, false); err != nil {
			return 0, w.fail(err)
		}
		*w.buffer = (*w.buffer)[:0]
	}
	if len(p) > writerBytes {
		if err := w.frame(p, false); err != nil {
			return 0, w.fail(err)
		}
		return len(p), nil
	}
	*w.buffer = append(*w.buffer, p...)
	return len(p), nil
}

// Close ends the message. Further calls return nil if it went out, and else why
// it did not.
func (w *messageWriter) Close() error {
	if w.buffer == nil {
		if w.err == io.ErrClosedPipe {
			return nil
		}
		return w.err
	}
	if w.typ == MessageText && !w.utf8.Done() {
		return w.fail(ErrNotUTF8)
	}
	if err := w.frame(*w.buffer, true); err != nil {
		return w.fail(err)
	}
	w.over()
	return nil
}

// frame sends one frame of the message.
func (w *messageWriter) frame(p []byte, last bool) error {
	c := w.c
	if err := c.acquire(w.ctx, &c.writing); err != nil {
		return err
	}
	buf := getBuffer(len(p) + wire.HeaderBytesMax)
	out, err := c.proto.AppendFragment((*buf)[:0], opcode(w.typ), p, last)
	w.sent = true
	return c.transmit(w.ctx, buf, c.proto.AppendReplies(out), err)
}

// fail ends the writer, and the connection with it unless nothing was sent.
func (w *messageWriter) fail(err error) error {
	w.err = err
	if w.sent {
		w.c.end(abnormal(err), false)
	}
	w.over()
	return err
}

// over lets other messages pass.
func (w *messageWriter) over() {
	if w.err == nil {
		w.err = io.ErrClosedPipe
	}
	putBuffer(w.buffer, *w.buffer)
	w.buffer = nil
	w.c.endFragments()
}

func (c *Conn) endFragments() {
	c.mu.Lock()
	close(c.fragments)
	c.fragments = nil
	c.mu.Unlock()
}
