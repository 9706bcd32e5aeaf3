//go:build !js

package ws

import (
	"context"
	"unicode/utf8"
)

// Enqueue sends p as one message without waiting for anything: it goes into the
// connection's queue, which is sent in the background, many messages at a time,
// and before any message that is written later. It does not keep p.
//
// It returns ErrQueueFull, and queues nothing, when more than QueueBytesMax
// would wait; one message may always wait, whatever its size. To drop the
// message, to close the connection or to wait for OnLowWater is then the
// caller's decision. Otherwise it returns what Write returns. That the peer has
// stopped reading shows as the connection's end, after WriteTimeout.
func (c *Conn) Enqueue(typ MessageType, p []byte) error {
	if typ == MessageText && !utf8.Valid(p) {
		return ErrNotUTF8
	}
	c.mu.Lock()
	if err := c.err(); err != nil {
		c.mu.Unlock()
		return err
	}
	if broken := c.broken; broken != nil {
		c.mu.Unlock()
		return abnormal(broken)
	}
	if waiting := c.queue.bytes(); waiting > 0 && waiting+len(p) > c.options.QueueBytesMax {
		c.mu.Unlock()
		return ErrQueueFull
	}
	if c.queue == nil {
		c.queue = &queue{}
	}
	q := c.queue
	frames, err := c.proto.EncodeMessage(q.frames, opcode(typ), p)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	q.frames = frames
	if !q.draining {
		q.draining = true
		go c.drain()
	}
	buffered := q.bytes()
	high := !q.high && buffered >= c.options.HighWaterBytes
	q.high = q.high || high
	c.mu.Unlock()
	if high && c.options.OnHighWater != nil {
		c.options.OnHighWater(c, buffered)
	}
	return nil
}

// Buffered returns how many bytes Enqueue has left to be sent, their frames'
// headers included.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.bytes()
}

// queue is what Enqueue has left to be sent. Its Conn's mu guards it.
type queue struct {
	frames   []byte // whole ones
	sending  int    // bytes that were in it and are being sent
	draining bool   // a goroutine sends it
	high     bool   // OnHighWater was called, and OnLowWater not yet
}

// bytes is how many of them wait.
func (q *queue) bytes() int {
	if q == nil {
		return 0
	}
	return len(q.frames) + q.sending
}

// takeQueue appends the queue to dst, for the next writer; mu is held. Messages
// that cannot be sent any more are dropped.
func (c *Conn) takeQueue(dst []byte) []byte {
	if c.queue == nil || len(c.queue.frames) == 0 {
		return dst
	}
	if c.proto.MayWrite() == nil {
		dst = append(dst, c.queue.frames...)
	}
	c.queue.frames = nil
	return dst
}

// drain sends the queue until it is empty. It is the goroutine that draining
// stands for, and ends with the connection at the latest.
func (c *Conn) drain() {
	for c.drainOnce(context.Background()) {
	}
}

// drainOnce reports whether there may be more.
func (c *Conn) drainOnce(ctx context.Context) bool {
	if c.acquireMessage(ctx) != nil { // the connection has ended
		c.mu.Lock()
		c.queue.draining = false
		c.queue.frames = nil
		c.mu.Unlock()
		return false
	}
	q := c.queue
	more := len(q.frames) > 0
	if more {
		buf := getBuffer(len(q.frames))
		out := c.takeQueue((*buf)[:0])
		q.sending = len(out)
		broken := c.broken
		c.mu.Unlock()
		_ = c.send(ctx, out, broken) // its error is the connection's
		putBuffer(buf, out)
		c.mu.Lock()
		q.sending = 0
	}
	q.draining = more
	low := c.becomesLow()
	c.settle()
	if low && c.options.OnLowWater != nil {
		c.options.OnLowWater(c, c.Buffered())
	}
	return more
}

// becomesLow notes that the low water mark is reached again; mu is held.
func (c *Conn) becomesLow() bool {
	if !c.queue.high || c.queue.bytes() > c.options.LowWaterBytes || c.closed != nil {
		return false
	}
	c.queue.high = false
	return true
}

// emptyQueue waits, for CloseTimeout at most, until what was queued is sent.
func (c *Conn) emptyQueue() {
	if c.Buffered() == 0 {
		return
	}
	ctx, cancel := c.closeLimit()
	defer cancel()
	if c.acquireMessage(ctx) != nil {
		return
	}
	buf := getBuffer(0)
	_ = c.transmit(ctx, buf, c.takeQueue((*buf)[:0]), nil)
}
