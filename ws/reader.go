//go:build !js

package ws

import (
	"context"
	"io"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/wire"
)

// Reader returns the next message as a stream, without holding it in memory.
// MessageBytesMax applies to it all the same.
//
// Until the reader has given the last byte, failed or was closed, other reads
// wait, pings stay unanswered, and Close gets no answer.
// ctx bounds its reads, too: when it ends, or Close comes early, the rest of
// the message is dropped and the connection goes on with the next one. The
// reader must be used by one goroutine at a time. A text message is validated as
// it comes: what was read of it before an error was valid.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.ReadCloser, error) {
	if err := c.acquireReading(ctx); err != nil {
		return 0, nil, err
	}
	r := &messageReader{c: c, ctx: ctx}
	if c.message != nil {
		// A Read was cut after a part of this message: begin with that.
		r.part = wsproto.Event{Kind: wsproto.Data, Op: wire.Opcode(c.typ), Payload: c.message}
		r.begun = true
		c.message = nil
	} else if err := r.next(); err != nil {
		return 0, nil, err
	}
	return MessageType(r.part.Op), r, nil
}

// messageReader holds reading until it is over.
type messageReader struct {
	c     *Conn
	ctx   context.Context
	part  wsproto.Event // the unread bytes of the current part, and whether it is the last
	begun bool          // a part of the message was taken
	err   error         // how it ended; nil while it goes on
}

// next gets the next part, or ends the reader.
func (r *messageReader) next() error {
	ev, err := r.c.part(r.ctx)
	if err != nil {
		r.end(err)
		return err
	}
	r.part, r.begun = ev, true
	return nil
}

func (r *messageReader) end(err error) {
	if r.begun && !r.part.Last {
		r.c.skipping = true
	}
	r.err = err
	r.part.Payload = nil
	r.c.release()
	r.c.releaseReading()
}

func (r *messageReader) Read(p []byte) (int, error) {
	for r.err == nil && len(r.part.Payload) == 0 {
		if r.part.Last {
			r.end(io.EOF)
		} else {
			_ = r.next() // kept in r.err
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.part.Payload)
	if r.part.Payload = r.part.Payload[n:]; len(r.part.Payload) == 0 && r.part.Last {
		r.end(io.EOF) // lets others read, also if the caller does not come for io.EOF
	}
	return n, nil
}

// Close drops the rest of the message. It always returns nil.
func (r *messageReader) Close() error {
	if r.err == nil {
		r.end(io.ErrClosedPipe)
	}
	return nil
}
