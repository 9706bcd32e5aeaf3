package ws

import (
	"context"
	"errors"
	"unicode/utf8"
)

// ErrQueueFull is returned by Enqueue when the peer does not keep up.
var ErrQueueFull = errors.New("websocket: the queue of messages to send is full")

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
	if waiting := len(c.queue) + c.sending; waiting > 0 && waiting+len(p) > c.options.QueueBytesMax {
		c.mu.Unlock()
		return ErrQueueFull
	}
	queue, err := c.proto.EncodeMessage(c.queue, opcode(typ), p)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	c.queue = queue
	if !c.draining {
		c.draining = true
		go c.drain()
	}
	buffered := len(c.queue) + c.sending
	high := !c.high && buffered >= c.options.HighWaterBytes
	c.high = c.high || high
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
	return len(c.queue) + c.sending
}

// takeQueue appends the queue to dst, for whoever writes next; mu is held. What
// cannot be sent any more is dropped.
func (c *Conn) takeQueue(dst []byte) []byte {
	if len(c.queue) == 0 {
		return dst
	}
	if c.proto.MayWrite() == nil {
		dst = append(dst, c.queue...)
	}
	c.queue = nil
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
	err := c.acquireMessage(ctx)
	c.mu.Lock()
	if err != nil || len(c.queue) == 0 {
		c.draining = false
		if err != nil {
			c.queue = nil
		}
		low := c.becomesLow()
		c.mu.Unlock()
		if err == nil {
			c.unlockWriting()
			c.tellLow(low)
		}
		return false
	}
	buf := getBuffer(len(c.queue))
	out := c.takeQueue((*buf)[:0])
	c.sending = len(out)
	c.mu.Unlock()
	_ = c.send(ctx, out) // its error is the connection's
	putBuffer(buf, out)
	c.mu.Lock()
	c.sending = 0
	low := c.becomesLow()
	c.mu.Unlock()
	c.unlockWriting()
	c.tellLow(low)
	return true
}

// becomesLow notes that the low water mark is reached again; mu is held.
func (c *Conn) becomesLow() bool {
	if !c.high || len(c.queue)+c.sending > c.options.LowWaterBytes || c.closed != nil {
		return false
	}
	c.high = false
	return true
}

func (c *Conn) tellLow(low bool) {
	if low && c.options.OnLowWater != nil {
		c.options.OnLowWater(c, c.Buffered())
	}
}

// emptyQueue waits, for CloseTimeout at most, until what was queued is sent.
func (c *Conn) emptyQueue() {
	if c.Buffered() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(c.options.CloseTimeout, 0))
	defer cancel()
	if c.acquireMessage(ctx) != nil {
		return
	}
	buf := getBuffer(0)
	c.mu.Lock()
	out := c.takeQueue((*buf)[:0])
	c.mu.Unlock()
	_ = c.send(ctx, out)
	putBuffer(buf, out)
	c.unlockWriting()
}
