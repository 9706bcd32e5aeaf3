package ws

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The defaults of Options, AcceptOptions and DialOptions.
const (
	DefaultMessageBytesMax  = driver.DefaultMessageBytesMax
	DefaultFragmentsMax     = driver.DefaultFragmentsMax
	DefaultPingInterval     = driver.DefaultPingInterval
	DefaultPingTimeout      = driver.DefaultPingTimeout
	DefaultWriteTimeout     = driver.DefaultWriteTimeout
	DefaultCloseTimeout     = driver.DefaultCloseTimeout
	DefaultQueueBytesMax    = driver.DefaultQueueBytesMax
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultRedirectsMax     = 10
)

// NoLimit, as any number or duration among the options, means that there is no
// limit: nothing is too long, nothing times out, no ping is sent. It is dangerous
// for all of them but PingInterval.
const NoLimit = driver.NoLimit

// NoRedirects, as DialOptions.RedirectsMax, has Dial follow none.
const NoRedirects = math.MinInt

// OptionError says that an option cannot be as it is. Its field Option is the name,
// and Reason says what is wrong and what would be right. It is a mistake of the
// program: IsPermanent knows it.
type OptionError = driver.OptionError

// Options are the limits and the timing of a connection, of either side. The
// zero value of a field means its default, and NoLimit that there is no limit. A
// negative value is refused with an *OptionError: Dial returns it, Accept returns
// it and answers with 500, and what NewServerConn and NewClientConn return has
// ended with it.
type Options struct {
	// MessageBytesMax is the longest message that is read. A longer one closes
	// the connection with 1009 before it has arrived. Default 1 MiB.
	MessageBytesMax int64

	// FragmentsMax is the most frames that one message may consist of, empty
	// ones included; one more closes with 1009. Default 4096.
	FragmentsMax int

	// Compression, if not nil, offers or accepts permessage-deflate (RFC 7692);
	// the zero value of deflate.Options is a good one. It is copied, and its
	// MessageBytesMax replaced by that above. Default: none, as it costs time for every message
	// and, with context takeover, memory for every connection.
	Compression *deflate.Options

	// PingInterval is how long the peer may be silent before it is sent a ping,
	// and PingTimeout how long it may be silent after that before the connection
	// is closed with 1011. Defaults 25 and 20 seconds; together they keep below
	// the minute after which proxies cut idle connections.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// IdleTimeout closes a connection with 1001 when nothing of a message arrived
	// for that long, however alive the peer is. Default: none.
	IdleTimeout time.Duration

	// WriteTimeout is how long a write may make no progress because the peer
	// does not read, before the connection is ended. Default 10 seconds.
	WriteTimeout time.Duration

	// CloseTimeout is how long the peer may take to answer a close frame.
	// Default 5 seconds.
	CloseTimeout time.Duration

	// Rate, if not nil, is asked before a part of a message is handed on: n is its
	// bytes, and begins says that a message begins with it. It may block, which
	// slows the peer down, until ctx, that of the read, ends; an error closes the
	// connection with 1008 and the error's text, which is sent to the peer. All
	// connections made with these options share the function: make one for each
	// that is to have a limit of its own. golang.org/x/time/rate fits:
	//
	//	limit := rate.NewLimiter(100_000, 1<<20) // bytes each second, burst
	//	Rate: func(ctx context.Context, n int, begins bool) error { return limit.WaitN(ctx, n) }
	Rate func(ctx context.Context, n int, begins bool) error

	// Observer, if not nil, is told of every frame and of the connection's end.
	// Default: none, which costs nothing.
	Observer Observer

	// QueueBytesMax is how many bytes Enqueue may leave waiting. Default 1 MiB.
	QueueBytesMax int

	// OnHighWater is called by Enqueue when it leaves HighWaterBytes or more
	// waiting, and OnLowWater when no more than LowWaterBytes are left after that.
	// OnHighWater is called by Enqueue's goroutine, OnLowWater by the goroutine that
	// sends the queue. No lock is held. Defaults: none, a half and an eighth of QueueBytesMax.
	OnHighWater    func(c *Conn, buffered int)
	OnLowWater     func(c *Conn, buffered int)
	HighWaterBytes int
	LowWaterBytes  int
}

// common is what o has in common with the options of other drivers.
func (o *Options) common() driver.Options {
	return driver.Options{
		MessageBytesMax: o.MessageBytesMax,
		FragmentsMax:    o.FragmentsMax,
		Compression:     o.Compression,
		PingInterval:    o.PingInterval,
		PingTimeout:     o.PingTimeout,
		IdleTimeout:     o.IdleTimeout,
		WriteTimeout:    o.WriteTimeout,
		CloseTimeout:    o.CloseTimeout,
		QueueBytesMax:   o.QueueBytesMax,
	}
}

