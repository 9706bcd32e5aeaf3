package ws

import "context"

// Enqueue sends p as one message without waiting for anything: it is handed to
// the browser, whose buffer is the queue. It does not keep p.
//
// It returns ErrQueueFull, and queues nothing, when more than QueueBytesMax
// would wait; one message may always wait, whatever its size. To drop the
// message, to close the connection or to wait for OnLowWater is then the
// caller's decision. Otherwise it returns what Write returns. That the peer has
// stopped reading shows as the connection's end, after WriteTimeout.
func (c *Conn) Enqueue(typ MessageType, p []byte) error {
	if err := c.mayWrite(); err != nil {
		return err
	}
	m, err := newOutgoing(typ, p)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if err := c.writable(); err != nil {
		c.mu.Unlock()
		return err
	}
	if !c.hasRoom(c.socket.buffered(), m.bytes) {
		c.mu.Unlock()
		return ErrQueueFull
	}
	if err := c.hand(m); err != nil {
		c.mu.Unlock()
		return err
	}
	if !c.draining {
		c.draining = true
		go c.drain()
	}
	buffered := c.socket.buffered()
	high := !c.high && buffered >= c.options.HighWaterBytes
	c.high = c.high || high
	c.mu.Unlock()
	c.observed.tell()
	if high && c.options.OnHighWater != nil {
		c.options.OnHighWater(c, buffered)
	}
	return nil
}

// Buffered returns how many bytes of messages the browser has not sent yet:
// bufferedAmount. Those of Write count, too.
func (c *Conn) Buffered() int {
	buffered, _ := c.progress()
	return buffered
}

// drain watches the browser send what was enqueued, until all of it was. It is
// the goroutine that draining stands for, and ends with the connection at the
// latest.
func (c *Conn) drain() {
	for {
		err := c.waitUntil(context.Background(), c.isLow)
		c.mu.Lock()
		buffered := 0
		if err == nil && c.closed == nil {
			buffered = c.socket.buffered()
		}
		low := err == nil && c.high && buffered <= c.options.LowWaterBytes
		if low {
			c.high = false
		}
		c.draining = buffered > 0
		more := c.draining
		c.mu.Unlock()
		if low && c.options.OnLowWater != nil {
			c.options.OnLowWater(c, buffered)
		}
		if !more {
			return
		}
	}
}

// isLow reports whether drain has something to do.
func (c *Conn) isLow(buffered int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return buffered == 0 || c.high && buffered <= c.options.LowWaterBytes
}
