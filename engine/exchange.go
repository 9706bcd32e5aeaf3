package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/driver"
)

// The defaults of serving requests on loops.
const (
	DefaultBodyBytesMax     = 1 << 20
	DefaultBodyTimeout      = 30 * time.Second
	DefaultKeepAliveTimeout = 620 * time.Second
)

// NoBody is a Route.BodyBytesMax that allows no content at all.
const NoBody = -1

// Errors of an Exchange. All but the first are of misuse, and change nothing.
var (
	// ErrExchangeOver is returned by the methods of an Exchange that is over, or
	// whose response is complete.
	ErrExchangeOver = errors.New("engine: the exchange is over; its response is complete or its client has gone")

	ErrStatus         = errors.New("engine: the status of a response must be from 200 to 599")
	ErrNoContent      = errors.New("engine: a response of this status has no content")
	ErrField          = errors.New("engine: the fields of a response are not in order")
	ErrResponseBegun  = errors.New("engine: the response has begun; write to it, and End it")
	ErrNotBegun       = errors.New("engine: the response has not begun; call Begin before, or Respond instead")
	ErrNotAHandshake  = errors.New("engine: the request is no opening handshake that waits, so it cannot become a WebSocket")
	ErrHandshakeWaits = errors.New("engine: an opening handshake is answered with Admit or Respond")
)

// ErrClientGone is in the chain of the error that OnEnd gets when the client went
// away before it had its response.
var ErrClientGone = errors.New("engine: the client has gone")

// ErrBodyTimeout is in the chain of the error that OnEnd gets when the content of
// a request did not arrive in time. The client has been answered with 408.
var ErrBodyTimeout = errors.New("engine: the content of the request did not arrive in time")

// ErrPendingTimeout is in the chain of the error that OnEnd gets when nobody decided
// about an opening handshake in time, see Admission.PendingTimeout. The client has
// been answered with 503.
var ErrPendingTimeout = errors.New("engine: the opening handshake was not decided in time")

// Route is the decision of Server.Route. The zero value gives the request to
// Server.HTTP.
type Route struct {
	// Responder answers the request on the loop.
	Responder Responder

	// BodyBytesMax is how long the content may be, which is collected in memory.
	// Default 1 MiB; NoBody allows none.
	BodyBytesMax int64

	// EndsWithInput ends the exchange when the client ends its side of the
	// connection, as a browser does when its user leaves a page. Without it such a
	// client gets its answer, as some clients half-close and wait for it, and a
	// stream goes on until a write to it fails.
	EndsWithInput bool

	// IsRefusal says that the Responder refuses a request that has a Fault, in a way that
	// its client understands. The connection ends behind it. Without IsRefusal such a
	// request is refused with the Fault.
	IsRefusal bool

	// Limits, if not nil, are those that count for a response: QueueBytesMax and
	// WriteTimeout. Responses that are given the same Limits one after another share
	// them, so they must not be modified. Default: the Server's Options.
	Limits *Options

	// Value is the first value of the exchange, see Exchange.SetValue.
	Value any
}

func (r *Route) bodyBytesMax() int64 {
	switch {
	case r.BodyBytesMax == 0:
		return DefaultBodyBytesMax
	case r.BodyBytesMax < 0:
		return 0
	}
	return r.BodyBytesMax
}

