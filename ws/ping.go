package ws

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// ping is a Ping that waits for its pong.
type ping struct {
	sent wsproto.Time
	rtt  chan time.Duration
}

// Ping sends a ping and returns the time until its pong came back. The pong is
// noticed by a Read, so one must be under way in another goroutine.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if err := c.acquire(ctx, c.writing); err != nil {
		return 0, err
	}
	p := &ping{sent: c.now(), rtt: make(chan time.Duration, 1)}
	buf := getBuffer(64)
	c.mu.Lock()
	// Not of the length of the protocol's own keepalive pings.
	c.pingLast++
	key := c.pingLast
	payload := binary.BigEndian.AppendUint64([]byte("ping"), key)
	out, err := c.proto.AppendPing((*buf)[:0], payload)
	if err == nil {
		if c.pings == nil {
			c.pings = map[uint64]*ping{}
		}
		c.pings[key] = p
	}
	c.mu.Unlock()
	if err == nil {
		err = c.send(ctx, out)
	}
	putBuffer(buf, out)
	c.unlockWriting()
	if err == nil {
		select {
		case rtt := <-p.rtt:
			return rtt, nil
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.done:
			err = c.Err()
		}
	}
	c.mu.Lock()
	delete(c.pings, key)
	c.mu.Unlock()
	return 0, err
}

// Latency returns the round trip of the newest ping that was answered, whether
// the keepalive or a Ping sent it, and 0 before the first.
func (c *Conn) Latency() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latency
}

// pong notes the round trip, and answers the Ping that ev belongs to.
func (c *Conn) pong(ev wsproto.Event) {
	if ev.RTT > 0 {
		c.mu.Lock()
		c.latency = ev.RTT
		c.mu.Unlock()
		return
	}
	if len(ev.Payload) != 12 || string(ev.Payload[:4]) != "ping" {
		return
	}
	key := binary.BigEndian.Uint64(ev.Payload[4:])
	c.mu.Lock()
	p := c.pings[key]
	delete(c.pings, key)
	if p == nil {
		c.mu.Unlock()
		return
	}
	c.latency = time.Duration(c.now() - p.sent)
	rtt := c.latency
	c.mu.Unlock()
	p.rtt <- rtt
}