// resolved are Options in which nothing is left to say.
type resolved struct {
	driver.Options
	Rate           func(ctx context.Context, n int, begins bool) error
	Observer       Observer
	OnHighWater    func(c *Conn, buffered int)
	OnLowWater     func(c *Conn, buffered int)
	HighWaterBytes int
	LowWaterBytes  int
}

// resolve fills in the defaults. The error wraps an *OptionError.
func (o *Options) resolve() (resolved, error) {
	common, err := o.common().WithDefaults()
	r := resolved{common, o.Rate, o.Observer, o.OnHighWater, o.OnLowWater, o.HighWaterBytes, o.LowWaterBytes}
	err = cmp.Or(err,
		driver.Resolve("HighWaterBytes", &r.HighWaterBytes, r.QueueBytesMax/2),
		driver.Resolve("LowWaterBytes", &r.LowWaterBytes, r.QueueBytesMax/8))
	if err != nil {
		return resolved{}, fmt.Errorf("websocket: %w", err)
	}
	return r, nil
}

// AcceptOptions configures Accept. Nil and the zero value are safe.
type AcceptOptions struct {
	Options

	// Origins admits pages of other origins, see handshake.ParseOrigins. Nil
	// admits the same origin only. Requests without an Origin header do not come
	// from a page and are always admitted.
	Origins *handshake.Origins

	// Subprotocols are those the server speaks, the preferred one first. The
	// first of them that the client offers too is chosen.
	Subprotocols []string

	// SelectSubprotocol, if not nil, chooses instead: one of offered, or "" for
	// none. It is called only when something was offered.
	SelectSubprotocol func(offered []string) string

	// Header is sent with the 101 response, Set-Cookie for example.
	Header http.Header

	// Tracker, if not nil, knows the connection until it ends.
	Tracker *Tracker

	// Refuse, if not nil, answers a request that may not become a WebSocket
	// instead of a line of plain text: with the status of the fault and whatever
	// body suits. The fault's header, which includes Connection: close, is set.
	Refuse func(w http.ResponseWriter, r *http.Request, f *handshake.Fault)

	// HandshakeTimeout bounds the sending of the response. Default 10 seconds.
	HandshakeTimeout time.Duration
}

// DialOptions configures Dial. Nil and the zero value are safe.
type DialOptions struct {
	Options

	// Header is sent with the request: Authorization, Cookie, Origin.
	Header http.Header

	// Subprotocols are offered in order of preference.
	Subprotocols []string

	// TLSConfig is used for wss. It is cloned. Nil verifies the server against the system's
	// roots. ServerName defaults to the URL's host, and the protocol is always
	// HTTP/1.1.
	TLSConfig *tls.Config

	// Jar keeps cookies: those it has for the URL are sent, those of the response
	// go into it. Nil: none.
	Jar http.CookieJar

	// Proxy says which proxy to use for a URL, nil for none. It is asked with the
	// schemes http and https, so that http.ProxyFromEnvironment, the default,
	// and http.ProxyURL work. Proxies are http:// and https:// (CONNECT, with
	// the URL's user and password) and socks5:// (socks5h:// is the same: the
	// proxy resolves names).
	Proxy func(*http.Request) (*url.URL, error)

	// ProxyTLSConfig is used to talk to an https:// proxy. Default: TLSConfig's
	// roots do not apply to it, the system's do.
	ProxyTLSConfig *tls.Config

	// RedirectsMax is how many redirects are followed. Default 10. With NoRedirects
	// the response is returned with the error. Header's Authorization and
	// Cookie, and a password in the URL, are not sent to another origin, and
	// wss is never left for ws.
	RedirectsMax int

	// NetDial, if not nil, opens the connection to the server or to its proxy.
	// Default: net.Dialer.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)

	// HandshakeTimeout bounds Dial as a whole, beside its context. Default 10
	// seconds.
	HandshakeTimeout time.Duration
}

// resolve returns how long Dial may take and how many redirects it follows. The
// error wraps an *OptionError.
func (o *DialOptions) resolve() (timeout time.Duration, redirectsMax int, err error) {
	timeout, redirectsMax = o.HandshakeTimeout, o.RedirectsMax
	err = driver.Resolve("HandshakeTimeout", &timeout, DefaultHandshakeTimeout)
	switch {
	case err != nil:
	case redirectsMax == NoRedirects:
		redirectsMax = 0
	case redirectsMax < 0:
		err = &OptionError{Option: "RedirectsMax", Reason: fmt.Sprintf("%d is negative; 0 is the default, and NoRedirects none", redirectsMax)}
	default:
		err = driver.Resolve("RedirectsMax", &redirectsMax, DefaultRedirectsMax)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("websocket: %w", err)
	}
	return timeout, redirectsMax, nil
}