// Responder answers requests on a loop. The calls for one exchange come one after
// another; those for different exchanges may come at the same time, so one
// Responder may serve many exchanges and keep the state of each in its Value. None
// of the calls may block: the connections that share the loop wait meanwhile. An
// answer that takes time is given later, from any goroutine.
//
// A call that panics, or ends its goroutine with runtime.Goexit, ends its
// connection and no other; the client gets 500 if nothing was sent before.
type Responder interface {
	// OnBody is called once, when the whole request has arrived. body is its
	// content, empty if there is none. It belongs to the loop and is valid until
	// OnBody returns: copy it to keep it.
	OnBody(x Exchange, body []byte)

	// OnTooLarge is called instead of OnBody when the request announces more
	// content than Route.BodyBytesMax: length bytes. The answer should be 413. The
	// connection ends after it; what the client is still sending is read and dropped
	// for up to CloseTimeout, so that the answer reaches it.
	OnTooLarge(x Exchange, length int64)

	// OnWake is called soon after Exchange.Wake, once for all calls until then, and
	// when the time of Exchange.WakeAt has come. Everything it writes leaves in one
	// system call.
	OnWake(x Exchange)

	// OnDrain is called when the queue is empty again after the network could not
	// take everything at once, after a write returned ErrQueueFull, or after
	// Exchange.Buffered said that something waits. It is not called once the response is complete.
	OnDrain(x Exchange)

	// OnEnd is called once, after everything else. A nil err means that the response
	// was complete and the kernel has taken it, not that the client has received it.
	// Otherwise err says what ended the exchange: ErrClientGone, ErrWriteTimeout,
	// ErrBodyTimeout, ErrPendingTimeout, ErrServerClosed, an error that wraps net.ErrClosed after
	// Abort and Server.Close. The methods of x return ErrExchangeOver by now.
	OnEnd(x Exchange, err error)
}

// Finisher is a Responder that is told of Server.Shutdown. Without it Shutdown ends
// a streamed response, whose OnEnd gets ErrServerClosed, and waits for a response
// that has not begun.
type Finisher interface {
	Responder

	// OnFinish is called once for each exchange that is open in a Shutdown.
	OnFinish(x Exchange)
}

// NopResponder answers 413 to a content that is too long, and otherwise does
// nothing. Embed it to write only OnBody and the callbacks that matter.
type NopResponder struct{}

// OnTooLarge answers 413.
func (NopResponder) OnTooLarge(x Exchange, _ int64) {
	_ = x.Respond(413, plainText, []byte("the content is larger than is taken here\n")) // an error says that the client has gone
}

var plainText, _ = AppendField(nil, "Content-Type", plainTextType)

// OnWake does nothing.
func (NopResponder) OnWake(Exchange) {}

// OnDrain does nothing.
func (NopResponder) OnDrain(Exchange) {}

// OnEnd does nothing.
func (NopResponder) OnEnd(Exchange, error) {}

// Exchange is one request and its response on a connection of a loop. All methods
// are safe for concurrent use and for use in callbacks, and none of them waits for
// the network. The response may come much later than the request; meanwhile no
// other request of the connection is served.
//
// An Exchange is a small value: copy it, keep it, compare it, use it as a key. After
// its end its methods do nothing, also when its connection serves another request.
// The zero value is an exchange that is over.
//
//	              ┌─ Respond ─────────────────────┐
//	Route ─ OnBody                                ├─ OnEnd
//	              └─ Begin ─ Write … Write ─ End ─┘
type Exchange struct {
	conn   *Conn
	number uint64
}

// phase is the progress of an exchange.
type phase uint8

const (
	phaseOver    phase = iota // there is none
	phaseBody                 // its content is arriving
	phaseAsked                // nothing was answered yet
	phaseStream               // the response has begun
	phaseDone                 // the response is complete, and is being sent
	phaseUpgrade              // it becomes a WebSocket
)

// exchange is the state of a connection that serves requests. It is used again for
// the next one.
type exchange struct {
	// Guarded by the lock of the connection.
	number    uint64 // of the exchange, or of the last one
	responder Responder
	pending   *pending     // an opening handshake that waits; nil for most
	wakeAt    wsproto.Time // of WakeAt, 0: none
	phase     phase
	headOnly  bool // HEAD: the response has no content
	last      bool // the connection ends behind the response
	woken     bool // Wake was called
	dismissed bool // the server ended it

	// The loop's own.
	ended         bool         // the client has ended its side
	endsWithInput bool         // and that ends the exchange
	left          int64        // bytes of the content that have not arrived; after the end, bytes that were dropped
	due           wsproto.Time // deadline of the content, or of the decision about pending
}

// open locks the connection and returns the exchange, and whether it is still x and
// not over; the caller unlocks.
func (x Exchange) open() (*Conn, *exchange, bool) {
	c := x.conn
	c.mu.Lock()
	e := c.exchange()
	return c, e, e != nil && e.number == x.number && e.phase != phaseOver
}

