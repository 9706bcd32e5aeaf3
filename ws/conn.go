package ws

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/wire"
)

// Conn is a WebSocket connection. All methods are safe for concurrent use.
//
// Who holds what:
//
//	reading  a token: whoever has it feeds proto with what arrives
//	writing  a token: whoever has it sends what proto appends, in that order
//	mu       guards proto and the fields below it; never held across I/O
//
// reading is taken before writing, and either of them before mu.
type Conn struct {
	stream  stream
	options *settings
	agreed  agreement
	tracker *Tracker  // nil: none
	start   time.Time // the origin of wsproto.Time

	reading  chan struct{}
	in       []byte      // arrived and not decoded yet; guarded by reading
	message  []byte      // the parts of the message under way; guarded by reading
	typ      MessageType // of that message
	skipping bool        // what is left of a message that its reader gave up; guarded by reading

	writing chan struct{}
	rest    []byte // the remainder of a cut write, sent before anything else; guarded by writing

	mu        sync.Mutex
	proto     wsproto.Conn
	readSince wsproto.Time  // when the Read under way began, 0 for none
	broken    error         // writing has failed; the reader will find out why
	fragments chan struct{} // closed when the message being written in parts ends, nil without one
	latency   time.Duration // of the newest ping that was answered
	queue     []byte        // whole frames that Enqueue left to be sent
	sending   int           // bytes of the queue that are being sent
	draining  bool          // a goroutine sends the queue
	high      bool          // OnHighWater was called, and OnLowWater not yet
	pings     map[uint64]*ping
	pingLast  uint64
	closed    *CloseError   // set once
	done      chan struct{} // closed when closed is set
	timer     *time.Timer
}

// newConn makes a connection of a stream that has completed its opening
// handshake. early are bytes that arrived with it; they become the Conn's.
func newConn(nc net.Conn, s *settings, agreed agreement, early []byte) *Conn {
	c := &Conn{
		options: s,
		agreed:  agreed,
		start:   time.Now(),
		reading: make(chan struct{}, 1),
		writing: make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	c.stream.init(nc, early)
	c.in = c.stream.early()
	c.proto.Init(&s.protocol, c.now())
	if agreed.compressed {
		c.proto.Compress(agreed.compression, s.compression)
	}
	c.timer = time.AfterFunc(time.Hour, c.expire)
	c.arm()
	return c
}

// now is never 0.
func (c *Conn) now() wsproto.Time { return wsproto.Time(time.Since(c.start)) + 1 }

// Subprotocol returns the subprotocol agreed on, or "".
func (c *Conn) Subprotocol() string { return c.agreed.subprotocol }

// NetConn returns the transport, for its addresses and its TLS state. Reading
// or writing it breaks the WebSocket.
func (c *Conn) NetConn() net.Conn { return c.stream.nc }

// Done is closed when the connection has ended, and Err says why from then on.
func (c *Conn) Done() <-chan struct{} { return c.done }

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

// acquire takes a token, unless the connection or ctx ends first.
func (c *Conn) acquire(ctx context.Context, token chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case token <- struct{}{}:
	default:
		select {
		case token <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return c.Err()
		}
	}
	if err := c.Err(); err != nil {
		<-token
		return err
	}
	return nil
}

// arm sets the timer to the protocol's deadline. The deadline mostly moves
// later, as bytes arrive; the timer is left to fire then and is armed anew.
func (c *Conn) arm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.proto.Deadline(); ok && c.closed == nil {
		c.timer.Reset(time.Duration(at - c.now()))
	}
}

// expire is called by the timer.
func (c *Conn) expire() {
	c.mu.Lock()
	now := c.now()
	if c.proto.AwaitingPong() && (c.readSince == 0 || now < c.readSince+wsproto.Time(c.options.PingTimeout)) {
		// Nobody has been reading for long enough to have seen the pong.
		c.timer.Reset(c.options.PingTimeout)
		c.mu.Unlock()
		return
	}
	ev := c.proto.Expire(now)
	broken := c.broken
	c.mu.Unlock()
	if broken != nil {
		c.end(abnormal(broken), false)
		return
	}
	c.flush()
	if ev.Kind == wsproto.Fail {
		e := abnormal(ev.Err)
		e.Sent = c.sent()
		c.end(e, false)
		return
	}
	c.arm()
}

func (c *Conn) pingTimeout() time.Duration {
	return orDefault(c.options.PingTimeout, DefaultPingTimeout)
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
// the peer has taken what it was sent.
func (c *Conn) end(e *CloseError, linger bool) {
	c.mu.Lock()
	if c.closed != nil {
		c.mu.Unlock()
		return
	}
	c.closed = e
	c.timer.Stop()
	c.mu.Unlock()
	close(c.done)
	if c.tracker != nil {
		c.tracker.remove(c)
	}
	if linger {
		go c.stream.linger(max(c.options.CloseTimeout, 0))
		return
	}
	c.stream.nc.Close()
}

// finish ends the connection after the peer's close frame or its fault. The
// close frame that answers has to wait for a write under way.
func (c *Conn) finish(ev wsproto.Event) {
	limit := time.NewTimer(max(c.options.CloseTimeout, 0))
	select {
	case c.writing <- struct{}{}:
		c.sendReplies()
		<-c.writing
	case <-limit.C:
	case <-c.done:
	}
	limit.Stop()
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
// Conn owns nc.
func NewServerConn(nc net.Conn, o *Options) *Conn { return newStreamConn(nc, wsproto.Server, o) }

// NewClientConn is NewServerConn for the client's side.
func NewClientConn(nc net.Conn, o *Options) *Conn { return newStreamConn(nc, wsproto.Client, o) }

func newStreamConn(nc net.Conn, role wsproto.Role, o *Options) *Conn {
	if o == nil {
		o = &Options{}
	}
	return newConn(nc, newSettings(*o, role), agreement{}, nil)
}
