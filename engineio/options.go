package engineio

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The defaults of Options.
const (
	DefaultPath             = "/engine.io/"
	DefaultPingInterval     = 25 * time.Second
	DefaultPingTimeout      = 20 * time.Second
	DefaultUpgradeTimeout   = 10 * time.Second
	DefaultMaxPayload       = 1_000_000
	DefaultBodyTimeout      = 30 * time.Second
	DefaultQueueBytesMax    = 1 << 20
	DefaultQueueMessagesMax = 16_384
	DefaultSessionsMax      = 100_000
)

// Transport is what carries a session.
type Transport uint8

// The transports.
const (
	Polling   Transport = iota // GET requests that wait, and POST requests
	WebSocket                  // one connection
)

// String returns the name that the protocol has for t.
func (t Transport) String() string {
	if t == WebSocket {
		return "websocket"
	}
	return "polling"
}

// Options are the options of a Server. The zero value of a field means its default,
// and NoLimit that there is no limit, which is dangerous. A negative value is refused with
// an *OptionError.
type Options struct {
	// Path is where the server is: Serves, Route and Admit are about this path, with and
	// without its last slash. ServeHTTP serves any path. Default "/engine.io/".
	Path string

	// PingInterval is the time between pings, and PingTimeout how long a client may take
	// to answer one. A client notices within their sum that the server has gone. They are
	// rounded down to milliseconds; less than one is refused, and more than 24 days
	// together, which a timer of a browser does not have. Defaults 25 and 20 seconds.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// UpgradeTimeout is how long a client may take to move a session to a WebSocket that
	// it has opened. Default 10 seconds.
	UpgradeTimeout time.Duration

	// MaxPayload is the largest body of a POST and the largest message of a WebSocket, in
	// bytes. More ends the session. Clients are told it and split their polls by it.
	// Default 1,000,000.
	MaxPayload int

	// BodyTimeout is how long the body of a POST may take to arrive, on net/http; on event
	// loops engine.Server.BodyTimeout counts. Default 30 seconds.
	BodyTimeout time.Duration

	// QueueBytesMax and QueueMessagesMax are what may wait for a client that does not
	// read, or that has no poll waiting. One message may always wait. See Socket.Write.
	// Defaults 1 MiB and 16,384.
	QueueBytesMax    int
	QueueMessagesMax int

	// SessionsMax is how many sessions there may be. A handshake beyond gets 503, and its
	// client tries again later. Default 100,000.
	SessionsMax int

	// Transports are the transports that may be used. Default: both.
	Transports []Transport

	// AllowEIO3 serves clients of version 3 of the protocol, too: socket.io-client 1 and 2
	// and their like, over XHR polling and WebSocket, without JSONP. Default: they are
	// refused.
	AllowEIO3 bool

	// Origins are the pages that may use the server from a browser: with any request, and
	// the answers have what CORS needs. Nil: pages of the same origin, and clients that
	// are no pages.
	Origins *handshake.Origins

	// SIDPrefix begins the SID of every session, in front of its 20 random characters, so
	// that a proxy sees which server a request belongs to: see Server.SessionOf. At most 32
	// letters, digits, dots, hyphens and underscores. Default: none.
	SIDPrefix string

	// Cookie, if not nil, is set by the answer to a handshake over polling, with the
	// session's SID as its value: for balancers that need one to find the way back. Nothing
	// here reads it. An empty Path means "/", HttpOnly is always set, and SameSite is Lax
	// unless it says something else. Default: none.
	Cookie *http.Cookie

	// Compression, if not nil, accepts permessage-deflate on WebSockets of net/http; on event
	// loops engine.Server.Options count. Default: none.
	Compression *deflate.Options

	// Allow, if not nil, decides about a handshake that is in order. It must not block, and
	// calls decide once, at once or later, from any goroutine; meanwhile the client waits.
	// r is valid until Allow returns. A handshake that is not decided within 10 seconds is
	// refused with 503. Default: everybody may connect.
	Allow func(r *Request, decide func(Verdict))

	// Log gets what an operator should know: panics of the Handler. Default: slog.Default.
	Log *slog.Logger
}

// Verdict is the decision of Options.Allow. The zero value lets the client in.
type Verdict struct {
	// Status, if not 0, refuses the handshake with it, 403 or 429 for example, and with the
	// protocol's code 4 and Message. Default of Message: "Forbidden".
	Status  int
	Message string

	// Header is sent with the answer, Set-Cookie or Retry-After for example.
	Header http.Header

	// Value becomes the Value of the Socket.
	Value any

	// Abandoned, if not nil, is called once instead of OnOpen if the client was let in and
	// there is no session all the same, because it has gone or there are too many. It is for
	// what Allow has counted, and must not block.
	Abandoned func()
}

