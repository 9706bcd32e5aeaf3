//go:build !js

package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
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
	if err := c.acquireReading(ctx); err != nil {
		return 0, dst, err
	}
	typ, message, err := c.next(ctx, dst)
	c.releaseReading()
	return typ, message, err
}

func (c *Conn) acquireReading(ctx context.Context) error {
	if err := c.acquire(ctx, &c.reading); err != nil {
		return err
	}
	c.mu.Unlock()
	return nil
}

func (c *Conn) releaseReading() {
	c.mu.Lock()
	c.reading.give()
	c.mu.Unlock()
}

// next waits until a message is complete. The caller holds reading.
//
// It waits with a shallow stack, so that it fits into the 2 KiB that a goroutine
// begins with: what decodes is called and has returned by then.
func (c *Conn) next(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	for {
		if !c.decodes() {
			if err := c.fill(ctx); err != nil {
				return 0, dst, err
			}
		}
		typ, message, err := c.complete(ctx, dst)
		if typ != 0 || err != nil {
			return typ, message, err
		}
	}
}

// complete decodes what has arrived. It returns the message that it completes,
// or 0 for its type when more must arrive.
//
//go:noinline
func (c *Conn) complete(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	for {
		ev, err := c.event(ctx)
		if ev.Kind != wsproto.Data {
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

// part waits for the next part of a message. Its payload is valid until the next
// call. The caller holds reading.
func (c *Conn) part(ctx context.Context) (wsproto.Event, error) {
	for {
		if !c.decodes() {
			if err := c.fill(ctx); err != nil {
				return wsproto.Event{}, err
			}
		}
		if ev, err := c.event(ctx); ev.Kind == wsproto.Data || err != nil {
			return ev, err
		}
	}
}

// event decodes what has arrived up to the next part of a message, and deals
// with whatever else there is on the way. It returns an event of another kind
// when more must arrive, or with the error that it has become.
func (c *Conn) event(ctx context.Context) (wsproto.Event, error) {
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
					return wsproto.Event{}, err
				}
			}
			return ev, nil
		case wsproto.Pong:
			c.pong(ev)
		case wsproto.Close, wsproto.Fail:
			c.finish(ev)
			c.in, c.message = nil, nil
			c.stream.release()
			return wsproto.Event{}, c.Err()
		}
	}
	return wsproto.Event{}, nil
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
	return len(c.in) > 0 || c.compressed() && c.proto.Pending() // only the reader changes that
}

// decode takes the next event out of c.in.
func (c *Conn) decode() (ev wsproto.Event, owed bool) {
	if c.compressed() {
		c.proto.SetScratch(c.stream.scratch()) // only the reader looks at it
	}
	now := c.now()
	c.stream.raw.tick(now)
	c.mu.Lock()
	awaiting := c.proto.AwaitingPong()
	ev, n := c.proto.Next(c.in, now)
	if awaiting && !c.proto.AwaitingPong() {
		// The one deadline that moves earlier: from the ping's timeout to the next
		// ping, if PingTimeout is the longer.
		c.rearm()
	}
	c.left = c.proto.FrameLeft()
	owed = c.proto.HasReplies()
	c.mu.Unlock()
	c.in = c.in[n:]
	c.tellObserver()
	return ev, owed
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
	var direct []byte
	if c.left >= directBytesMin && len(c.message) > 0 {
		direct = c.room()
	}
	var err error
	c.waiting.Store(true)
	if ctx.Done() == nil {
		c.in, err = c.stream.read(direct)
	} else {
		err = c.readUntil(ctx, direct)
	}
	c.waiting.Store(false)
	if err != nil {
		return c.readFailed(ctx, err)
	}
	return nil
}

// room returns where in c.message the missing part of its frame may be read to.
//
//go:noinline
func (c *Conn) room() []byte {
	if int64(cap(c.message)-len(c.message)) < min(c.left, directBytesMin) {
		c.in = nil // empty, and perhaps the end of the memory that is left behind here
		grow := min(c.left, int64(max(len(c.message), growBytesMin)))
		c.message = append(make([]byte, 0, len(c.message)+int(grow)), c.message...)
	}
	free := c.message[len(c.message):cap(c.message)]
	return free[:min(int64(len(free)), c.left)]
}

// readUntil reads into c.in, no longer than until ctx ends. Later reads are not
// affected by that.
func (c *Conn) readUntil(ctx context.Context, direct []byte) (err error) {
	cut := c.cutReads(ctx)
	c.in, err = c.stream.read(direct)
	cut.stop(c.stream.nc)
	return err
}

// readFailed ends the connection, unless only ctx has ended.
//
//go:noinline
func (c *Conn) readFailed(ctx context.Context, err error) error {
	switch {
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

// readCut cuts a blocked read short when its context ends.
type readCut struct {
	cancel func() bool
	done   chan struct{} // closed when it was cut
}

//go:noinline
func (c *Conn) cutReads(ctx context.Context) readCut {
	done := make(chan struct{})
	return readCut{context.AfterFunc(ctx, func() {
		c.stream.nc.SetReadDeadline(longAgo)
		close(done)
	}), done}
}

func (r readCut) stop(nc net.Conn) {
	if !r.cancel() {
		<-r.done
		nc.SetReadDeadline(time.Time{})
	}
}
