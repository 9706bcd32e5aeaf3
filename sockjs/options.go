package sockjs

import (
	"cmp"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The defaults of Options.
const (
	DefaultHeartbeat        = 25 * time.Second
	DefaultDisconnectDelay  = 5 * time.Second
	DefaultDecisionTimeout  = 10 * time.Second
	DefaultResponseLimit    = 128 << 10
	DefaultMessageBytesMax  = 1 << 20
	DefaultBodyBytesMax     = 4 << 20
	DefaultQueueMessagesMax = 1024
	DefaultQueueBytesMax    = 1 << 20
	DefaultSessionsMax      = 100_000
)

// NoLimit, as any limit or time among the Options, means that there is none.
const NoLimit = driver.NoLimit

// OptionError says that an option cannot be as it is: a mistake of the program.
type OptionError = driver.OptionError

// Options are the options of a Server. The zero value works. Among the numbers and durations
// zero is the default, NoLimit none, and a negative one is refused.
type Options struct {
	// Base is the path below which the Server serves, "/echo" for a client's
	// new SockJS("https://example.com/echo"). It begins with a slash and ends without
	// one. Default "": SockJS is at the root.
	Base string

	// Match, if not nil, divides a path instead of Base, for many bases in one Server: a
	// session belongs to the base that it was begun under. path is as it was sent,
	// percent-encoded. base is the part of path before rest, and rest is what SockJS
	// makes of it: "", or a slash and more. ok is false for a path that is not served.
	// SplitPath does that for any base. It must be quick, and safe for concurrent use.
	Match func(path string) (base, rest string, ok bool)

	// Decide, if not nil, is asked about each new session, before its client is told that
	// it is open. It returns the Handler of the session, nil for the Server's.
	//
	// The session is accepted when Decide returns, unless it has called Session.Close,
	// which refuses it with a code and a reason, or Session.Hold: then Session.Accept
	// or Session.Close decide later, from any goroutine, within DecisionTimeout. Until
	// then the Handler has OnWake called, and messages written are kept.
	//
	// A Handler that was returned has OnClose called once in any case, also if the
	// session was never open. r is valid until Decide returns, which must not block.
	Decide func(s *Session, r *Request) Handler

	// DecisionTimeout is how long a session that was held may wait. After it the client
	// is told to try again later, with 1013. Default 10 seconds.
	DecisionTimeout time.Duration

	// Origins admits pages of other origins, see handshake.ParseOrigins. The client
	// makes its requests with credentials, so whatever page is admitted acts with the
	// cookies of its visitor. Default: the same origin only.
	Origins *handshake.Origins

	// Transports are the transports that are on. Default DefaultTransports. A client
	// is told by /info whether WebSocket is among them, and tries the others one after
	// another.
	Transports []Transport

	// SockJSURL is the URL of the client's script, which begins with "/" or "http". With
	// it there is an iframe page, for the client's transports that begin with "iframe-",
	// which old browsers need in pages of other origins. The script runs with the
	// rights of this origin, so take one of your own. Default: no such page.
	SockJSURL string

	// SetsCookie makes sessions set the cookie JSESSIONID, by which some balancers keep
	// a client with a server, and has clients told that they need cookies.
	SetsCookie bool

	// ClientBase, if not empty, has /info send clients to another URL with everything
	// else, such as a URL that names this server.
	ClientBase string

	// Heartbeat is how long a connection to a client may be silent. Then a heartbeat is
	// sent, a ping on a WebSocket, whose peer has to answer within 10 seconds. Default 25
	// seconds: proxies end connections that are silent for longer.
	Heartbeat time.Duration

	// DisconnectDelay is how long a session lives without a receiver, between two polls
	// for example, and for how long a client is told of the end. Default 5 seconds.
	DisconnectDelay time.Duration

	// ResponseLimit is after how many bytes a streaming response ends, so that the
	// browser can free them; the client asks for another. Default 128 KiB.
	ResponseLimit int

	// MessageBytesMax is the longest message that a client may send, in bytes of UTF-8.
	// Default 1 MiB.
	MessageBytesMax int

	// BodyBytesMax is how long the input may be that a client sends at once, several messages with
	// their escapes: the content of a request, or a message of a WebSocket. Default 4 MiB.
	BodyBytesMax int

	// QueueMessagesMax and QueueBytesMax are how many messages, and bytes of them as they
	// are sent, may wait for a client. One message may always wait. A session whose queue
	// is full is closed with 1008, because a message was lost. Defaults 1,024 and 1 MiB.
	// For a WebSocket QueueBytesMax counts, and the bounds of its driver.
	QueueMessagesMax int
	QueueBytesMax    int

	// SessionsMax is how many sessions there may be, including sessions that have ended
	// but whose clients are still to be told. More are refused with 1013. Default
	// 100,000.
	SessionsMax int

	// Compression, if not nil, accepts permessage-deflate on WebSockets; the zero value of
	// deflate.Options is a good one. Default: none.
	Compression *deflate.Options

	// Observer is told of events. Default: nobody.
	Observer *Observer

	// Logger gets what an operator should know, such as a panic. Default slog.Default.
	Logger *slog.Logger
}

// pingTimeout is how long the peer of a WebSocket may take to answer a ping.
const pingTimeout = 10 * time.Second

// withDefaults returns o with its defaults filled in. The error is an *OptionError.
func (o Options) withDefaults() (Options, error) {
	err := cmp.Or(
		driver.Resolve("DecisionTimeout", &o.DecisionTimeout, DefaultDecisionTimeout),
		driver.Resolve("Heartbeat", &o.Heartbeat, DefaultHeartbeat),
		driver.Resolve("DisconnectDelay", &o.DisconnectDelay, DefaultDisconnectDelay),
		driver.Resolve("ResponseLimit", &o.ResponseLimit, DefaultResponseLimit),
		driver.Resolve("MessageBytesMax", &o.MessageBytesMax, DefaultMessageBytesMax),
		driver.Resolve("BodyBytesMax", &o.BodyBytesMax, DefaultBodyBytesMax),
		driver.Resolve("QueueMessagesMax", &o.QueueMessagesMax, DefaultQueueMessagesMax),
		driver.Resolve("QueueBytesMax", &o.QueueBytesMax, DefaultQueueBytesMax),
		driver.Resolve("SessionsMax", &o.SessionsMax, DefaultSessionsMax),
	)
	if err != nil {
		return Options{}, err
	}
	if o.Base != "" && (!strings.HasPrefix(o.Base, "/") || strings.HasSuffix(o.Base, "/") || strings.ContainsAny(o.Base, "?#%")) {
		return Options{}, &OptionError{Option: "Base", Reason: fmt.Sprintf("%.100q is no base; it begins with a slash, ends without one, and has no query", o.Base)}
	}
	if u := o.SockJSURL; u != "" && (!strings.HasPrefix(u, "/") && !strings.HasPrefix(u, "http") || strings.ContainsAny(u, "\"<>\r\n")) {
		return Options{}, &OptionError{Option: "SockJSURL", Reason: fmt.Sprintf(`%.100q is no URL of a script; it begins with "/" or "http"`, u)}
	}
	if o.Compression != nil {
		if err := o.Compression.Validate(); err != nil {
			return Options{}, &OptionError{Option: "Compression", Reason: err.Error()}
		}
	}
	if o.Transports == nil {
		o.Transports = DefaultTransports()
	}
	for _, t := range o.Transports {
		if t.String() == "none" {
			return Options{}, &OptionError{Option: "Transports", Reason: fmt.Sprintf("%d is no transport", uint8(t))}
		}
	}
	if o.Observer == nil {
		o.Observer = &Observer{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}
