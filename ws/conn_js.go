package ws

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"syscall/js"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// unreadBytesMax is how many bytes of messages may wait to be read, or twice
// MessageBytesMax if that is more: a browser takes whatever comes, and has no way
// to slow the peer down.
const unreadBytesMax = 16 << 20

// unreadMessageBytes is what a message counts beside its payload, so that empty
// ones are bounded, too.
const unreadMessageBytes = 64

// Conn is a WebSocket connection: one of the browser's WebSocket objects. All
// methods are safe for concurrent use.
//
// It is a client's, and does what Conn does elsewhere, with these differences:
// a page cannot send pings, cannot slow its peer down, and may close with 1000
// and 3000 to 4999 only. See Ping, Read, Write and Close.
//
// Read, Write, Close and Dial wait for the browser, and the browser waits for the
// function of a js.Func to return. So such a function must leave them to another
// goroutine. Enqueue and CloseNow do not wait.
type Conn struct {
	socket         *socket // nil: none, the Conn was made ended
	options        resolved
	unreadBytesMax int64
	url            string
	observed       *observation // nil: nobody observes
	subprotocol    string
	compression    deflate.Params
	compressed     bool

	reading chan struct{} // a token: its holder takes messages
	writing chan struct{} // a token: its holder is next to send; taken before mu
	arrived chan struct{} // holds a token when the reader should look again

	// mu guards what follows. It is not held while the socket is closed, as a host
	// may have events to tell at that very moment.
	mu          sync.Mutex
	unread      []incoming
	unreadBytes int64      // of unread, with unreadMessageBytes for each
	sent        StatusCode // of this side's close frame, 0 before it
	handed      int64      // bytes of payload that the browser was given
	draining    bool       // a goroutine watches the browser send
	high        bool       // OnHighWater was called, and OnLowWater not yet
	failure     string     // what the browser says went wrong, mostly nothing
	idle        *time.Timer
	closing     *time.Timer
	closed      *CloseError   // set once
	done        chan struct{} // closed when closed is set
}

func newConn(o resolved) *Conn {
	c := &Conn{
		options:        o,
		unreadBytesMax: math.MaxInt64,
		reading:        make(chan struct{}, 1),
		writing:        make(chan struct{}, 1),
		arrived:        make(chan struct{}, 1),
		done:           make(chan struct{}),
	}
	c.observed = newObservation(c, o.Observer)
	if o.MessageBytesMax < math.MaxInt64/2 {
		c.unreadBytesMax = max(unreadBytesMax, 2*o.MessageBytesMax)
	}
	return c
}

// Subprotocol returns the subprotocol agreed on, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Compression returns the parameters of permessage-deflate, and false if
// messages are not compressed. Browsers offer it whether asked or not.
func (c *Conn) Compression() (deflate.Params, bool) { return c.compression, c.compressed }

// Done is closed when the connection has ended, and Err says why from then on.
// Messages that arrived before may still be read.
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

// acquire takes a token, unless ctx ends first, or ended is closed.
func (c *Conn) acquire(ctx context.Context, token chan struct{}, ended <-chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case token <- struct{}{}:
		return nil
	default:
	}
	select {
	case token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-ended:
		return c.Err()
	}
}

// listen hears what the browser says about the connection. opened is closed when
// the handshake has succeeded.
func (c *Conn) listen(opened chan struct{}) {
	c.socket.on("open", func(js.Value) { close(opened) })
	c.socket.on("message", func(event js.Value) { c.receive(event.Get("data")) })
	c.socket.on("error", func(event js.Value) {
		c.mu.Lock()
		c.failure = hideURL(text(event.Get("message")), c.url) // browsers give none, other hosts do
		c.mu.Unlock()
		select {
		case <-opened: // a close event follows
		default: // not every host has one follow a handshake that failed
			c.end(abnormal(errHandshake), true)
		}
	})
	c.socket.on("close", func(event js.Value) {
		c.ended(StatusCode(event.Get("code").Int()), text(event.Get("reason")))
	})
}

