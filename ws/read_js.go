package ws

import (
	"context"
	"io"
)

// Read returns the next message, whole. The slice is the caller's.
//
// When ctx ends first, Read returns its error and the connection goes on as if
// Read had not been called. Once the connection has ended, every Read returns
// the same *CloseError. Messages that arrived before the end are returned first.
//
// A browser takes messages whether they are read or not. More than 16 MiB of
// them unread, or twice MessageBytesMax if that is more, close the connection
// with 4008.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	return c.ReadAppend(ctx, nil)
}

// ReadAppend is Read into memory of the caller: the message is appended to dst
// and the extended slice is returned. After an error it returns dst.
func (c *Conn) ReadAppend(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	if err := c.acquire(ctx, c.reading, nil); err != nil {
		return 0, dst, err
	}
	m, err := c.next(ctx)
	<-c.reading
	if err != nil {
		return 0, dst, err
	}
	return m.typ, m.appendTo(dst), nil
}

// next waits for a message. The caller holds reading.
func (c *Conn) next(ctx context.Context) (incoming, error) {
	for {
		m, ok, err := c.peek()
		if err != nil {
			return m, err
		}
		if !ok {
			select {
			case <-c.arrived:
			case <-c.done:
			case <-ctx.Done():
				return m, ctx.Err()
			}
			continue
		}
		if err := c.rate(ctx, m.bytes); err != nil {
			return m, err
		}
		if c.take() {
			return m, nil
		}
	}
}

// peek returns the oldest unread message, if there is one, or how the connection
// ended.
func (c *Conn) peek() (m incoming, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unread) == 0 {
		return m, false, c.err()
	}
	return c.unread[0], true, nil
}

// take removes the message that peek returned, unless all were dropped since.
func (c *Conn) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unread) == 0 {
		return false
	}
	c.unreadBytes -= int64(c.unread[0].bytes) + unreadMessageBytes
	c.unread[0] = incoming{} // the browser may forget it
	c.unread = c.unread[1:]
	if len(c.unread) == 0 {
		c.unread = nil
	}
	return true
}

// rate asks whether the peer may say so much. When ctx ends meanwhile, the
// message stays for the next Read, which asks again.
func (c *Conn) rate(ctx context.Context, n int) error {
	if c.options.Rate == nil {
		return nil
	}
	err := c.options.Rate(ctx, n, true)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.fail(err)
	c.drop()
	return c.Err()
}

// drop forgets what was not read.
func (c *Conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread, c.unreadBytes = nil, 0
}

// Reader returns the next message as a stream. A page gets messages whole, so it
// is in memory all the same.
//
// Until the reader has given the last byte, failed or was closed, other reads wait.
// ctx bounds its reads, too: when it ends, or Close comes early, the rest of
// the message is dropped and the connection goes on with the next one. The
// reader must be used by one goroutine at a time.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.ReadCloser, error) {
	if err := c.acquire(ctx, c.reading, nil); err != nil {
		return 0, nil, err
	}
	m, err := c.next(ctx)
	if err != nil {
		<-c.reading
		return 0, nil, err
	}
	return m.typ, &messageReader{c: c, ctx: ctx, left: m.appendTo(nil)}, nil
}

// messageReader holds reading until it is over.
type messageReader struct {
	c    *Conn
	ctx  context.Context
	left []byte
	err  error // how it ended; nil while it goes on
}

func (r *messageReader) Read(p []byte) (int, error) {
	if r.err == nil {
		if err := r.ctx.Err(); err != nil {
			r.end(err)
		} else if len(r.left) == 0 {
			r.end(io.EOF)
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.left)
	if r.left = r.left[n:]; len(r.left) == 0 {
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

func (r *messageReader) end(err error) {
	r.err, r.left = err, nil
	<-r.c.reading
}