// exchange returns the exchange of c, nil if there never was one; mu is held, or the
// loop asks.
func (c *Conn) exchange() *exchange {
	if c.extra == nil {
		return nil
	}
	return c.extra.exchange
}

// responder returns the responder of the request under way, nil for none; mu is held.
func (c *Conn) responder() Responder {
	if e := c.exchange(); e != nil && e.phase != phaseOver {
		return e.responder
	}
	return nil
}

// Wake makes the loop call OnWake soon: the way to tell a stream that there is
// something to send, without writing it here. Further calls until OnWake cost
// almost nothing.
func (x Exchange) Wake() {
	if x.conn == nil {
		return
	}
	c, e, ok := x.open()
	if !ok || e.woken {
		c.mu.Unlock()
		return
	}
	e.woken = true
	c.unlockAndPost()
}

// WakeAt makes the loop call OnWake at t, unless the response is complete by then. It
// replaces an earlier WakeAt, and the zero t cancels it. A t in the past is now. The
// call is never early, at most 40 ms late, and made once. It costs no timer and no
// memory.
func (x Exchange) WakeAt(t time.Time) {
	if x.conn == nil {
		return
	}
	c, e, ok := x.open()
	if !ok || t.IsZero() {
		if ok {
			e.wakeAt = 0
		}
		c.mu.Unlock()
		return
	}
	before := e.wakeAt
	left := min(time.Until(t), driver.Forever)
	e.wakeAt = max(c.loop.clock()+wsproto.Time(left), 1)
	if before != 0 && before <= e.wakeAt {
		c.mu.Unlock() // the timer fires before, and is set anew then
		return
	}
	c.flags |= armTimer
	c.unlockAndPost()
}

// needsWake reports whether OnWake is to be called, and forgets what asked for it;
// mu is held.
func (e *exchange) needsWake(now wsproto.Time) bool {
	needs := e.woken
	e.woken = false
	if e.wakeAt != 0 && e.wakeAt <= now {
		e.wakeAt, needs = 0, true
	}
	return needs && (e.phase == phaseAsked || e.phase == phaseStream)
}

// Buffered returns how many bytes are waiting to be sent. Some may wait only for the end
// of a callback; a caller that is told that something waits may wait for OnDrain in any case.
func (x Exchange) Buffered() int {
	if x.conn == nil {
		return 0
	}
	c, _, ok := x.open()
	defer c.mu.Unlock()
	if !ok {
		return 0
	}
	c.oweDrain()
	return c.queued
}

// Value returns the value set by SetValue, Route.Value or Admission.Value, or nil. It
// is still there in OnEnd.
func (x Exchange) Value() any {
	if x.conn == nil {
		return nil
	}
	c := x.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.exchange(); e == nil || e.number != x.number {
		return nil
	}
	return c.value
}

// SetValue sets a value of the application's, which Value returns.
func (x Exchange) SetValue(v any) {
	if x.conn == nil {
		return
	}
	c, _, ok := x.open()
	if ok {
		c.value = v
	}
	c.mu.Unlock()
}

// CloseAfter closes the connection after the response. A response that has not begun
// says so with Connection: close, and the client opens another connection.
func (x Exchange) CloseAfter() {
	if x.conn == nil {
		return
	}
	c, e, ok := x.open()
	if ok {
		e.last = true
	}
	c.mu.Unlock()
}

// Abort ends the exchange and its connection at once, and drops the queue: the client
// sees a response that was cut. OnEnd is called soon, with an error that wraps
// net.ErrClosed.
func (x Exchange) Abort() {
	if x.conn == nil {
		return
	}
	c, _, ok := x.open()
	if !ok {
		c.mu.Unlock()
		return
	}
	c.flags |= aborted
	c.unlockAndPost()
}

// RemoteAddr returns the client's address, nil for the zero Exchange.
func (x Exchange) RemoteAddr() net.Addr {
	if x.conn == nil {
		return nil
	}
	return x.conn.RemoteAddr()
}

// ConnectionState returns the state of the connection's TLS, nil without TLS to this
// process and after the connection has ended.
func (x Exchange) ConnectionState() *tls.ConnectionState {
	if x.conn == nil {
		return nil
	}
	return x.conn.ConnectionState()
}
