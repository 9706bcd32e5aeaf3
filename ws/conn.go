//go:build !js

package ws

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Conn is a WebSocket connection. All methods are safe for concurrent use. It
// must be ended: by Close, by CloseNow, or by reading until an error.
//
// The rights and the lock:
//
//	reading  a token: its holder feeds proto with what arrives
//	writing  a token: its holder sends what proto appends, in that order
//	mu       guards proto, the tokens and the fields below it; never held across I/O
//
// reading is taken before writing.
type Conn struct {
	stream  stream
	options *settings
	agreed  *agreement // nil: nothing
	start   time.Time  // the origin of wsproto.Time
	tracker *Tracker   // nil: none

	// Guarded by reading.
	in       []byte      // arrived and not decoded yet
	left     int64       // payload bytes of the frame under way that have not arrived
	message  []byte      // the parts of the message under way
	typ      MessageType // of that message
	skipping bool        // the rest of a message that its reader gave up
	waiting  atomic.Bool // the reader waits for bytes

	rest []byte // the remainder of a cut write, sent before anything else; guarded by writing

	mu        sync.Mutex
	proto     wsproto.Conn
	reading   token
	writing   token
	pongTicks uint8         // how often the timer has looked since a ping was sent, up to pongTicksMax
	pongWaits uint8         // how often a reader was waiting then
	broken    error         // writing has failed; a reader will find out why
	fragments chan struct{} // closed when the message being written in parts ends, nil without one
	latency   time.Duration // of the newest ping that was answered
	queue     *queue        // nil until something was enqueued
	pings     *pings        // nil until there was one
	closed    *CloseError   // set once
	done      chan struct{} // closed when closed is set; nil until somebody wants it
	timer     *time.Timer
}

// newConn makes a connection of a stream that has completed its opening
// handshake. early are bytes that arrived with it; they become the Conn's.
func newConn(nc net.Conn, s *settings, agreed agreement, early []byte) *Conn {
	c := &Conn{
		start: time.Now(),
		in:    early,
	}
	if agreed != (agreement{}) {
		c.agreed = &agreed
	}
	c.options = s.observe(c)
	c.stream.init(nc)
	c.proto.Init(&c.options.protocol, c.now())
	if agreed.compressed {
		c.proto.Compress(agreed.compression, s.Compression)
	}
	c.timer = time.AfterFunc(time.Hour, c.expire)
	c.arm()
	if o := c.options.observation; o != nil {
		o.open()
	}
	return c
}

// now is never 0.
func (c *Conn) now() wsproto.Time { return wsproto.Time(time.Since(c.start)) + 1 }

// Subprotocol returns the subprotocol agreed on, or "".
func (c *Conn) Subprotocol() string {
	if c.agreed == nil {
		return ""
	}
	return c.agreed.subprotocol
}

// NetConn returns the transport, for its addresses and its TLS state. Reading
// or writing it breaks the WebSocket.
func (c *Conn) NetConn() net.Conn { return c.stream.nc }

// Done is closed when the connection has ended, and Err says why from then on.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended()
}

// ended is Done with mu held.
func (c *Conn) ended() <-chan struct{} {
	if c.done == nil {
		c.done = make(chan struct{})
		if c.closed != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err returns nil while the connection lives and a *CloseError afterwards.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err()
}

func (c *Conn) err() error {
	if c.closed == nil {
		return nil
	}
	return c.closed
}

// pongTicksMax is how often the timer looks for the pong within PingTimeout.
const pongTicksMax = 8

// arm sets the timer to the protocol's deadline. The deadline mostly moves
// later, as bytes arrive; the timer is left to fire then and is armed anew.
func (c *Conn) arm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rearm()
}

// rearm is arm with mu held.
func (c *Conn) rearm() {
	at, ok := c.proto.Deadline()
	if !ok || c.closed != nil || c.broken != nil {
		return
	}
	wait := time.Duration(at - c.now())
	if c.options.PingTimeout < driver.Forever && c.proto.AwaitingPong() {
		tick := (c.options.PingTimeout + pongTicksMax - 1) / pongTicksMax
		if c.pongTicks >= pongTicksMax {
			wait = tick // the deadline is over
		}
		wait = min(wait, tick)
	}
	c.timer.Reset(wait)
}

// expire is called by the timer.
func (c *Conn) expire() {
	c.mu.Lock()
	if broken := c.broken; broken != nil {
		early := c.timer.Stop() // it was due for something else, and was set anew by breaks
		if early {
			c.timer.Reset(c.lastRead())
		}
		c.mu.Unlock()
		if !early {
			c.end(abnormal(broken), false)
		}
		return
	}
	if c.missesPong() {
		c.rearm()
		c.mu.Unlock()
		return
	}
	ev := c.proto.Expire(c.now())
	c.mu.Unlock()
	c.flush()
	if ev.Kind == wsproto.Fail {
		e := abnormal(ev.Err)
		e.Sent = c.sent()
		c.end(e, false)
		return
	}
	c.arm()
}

