package ws

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// Read returns the next message, whole. The slice is the caller's.
//
// When ctx ends first, Read returns its error and the connection goes on as if
// Read had not been called. Once the connection has ended, every Read returns
// the same *CloseError. Messages that arrived before the end are returned first.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	return c.ReadAppend(ctx, nil)
}

// ReadAppend is Read into memory of the caller: the message is appended to dst
// and the extended slice is returned. With room in dst it does not allocate.
// After an error it returns dst.
func (c *Conn) ReadAppend(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	if err := c.acquire(ctx, c.reading); err != nil {
		return 0, dst, err
	}
	c.setReading(true)
	typ, message, err := c.next(ctx, dst)
	c.unlockReading()
	return typ, message, err
}

func (c *Conn) setReading(on bool) {
	c.mu.Lock()
	c.readSince = 0
	if on {
		c.readSince = c.now()
	}
	c.mu.Unlock()
}

// next decodes until a message is complete. The caller holds reading.
func (c *Conn) next(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	for {
		ev, err := c.part(ctx)
		if err != nil {
			return 0, dst, err
		}
		typ := MessageType(ev.Op)
		if ev.First && ev.Last {
			dst = append(dst, ev.Payload...)
			c.release()
			return typ, dst, nil
		}
		c.assemble(ev)
		if ev.Last {
			dst = c.take(dst)
			c.release()
			return typ, dst, nil
		}
	}
}

// part returns the next part of a message. Its payload is valid until the next
// call. Whatever else arrives is dealt with on the way. The caller holds reading.
func (c *Conn) part(ctx context.Context) (wsproto.Event, error) {
	for {
		for c.decodes() {
			ev, owed := c.decode()
			if owed && ev.Kind != wsproto.Close && ev.Kind != wsproto.Fail {
				c.flush()
			}
			switch ev.Kind {
			case wsproto.Data:
				if c.skipping {
					c.skipping = !ev.Last
					continue
				}
				if c.options.Rate != nil {
					if err := c.rate(ctx, ev); err != nil {
						return ev, err
					}
				}
				return ev, nil
			case wsproto.Pong:
				c.pong(ev)
			case wsproto.Close, wsproto.Fail:
				c.finish(ev)
				c.in, c.message = nil, nil
				c.stream.release()
				return ev, c.Err()
			}
		}
		if err := c.fill(ctx); err != nil {
			return wsproto.Event{}, err
		}
	}
}

// rate asks whether the peer may say so much.
func (c *Conn) rate(ctx context.Context, ev wsproto.Event) error {
	err := c.options.Rate(ctx, len(ev.Payload), ev.First)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		// The caller gave up, the peer has done nothing wrong. What of the message
		// has been taken cannot be given back.
		c.skipping = !ev.Last
		c.message = nil
		return ctx.Err()
	}
	c.mu.Lock()
	_ = c.proto.QueueClose(StatusPolicyViolation, err.Error(), c.now())
	c.mu.Unlock()
	c.finish(wsproto.Event{Kind: wsproto.Fail, Err: err})
	c.in, c.message = nil, nil
	c.stream.release()
	return c.Err()
}

// decodes reports whether decode has something to work on.
func (c *Conn) decodes() bool {
	return len(c.in) > 0 || c.agreed.compressed && c.proto.Pending() // only the reader changes that
}

// decode takes the next event out of c.in.
func (c *Conn) decode() (ev wsproto.Event, owed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agreed.compressed {
		c.proto.SetScratch(c.stream.scratch())
	}
	ev, n := c.proto.Next(c.in, c.now())
	c.in = c.in[n:]
	return ev, c.proto.HasReplies()
}

// release gives the receive buffer back when everything in it was decoded, so
// that a connection that waits for its next message has none.
func (c *Conn) release() {
	if !c.decodes() {
		c.stream.release()
	}
}

// assemble adds a part to the message under way. A part that was read straight
// into c.message's free space is there already.
func (c *Conn) assemble(ev wsproto.Event) {
	if ev.First {
		c.typ = MessageType(ev.Op)
		c.message = c.message[:0]
	}
	p := ev.Payload
	if n := len(c.message); len(p) > 0 && cap(c.message)-n >= len(p) && &p[0] == &c.message[n : n+1][0] {
		c.message = c.message[:n+len(p)]
		return
	}
	c.message = append(c.message, p...)
}

// take ends the message under way and returns it behind dst.
func (c *Conn) take(dst []byte) []byte {
	message := c.message
	c.message = nil
	if dst == nil {
		return message
	}
	return append(dst, message...)
}

const (
	// directBytesMin is how much of a frame must be missing to read it straight
	// into the message instead of through the receive buffer.
	directBytesMin = 8 << 10

	// growBytesMin is the least that a message under way grows by. It never
	// grows by more than has arrived of it: an announced length is not believed
	// with memory.
	growBytesMin = 16 << 10
)

// fill waits for bytes and puts them into c.in, which is empty.
func (c *Conn) fill(ctx context.Context) error {
	c.mu.Lock()
	left := c.proto.FrameLeft()
	c.mu.Unlock()
	var direct []byte
	if left >= directBytesMin && len(c.message) > 0 {
		grow := min(left, int64(max(len(c.message), growBytesMin)))
		c.message = slices.Grow(c.message, int(grow))
		free := c.message[len(c.message):cap(c.message)]
		direct = free[:min(int64(len(free)), left)]
	}

	stop := c.cutReads(ctx)
	b, err := c.stream.read(direct)
	stop()
	c.in = b
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return ctx.Err()
	case c.Err() != nil: // closed under us
		return c.Err()
	case err == io.EOF:
		err = io.ErrUnexpectedEOF // RFC 6455 §7.1.5: without a close frame the end is abnormal
	}
	e := abnormal(err)
	e.Sent = c.sent()
	c.end(e, false)
	return c.Err()
}

// longAgo is a deadline that cuts a blocked call short.
var longAgo = time.Unix(1, 0)

// cutReads arranges that the end of ctx cuts a blocked read short. The function
// it returns undoes that, so that later reads are not affected.
func (c *Conn) cutReads(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	cut := make(chan struct{})
	stopCut := context.AfterFunc(ctx, func() {
		c.stream.nc.SetReadDeadline(longAgo)
		close(cut)
	})
	return func() {
		if !stopCut() {
			<-cut
			c.stream.nc.SetReadDeadline(time.Time{})
		}
	}
}
