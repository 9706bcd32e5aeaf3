package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/godwit-io/godwit/internal/proxyproto"
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
	edge    *edge
	log     *slog.Logger
	settler settle.Settler

	mu       sync.Mutex // guards what follows
	open     map[*tracked]struct{}
	over     int // of open, beyond the limit
	refused  uint64
	failed   uint64
	told     time.Time     // when the log was last told of a failure
	stranger time.Time     // when the header of a proxy was last wrong
	empty    chan struct{} // closed when the last one has gone; nil while nobody waits
}

func newConnections(limit int, e *edge, log *slog.Logger) *connections {
	return &connections{limit: limit, edge: e, log: log, open: make(map[*tracked]struct{})}
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

// tracked is the state of a connection.
type tracked struct {
	nc    net.Conn
	conns *connections
	once  sync.Once

	over    excess     // guarded by the lock of conns
	address netip.Addr // is counted in edge; guarded as over
}

// excess is why a connection is one too many.
type excess uint8

const (
	within       excess = iota // it is not
	aboveLimit                 // there are too many
	aboveAddress               // there are too many of its address
)

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
	t := &tracked{nc: nc, conns: c}
	peer := addressOf(nc)
	if len(c.open)-c.over >= c.limit && !c.exceed(t, aboveLimit) {
		return nil
	}
	isProxy := c.edge.expectsHeader(peer)
	if !isProxy && !c.countAddress(t, peer.Addr()) {
		return nil
	}
	c.open[t] = struct{}{}
	c.settler.Opened()
	if isProxy {
		return &trackedProxy{Conn: proxyproto.NewConn(nc, headerTimeout), tracked: t}
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		return trackedTCP{tcp, t}
	}
	return trackedConn{nc, t}
}

// exceed notes why t is one too many, and reports whether it can be told so; mu is held.
func (c *connections) exceed(t *tracked, why excess) bool {
	c.refused++
	if c.over >= refusalsMax {
		return false
	}
	t.over = why
	c.over++
	return true
}

// countAddress counts t by the address of its client, and reports whether it may go on, be
// it only to be refused; mu is held.
func (c *connections) countAddress(t *tracked, client netip.Addr) bool {
	if t.over != within || !client.IsValid() {
		return true
	}
	if !c.edge.Enter(client) {
		return c.exceed(t, aboveAddress)
	}
	t.address = client
	return true
}

// addressOf is the address of a peer, the zero value if it has none.
func addressOf(nc net.Conn) netip.AddrPort {
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		a := tcp.AddrPort()
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return netip.AddrPort{}
}

// trackedProxy is a connection of a proxy, which says first whose it is. It is counted by
// that when it has.
type trackedProxy struct {
	*proxyproto.Conn
	*tracked
	counted sync.Once
	err     error
}

var errAddressConns = errors.New("server: too many connections of the client's address")

// introduce waits for what the proxy says.
func (t *trackedProxy) introduce() error {
	t.counted.Do(func() {
		told, err := t.Told()
		if err != nil {
			t.err = err
			t.conns.noteStranger(err)
			return
		}
		if !told.IsValid() {
			told = addressOf(t.nc)
		}
		t.conns.mu.Lock()
		defer t.conns.mu.Unlock()
		if _, open := t.conns.open[t.tracked]; open && !t.conns.countAddress(t.tracked, told.Addr()) {
			t.err = errAddressConns
		}
	})
	return t.err
}

// Read implements net.Conn.
func (t *trackedProxy) Read(p []byte) (int, error) {
	if err := t.introduce(); err != nil {
		return 0, err
	}
	return t.Conn.Read(p)
}

// Close implements net.Conn.
func (t *trackedProxy) Close() error { return t.tracked.Close() }

// noteStranger logs that a proxy has not begun as it must, once until none has for a
// while.
func (c *connections) noteStranger(err error) {
	now := time.Now()
	c.mu.Lock()
	news := now.Sub(c.stranger) > failureCalm
	c.stranger = now
	c.mu.Unlock()
	if news {
		c.log.Warn("refused a connection of a proxy", "error", err,
			"hint", "have the proxy send the header (send-proxy or send-proxy-v2 in HAProxy), or set proxy_protocol to false")
	}
}

func (c *connections) forget(t *tracked) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, t)
	if t.over != within {
		c.over--
	}
	if t.address.IsValid() {
		c.edge.Leave(t.address)
		t.address = netip.Addr{}
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

// closeAll closes all open connections and returns how many there were.
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

// trackedKey is the context key of a request's connection.
type trackedKey struct{}

// connContext is for http.Server.ConnContext.
func (c *connections) connContext(ctx context.Context, nc net.Conn) context.Context {
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn()
	}
	var t *tracked
	switch nc := nc.(type) {
	case *trackedProxy:
		t = nc.tracked
	case trackedTCP:
		t = nc.tracked
	case trackedConn:
		t = nc.tracked
	}
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, trackedKey{}, t)
}

// excessOf returns why the connection of r is one too many.
func excessOf(r *http.Request) excess {
	t, _ := r.Context().Value(trackedKey{}).(*tracked)
	if t == nil {
		return within
	}
	t.conns.mu.Lock()
	defer t.conns.mu.Unlock()
	return t.over
}
