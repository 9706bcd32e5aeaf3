package ws

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errPing = fmt.Errorf("websocket: a browser answers pings and cannot send them: %w", errors.ErrUnsupported)

// Ping returns an error that wraps errors.ErrUnsupported: a page cannot send
// pings. The browser answers those of the server by itself.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := c.Err(); err != nil {
		return 0, err
	}
	return 0, errPing
}

// Latency returns 0, as there are no pings to measure it with.
func (c *Conn) Latency() time.Duration { return 0 }