// abandon says that there is no session.
func (v *Verdict) abandon() {
	if v.Status == 0 && v.Abandoned != nil {
		v.Abandoned()
	}
}

// timerMax is the longest time of a timer in JavaScript. A longer one goes off at once.
const timerMax = math.MaxInt32 * time.Millisecond

// sidPrefixMax is the longest Options.SIDPrefix.
const sidPrefixMax = 32

// checkSIDPrefix says what is wrong with a prefix, "" if nothing is. It stands in URLs, in
// JSON and in cookies as it is.
func checkSIDPrefix(prefix string) string {
	if len(prefix) > sidPrefixMax {
		return fmt.Sprintf("it has %d characters; at most %d may be", len(prefix), sidPrefixMax)
	}
	for _, c := range []byte(prefix) {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '.', c == '_':
		default:
			return fmt.Sprintf("%q is not a letter, a digit, a dot, a hyphen or an underscore", c)
		}
	}
	return ""
}

// withDefaults returns o with its defaults filled in. The error is an *OptionError.
func (o Options) withDefaults() (Options, error) {
	if o.Path == "" {
		o.Path = DefaultPath
	}
	err := cmp.Or(
		driver.Resolve("PingInterval", &o.PingInterval, DefaultPingInterval),
		driver.Resolve("PingTimeout", &o.PingTimeout, DefaultPingTimeout),
		driver.Resolve("UpgradeTimeout", &o.UpgradeTimeout, DefaultUpgradeTimeout),
		driver.Resolve("MaxPayload", &o.MaxPayload, DefaultMaxPayload),
		driver.Resolve("BodyTimeout", &o.BodyTimeout, DefaultBodyTimeout),
		driver.Resolve("QueueBytesMax", &o.QueueBytesMax, DefaultQueueBytesMax),
		driver.Resolve("QueueMessagesMax", &o.QueueMessagesMax, DefaultQueueMessagesMax),
		driver.Resolve("SessionsMax", &o.SessionsMax, DefaultSessionsMax),
	)
	if err != nil {
		return Options{}, err
	}
	if o.Path[0] != '/' {
		return Options{}, &OptionError{Option: "Path", Reason: fmt.Sprintf("%q does not begin with a slash", o.Path)}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
	}{{"PingInterval", &o.PingInterval}, {"PingTimeout", &o.PingTimeout}} {
		if *d.value = d.value.Truncate(time.Millisecond); *d.value == 0 {
			return Options{}, &OptionError{Option: d.name, Reason: "it is less than a millisecond, the unit that clients are told it in"}
		}
	}
	if longest := o.PingInterval + o.PingTimeout; longest > timerMax {
		return Options{}, &OptionError{Option: "PingInterval", Reason: fmt.Sprintf("with PingTimeout it is %v; a timer of a browser has at most %v", longest, timerMax)}
	}
	if o.Transports == nil {
		o.Transports = []Transport{Polling, WebSocket}
	}
	if len(o.Transports) == 0 {
		return Options{}, &OptionError{Option: "Transports", Reason: "there is none; nil means all"}
	}
	for _, t := range o.Transports {
		if t != Polling && t != WebSocket {
			return Options{}, &OptionError{Option: "Transports", Reason: fmt.Sprintf("%d is no Transport", t)}
		}
	}
	if text := checkSIDPrefix(o.SIDPrefix); text != "" {
		return Options{}, &OptionError{Option: "SIDPrefix", Reason: text}
	}
	if o.Cookie != nil {
		own := *o.Cookie
		o.Cookie = &own
		if own.Path == "" {
			o.Cookie.Path = "/"
		}
		if own.SameSite == 0 {
			o.Cookie.SameSite = http.SameSiteLaxMode
		}
		o.Cookie.HttpOnly = true
		if err := o.Cookie.Valid(); err != nil {
			return Options{}, &OptionError{Option: "Cookie", Reason: err.Error()}
		}
	}
	if o.Compression != nil {
		if err := o.Compression.Validate(); err != nil {
			return Options{}, &OptionError{Option: "Compression", Reason: err.Error()}
		}
		own := *o.Compression
		o.Compression = &own
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}