// missesPong reports whether the time for the pong is over only because nobody
// was there to see it: a goroutine that does not read, or handles a message, hears
// nothing from the most lively peer. So the time counts in which a reader was waiting. It
// is sampled, to cost nothing otherwise; mu is held.
func (c *Conn) missesPong() bool {
	if c.options.PingTimeout == driver.Forever || !c.proto.AwaitingPong() {
		c.pongTicks, c.pongWaits = 0, 0
		return false
	}
	c.pongTicks = min(c.pongTicks+1, pongTicksMax)
	if c.waiting.Load() {
		c.pongWaits++
	}
	return c.pongTicks >= pongTicksMax && c.pongWaits < pongTicksMax
}

// sent returns the code of this side's close frame, or 0.
func (c *Conn) sent() StatusCode {
	c.mu.Lock()
	defer c.mu.Unlock()
	if code, ok := c.proto.CloseSent(); ok {
		return code
	}
	return 0
}

// end ends the connection, once. If linger is set, the transport stays until
// the peer has taken what it was sent; behind an orderly close it is the peer
// that ends it.
func (c *Conn) end(e *CloseError, linger bool) {
	c.mu.Lock()
	if c.closed != nil {
		c.mu.Unlock()
		return
	}
	c.closed = e
	c.timer.Stop()
	if c.done != nil {
		close(c.done)
	}
	c.mu.Unlock()
	if c.tracker != nil {
		c.tracker.remove(c)
	}
	if linger {
		go c.stream.linger(c.options.CloseTimeout, e.Err == nil)
	} else {
		c.stream.close(e.Err == ErrWriteTimeout)
	}
	if o := c.options.observation; o != nil {
		o.end(e)
		o.tell()
	}
}

// LogValue implements slog.LogValuer: the peer's address and what was agreed on.
func (c *Conn) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 3)
	if remote := c.stream.nc.RemoteAddr(); remote != nil {
		attrs = append(attrs, slog.String("remote", remote.String()))
	}
	if s := c.Subprotocol(); s != "" {
		attrs = append(attrs, slog.String("subprotocol", s))
	}
	return slog.GroupValue(append(attrs, slog.Bool("compressed", c.compressed()))...)
}

// finish ends the connection after the peer's close frame or its fault. The
// close frame that answers has to wait for a write under way.
func (c *Conn) finish(ev wsproto.Event) {
	limit, cancel := c.closeLimit()
	if c.tryAcquire(&c.writing) || c.acquire(limit, &c.writing) == nil {
		c.settle()
	}
	cancel()
	if ev.Kind == wsproto.Fail {
		// The peer may still be sending. Closing at once would reset the
		// connection and take our close frame with it, so stay and let it arrive.
		e := abnormal(ev.Err)
		e.Sent = c.sent()
		c.end(e, true)
		return
	}
	e := &CloseError{Code: ev.Code, Reason: string(ev.Payload), Sent: c.sent()}
	// RFC 6455 §7.1.1: the server ends the transport first, the client waits
	// for it, so that it is the server that holds TIME_WAIT.
	c.end(e, !c.isServer())
}

// closeLimit is a context that CloseTimeout bounds.
func (c *Conn) closeLimit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), c.options.CloseTimeout)
}

// track makes c one of t's, and reports whether t takes it.
func (c *Conn) track(t *Tracker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil || !t.add(c) {
		return c.closed != nil // ended already: nothing to track
	}
	c.tracker = t
	return true
}

func (c *Conn) isServer() bool { return c.proto.Role() == wsproto.Server }

func opcode(t MessageType) wire.Opcode { return wire.Opcode(t) }

// NewServerConn returns the server's side of a WebSocket over any stream whose
// opening handshake has been done already, without extensions. o may be nil. The
// Conn owns nc. If o is in error it has closed nc, and has ended with an
// *OptionError in the chain of its *CloseError.
//
// A *net.TCPConn or *net.UnixConn is read and written directly, which is quicker
// and takes less memory. A wrapper of one that leaves its bytes alone can say so
// with a method Socket() net.Conn that returns it. The same is true of what
// Accept takes over and of what DialOptions.NetDial returns.
func NewServerConn(nc net.Conn, o *Options) *Conn { return newStreamConn(nc, wsproto.Server, o) }

// NewClientConn is NewServerConn for the client's side.
func NewClientConn(nc net.Conn, o *Options) *Conn { return newStreamConn(nc, wsproto.Client, o) }

func newStreamConn(nc net.Conn, role wsproto.Role, o *Options) *Conn {
	if o == nil {
		o = &Options{}
	}
	s, err := newSettings(*o, role)
	if err != nil {
		s, _ = newSettings(Options{}, role) // they are in order
		c := newConn(nc, s, agreement{}, nil)
		c.end(abnormal(err), false)
		return c
	}
	return newConn(nc, s, agreement{}, nil)
}
