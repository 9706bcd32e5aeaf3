package httpcarrier

import (
	"net"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/driver"
)

// Exchange is one request and its response: an engine.Exchange, or one that net/http
// serves. All methods are safe for concurrent use and for use in callbacks, and none of
// them waits for the network. What they do and return is as in engine.Exchange.
type Exchange interface {
	Respond(status int, fields, body []byte) error
	Begin(status int, fields []byte) error
	Write(data ...[]byte) error // one chunk, which leaves by itself; with a slice that lasts it allocates nothing on a loop
	End() error
	Abort()
	CloseAfter()
	Wake()              // has OnWake called soon
	WakeAt(t time.Time) // the zero time never
	Buffered() int
	RemoteAddr() net.Addr
}

// Responder answers an Exchange. Its calls for one Exchange come one after another, and
// must not block: they may be made on an event loop.
type Responder interface {
	// OnBody is called once, with the whole content of the request, which is only valid
	// until OnBody returns.
	OnBody(x Exchange, body []byte)

	// OnTooLarge is called instead of OnBody for content that is longer than allowed.
	OnTooLarge(x Exchange, length int64)

	// OnWake is called after Exchange.Wake, and at the time of Exchange.WakeAt.
	OnWake(x Exchange)

	// OnDrain is called when what was waiting for a slow client has left.
	OnDrain(x Exchange)

	// OnEnd is called once, last. err is nil when the response is complete; otherwise the
	// client has gone, or the content did not arrive in time.
	OnEnd(x Exchange, err error)
}

// Route is how a request is served.
type Route struct {
	Responder    Responder
	BodyBytesMax int           // engine.NoBody for none; 0 is engine.DefaultBodyBytesMax
	BodyTimeout  time.Duration // of net/http; the engine has its own. Default 30 s

	// EndsWithInput says that a client that closes its half has gone. It is for
	// responses that last.
	EndsWithInput bool

	// Limits, if not nil, are those that count for a response: QueueBytesMax and
	// WriteTimeout. They must not be modified. Default: the engine.Server's, and those of
	// package driver over net/http.
	Limits *engine.Options
}

// Conn is a WebSocket of a server: an *engine.Conn, or a *ws.Conn with two goroutines.
// All methods are safe for concurrent use and for use in callbacks, and none of them
// waits for the network. What they do and return is as in engine.Conn.
type Conn interface {
	Write(typ driver.MessageType, p []byte) error
	WriteFrames(frames ...[]byte) error // whole unmasked frames, shared
	Close(code driver.StatusCode, reason string) error
	CloseNow()
	Wake()              // has OnWake called soon
	WakeAt(t time.Time) // the same at a time; it replaces an earlier one, and the zero time is never
	Buffered() int
	PauseReading()
	ResumeReading()
	RemoteAddr() net.Addr
}

// Handler is what happens on a Conn. Its calls for one Conn come one after another, and
// must not block: they may be made on an event loop.
type Handler interface {
	OnOpen(c Conn)
	OnMessage(c Conn, typ driver.MessageType, p []byte) // p is only valid until it returns
	OnWake(c Conn)
	OnDrain(c Conn)
	OnClose(c Conn, err *driver.CloseError)
}

// Admission is the decision about an opening handshake.
type Admission struct {
	Status  int         // not 0 refuses, with Fields and Body
	Fields  http.Header // of the response, whatever it is
	Body    []byte      // text/plain, unless Fields have a Content-Type
	Handler Handler     // of one connection or of many

	// Limits, if not nil, are those of the connection; they must not be modified.
	// QueueMessagesMax counts on an event loop only. Default: the engine.Server's, and
	// those of package driver over net/http.
	Limits *engine.Options

	Subprotocols []string // those spoken here, the preferred one first; nil: those of the server

	// Pending, if not nil, lets the client wait: it is called at once, and decide is called
	// later, or before Pending returns, once and from any goroutine, with an Admission that
	// has no Pending. All other fields but PendingTimeout count in that one only.
	Pending func(decide func(Admission))

	// PendingTimeout is the time for that decision; after it the client gets 503.
	// Default engine.DefaultHandshakeTimeout; driver.NoLimit waits for ever.
	PendingTimeout time.Duration

	// Abandoned, if not nil, is called once instead of OnOpen if an accepted handshake does
	// not become a WebSocket: the client has gone, or was told no after PendingTimeout.
	Abandoned func()
}

// abandoned tells of an Admission that has come to nothing.
func (a *Admission) abandoned() {
	if a.Status == 0 && a.Abandoned != nil {
		a.Abandoned()
	}
}

// undecided is what an Admission is that decides nothing, where that was asked for.
var undecided = Admission{Status: http.StatusInternalServerError}

// decision is a, or a refusal if it decides nothing.
func (a Admission) decision() Admission {
	if a.Status == 0 && (a.Pending != nil || a.Handler == nil) {
		return undecided
	}
	return a
}

var _ Exchange = engine.Exchange{}

// wakeAt returns a timer that calls wake at t, which timer, nil for none yet, may become; the
// zero t stops it.
func wakeAt(timer *time.Timer, t time.Time, wake func()) *time.Timer {
	switch {
	case timer == nil && !t.IsZero():
		return time.AfterFunc(time.Until(t), wake)
	case timer == nil:
	case t.IsZero():
		timer.Stop()
	default:
		timer.Reset(time.Until(t))
	}
	return timer
}
