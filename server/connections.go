package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/godwit-io/godwit/internal/settle"
)

// refusalsMax is how many connections beyond the limit are told so at once. The
// ones beyond that are closed without a word.
const refusalsMax = 64

// connections counts what a listener accepts, WebSockets included, which an
// http.Server no longer knows about.
//
// A connection over the limit is not left waiting in the kernel's backlog, where
// nobody would learn why nothing happens: it is accepted, answered with 503, and
// closed.
type connections struct {
	limit   int
	log     *slog.Logger
	settler settle.Settler

	mu      sync.Mutex // guards what follows
	open    map[*tracked]struct{}
	over    int // of open, beyond the limit
	refused uint64
	failed  uint64
	told    time.Time     // when the log was last told of a failure
	empty   chan struct{} // closed when the last one has gone; nil while nobody waits
}

func newConnections(limit int, log *slog.Logger) *connections {
	return &connections{limit: limit, log: log, open: make(map[*tracked]struct{})}
}

// listener is ln with every connection tracked.
func (c *connections) listener(ln net.Listener) net.Listener { return &trackedListener{ln, c} }

type trackedListener struct {
	net.Listener
	conns *connections
}

func (l *trackedListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			l.conns.noteFailure(err)
			return nil, err
		}
		if conn := l.conns.track(nc); conn != nil {
			return conn, nil
		}
		_ = nc.Close()
	}
}

// tracked is what is known of a connection.
type tracked struct {
	nc    net.Conn
	conns *connections
	over  bool // beyond the limit
	once  sync.Once
}

func (t *tracked) Close() error {
	t.once.Do(func() { t.conns.forget(t) })
	return t.nc.Close()
}

// Embedding the concrete type keeps what it can do besides being a net.Conn:
// reading and writing its descriptor directly, and half-closing.
type trackedTCP struct {
	*net.TCPConn
	*tracked
}

func (t trackedTCP) Close() error { return t.tracked.Close() }

// Socket tells ws that the bytes are those of the socket.
func (t trackedTCP) Socket() net.Conn { return t.TCPConn }

type trackedConn struct {
	net.Conn
	*tracked
}

func (t trackedConn) Close() error { return t.tracked.Close() }

// Socket tells the same, when it is a socket, such as that of a file.
func (t trackedConn) Socket() net.Conn { return t.Conn }

func (c *connections) track(nc net.Conn) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &tracked{nc: nc, conns: c, over: len(c.open)-c.over >= c.limit}
	if t.over {
		c.refused++
		if c.over >= refusalsMax {
			return nil
		}
		c.over++
	}
	c.open[t] = struct{}{}
	c.settler.Opened()
	if tcp, ok := nc.(*net.TCPConn); ok {
		return trackedTCP{tcp, t}
	}
	return trackedConn{nc, t}
}

func (c *connections) forget(t *tracked) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, t)
	if t.over {
		c.over--
	}
	if len(c.open) == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// failureCalm is how long nothing must have failed for a failure to be news.
const failureCalm = 10 * time.Second

// noteFailure counts a connection that could not be accepted. net/http tries again.
func (c *connections) noteFailure(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	now := time.Now()
	c.mu.Lock()
	c.failed++
	news := now.Sub(c.told) > failureCalm
	c.told = now
	c.mu.Unlock()
	if news {
		c.log.Error("cannot accept connections; trying again", "error", err)
	}
}

func (c *connections) counts() connectionCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return connectionCounts{len(c.open), c.refused, c.failed}
}

// wait returns when no connection is open, or with ctx's error.
func (c *connections) wait(ctx context.Context) error {
	c.mu.Lock()
	if len(c.open) == 0 {
		c.mu.Unlock()
		return nil
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	empty := c.empty
	c.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeAll closes what is open and returns how many that were.
func (c *connections) closeAll() int {
	c.settler.Stop()
	c.mu.Lock()
	left := make([]*tracked, 0, len(c.open))
	for t := range c.open {
		left = append(left, t)
	}
	c.mu.Unlock()
	for _, t := range left { // Close takes the lock
		_ = t.Close()
	}
	return len(left)
}

// overLimit is the context key of a connection that is to be refused.
type overLimit struct{}

// connContext is for http.Server.ConnContext.
func (c *connections) connContext(ctx context.Context, nc net.Conn) context.Context {
	var t *tracked
	switch nc := nc.(type) {
	case trackedTCP:
		t = nc.tracked
	case trackedConn:
		t = nc.tracked
	}
	if t != nil && t.over {
		return context.WithValue(ctx, overLimit{}, true)
	}
	return ctx
}
