//go:build !js

package ws

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// pings are those that wait, by what their payload says.
type pings struct {
	waiting map[uint64]*ping
	last    uint64
}

// ping is a Ping that waits for its pong.
type ping struct {
	sent wsproto.Time
	rtt  chan time.Duration
}

// Ping sends a ping and returns the time until its pong came back. The pong is
// noticed by a Read, so one must be under way in another goroutine. It returns
// ctx's error, one that wraps it and says that no Read was under way, ErrClosing
// after a close frame was sent, or a *CloseError.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	p := &ping{sent: c.now(), rtt: make(chan time.Duration, 1)}
	if err := c.acquire(ctx, &c.writing); err != nil {
		return 0, err
	}
	buf := getBuffer(64)
	// Not of the length of the protocol's own keepalive pings.
	if c.pings == nil {
		c.pings = &pings{waiting: map[uint64]*ping{}}
	}
	c.pings.last++
	key := c.pings.last
	payload := binary.BigEndian.AppendUint64([]byte("ping"), key)
	out, err := c.proto.AppendPing((*buf)[:0], payload)
	if err == nil {
		c.pings.waiting[key] = p
	}
	done := c.ended()
	if err = c.transmit(ctx, buf, out, err); err == nil {
		hasReader := c.waiting.Load()
		select {
		case rtt := <-p.rtt:
			return rtt, nil
		case <-ctx.Done():
			err = ctx.Err()
			if !hasReader && !c.waiting.Load() {
				err = fmt.Errorf("websocket: no Read is under way in another goroutine, and only a Read notices the pong: %w", err)
			}
		case <-done:
			err = c.Err()
		}
	}
	c.mu.Lock()
	delete(c.pings.waiting, key)
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
	var p *ping
	if c.pings != nil {
		p = c.pings.waiting[key]
		delete(c.pings.waiting, key)
	}
	if p == nil {
		c.mu.Unlock()
		return
	}
	c.latency = time.Duration(c.now() - p.sent)
	rtt := c.latency
	c.mu.Unlock()
	p.rtt <- rtt
}