// start begins the life of a connection that is open.
func (c *Conn) start() {
	if c.options.IdleTimeout == driver.Forever {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return
	}
	c.idle = time.AfterFunc(c.options.IdleTimeout, func() {
		c.blame(&wsproto.Fault{Code: StatusGoingAway, Text: "no message for longer than the idle timeout"})
	})
}

// receive queues a message for the reader.
func (c *Conn) receive(data js.Value) {
	m := newIncoming(data)
	bytes := int64(m.bytes) + unreadMessageBytes
	c.mu.Lock()
	if c.closed != nil {
		c.mu.Unlock()
		return
	}
	var fault *wsproto.Fault
	switch {
	case int64(m.bytes) > c.options.MessageBytesMax:
		fault = &wsproto.Fault{Code: StatusMessageTooBig, Text: "message longer than the limit"}
	case c.unreadBytes+bytes > c.unreadBytesMax:
		fault = &wsproto.Fault{Code: StatusPolicyViolation, Text: "more messages than are being read"}
	}
	if fault != nil {
		c.mu.Unlock()
		c.blame(fault)
		return
	}
	c.unread = append(c.unread, m)
	c.unreadBytes += bytes
	c.observed.message(false, m.typ, m.bytes)
	if c.idle != nil {
		c.idle.Reset(c.options.IdleTimeout)
	}
	c.mu.Unlock()
	if c.observed != nil {
		go c.observed.tell()
	}
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// ended is what the browser's close event says.
func (c *Conn) ended(code StatusCode, reason string) {
	c.mu.Lock()
	e := &CloseError{Code: code, Reason: reason, Sent: c.sent}
	local := c.sent != 0
	failure := c.failure
	c.mu.Unlock()
	switch {
	case code == wire.CloseAbnormal || code == wire.CloseTLSHandshake:
		// A lost connection and a peer that broke the protocol look the same.
		e.Code, e.Err = wire.CloseAbnormal, io.ErrUnexpectedEOF
		if failure != "" {
			e.Err = fmt.Errorf("%w: %.200q", io.ErrUnexpectedEOF, failure)
		}
	case !local:
		// A browser answers with the code it got, as RFC 6455 §5.5.1 has it.
		e.Sent = code
	}
	// The closing side drops what was not read, as elsewhere.
	c.end(e, local)
}

// blame ends the connection because of f, unless it is being closed anyway.
func (c *Conn) blame(f *wsproto.Fault) {
	c.mu.Lock()
	closing := c.sent != 0
	c.mu.Unlock()
	if !closing {
		c.fail(f)
	}
}

// fail ends the connection because of something that the peer did. Its close
// frame says what, with err's text.
func (c *Conn) fail(err error) {
	code, reason := StatusPolicyViolation, err.Error()
	if fault, ok := err.(*wsproto.Fault); ok {
		code, reason = fault.Code, fault.Text
	}
	e := abnormal(err)
	c.mu.Lock()
	says := c.closed == nil && c.sent == 0 && c.socket.isOpen()
	if says {
		c.sent = pageCode(code)
	}
	e.Sent = c.sent
	c.mu.Unlock()
	c.end(e, false)
	if says {
		_ = c.socket.close(e.Sent, reason)
	}
}

// end ends the connection, once. What the browser still does with the socket
// concerns nobody. If drop is set, messages that were not read are dropped.
func (c *Conn) end(e *CloseError, drop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return
	}
	c.closed = e
	if drop {
		c.unread, c.unreadBytes = nil, 0
	}
	for _, timer := range []*time.Timer{c.idle, c.closing} {
		if timer != nil {
			timer.Stop()
		}
	}
	if c.socket != nil {
		c.socket.release()
	}
	close(c.done)
	if c.observed != nil {
		c.observed.end(e)
		go c.observed.tell()
	}
}

// NetConn returns a stand-in for the transport, which a page does not see: its
// remote address is the URL, its Close is CloseNow, and whatever else it is asked
// for it refuses with an error that wraps errors.ErrUnsupported.
func (c *Conn) NetConn() net.Conn { return transport{c} }
