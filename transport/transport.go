package transport

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/seldom"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/transport/reconnect"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// ChannelsPath and PresencePath are the prefixes of the paths a Transport serves.
const (
	ChannelsPath = "/channels/"
	PresencePath = "/presence/"
)

// ConnectPath is the path of sessions (docs/protocol.md).
const ConnectPath = "/connect"

// The names under which sessions appear in presence, statistics and metrics.
// A Page is no session, nor is a Post: they name requests to an Observer.
const (
	WebSocket = "websocket"
	SSE       = "sse"
	NDJSON    = "ndjson"
	LongPoll  = "longpoll"
	Page      = "page"
	Post      = "post"
	Session   = "session"
)

// The defaults of Options.
const (
	DefaultBodyBytesMax = hub.DefaultPublicationBytesMax
	DefaultBodyTimeout  = 30 * time.Second
	DefaultHeartbeat    = 15 * time.Second
	DefaultWaitMax      = 60 * time.Second

	DefaultSessionsPerSecond = 5000 // what one core takes well, with histories

	DefaultPageLimit    = 100
	DefaultPageLimitMax = 1000
	DefaultPageBytesMax = 1 << 20
	DefaultWriteTimeout = 10 * time.Second

	DefaultSessionTimeout  = 30 * time.Second
	DefaultSessionBytesMax = 256 << 10
	DefaultConnectTimeout  = 10 * time.Second
	DefaultPingInterval    = 25 * time.Second
	DefaultExpiring        = 30 * time.Second
)

// NoLimit, as any number or duration among Options, means that there is no limit.
const NoLimit = driver.NoLimit

// OptionError says that an option cannot be as it is: which, and what would be right.
type OptionError = driver.OptionError

// Options configures a Transport. The zero value of every field means its default,
// and a negative one is refused; a nil *Options is all defaults.
type Options struct {
	// Origins is the one policy on pages of other origins: it decides about
	// WebSocket upgrades, CORS and cross-origin POST alike. Nil allows the same
	// origin only. Clients that are not browsers send no Origin and are not
	// concerned.
	Origins *handshake.Origins

	// Credentials lets pages of the Origins that are listed one by one, see
	// handshake.Origins.Lists, make requests with credentials and read the answers:
	// there are none here, but a proxy in front may want its cookies. Default: not.
	Credentials bool

	// Guard decides what each client may do. Nil lets everybody do everything.
	Guard Guard

	// RefuseByStatus refuses pages in browsers by the status of a response, too,
	// although browsers do not show it to them. Default: a WebSocket is opened and
	// closed with 4401, 4403 or 4429, and an event stream ends with an event.
	RefuseByStatus bool

	// BodyBytesMax is the longest POST body and WebSocket message accepted.
	// Default 64 KiB, which is also the hub's limit; a larger value has no use
	// unless the hub's is raised with it.
	BodyBytesMax int

	// BodyTimeout is how long the body of a POST may take to arrive. Default 30 s.
	BodyTimeout time.Duration

	// Heartbeat is the silence after which an open stream is sent something:
	// a comment (SSE), an empty object (NDJSON) or a ping (WebSocket). Proxies
	// commonly end what was silent for 30 to 60 seconds. Default 15 s.
	Heartbeat time.Duration

	// Reconnect says how long clients are told to wait before they come back, so that
	// a full house that has lost its server returns over a window. Default: from 1 to
	// 3 s with few sessions, and over so many seconds with thousands as there are.
	Reconnect reconnect.Spread

	// SessionsPerSecond is how many sessions may begin in a second: WebSockets, event
	// streams, streams of lines, and long polls that do not go on where one has ended. Half of
	// them may begin at once. Others are told when to come back: with 503 and
	// Retry-After, or as an event stream that ends. Default 5000.
	SessionsPerSecond int

	// Random draws a number of [0, 1) for a delay, and is called concurrently. It need
	// not be hard to predict. Default: rand.Float64 of math/rand/v2.
	Random func() float64

	// WaitMax caps Prefer: wait=N of a long poll, in whole seconds. The wait
	// that applies is reported in Preference-Applied. Default 60 s.
	WaitMax time.Duration

	// PageLimit is how many publications a page holds when the client does not
	// say; default 100. PageLimitMax is the most it may ask for; a larger
	// ?limit means PageLimitMax. Default 1000.
	PageLimit    int
	PageLimitMax int

	// PageBytesMax ends a page early once its encoding is this long, after at
	// least one publication. Default 1 MiB.
	PageBytesMax int

	// WriteTimeout bounds one write to a client. A client that does not read
	// for that long is cut, and may resume. Default 10 s.
	WriteTimeout time.Duration

	// SessionTimeout is how long a session waits for its client to come back after it has
	// lost its carrier, or between two polls. Default 30 s.
	SessionTimeout time.Duration

	// SessionBytesMax is the longest message, and body of a request, of a session: it
	// may hold many commands. Default 256 KiB; it is raised to what a publication of
	// BodyBytesMax needs.
	SessionBytesMax int

	// ConnectTimeout is how long the first command of a session may take to come.
	// Default 10 s.
	ConnectTimeout time.Duration

	// PingInterval is told to the client of a session: after so long a silence it
	// sends a ping, to know that its connection lives. Default 25 s.
	PingInterval time.Duration

	// Expiring is how long before its token ends a session is told so, or a fifth of the
	// time that the token had when it was shown if that is less. Default 30 s.
	Expiring time.Duration

	// Node, if not empty, is the name of this node among those that share the Broker. It
	// becomes a part of the secrets of sessions, so that a proxy sees which node a request belongs
	// to: see SessionNode. At most 32 letters and digits. Default: none.
	Node string

	// Elsewhere, if not nil, is called when the client of a session that another node has wants
	// to go on here, where a new one begins: that one is over, see Transport.EndSession. node is
	// whatever the client says. It does not block, and is called concurrently. Default: none.
	Elsewhere func(node, session, secret string)

	// Protocols are spoken by WebSockets at paths of their own, which come before
	// channels. They are not modified. Default: none.
	Protocols []Protocol

	// Compression, if not nil, accepts permessage-deflate (RFC 7692) on WebSockets.
	// A message to many is compressed once for all, and never in a way that refers
	// to earlier messages; demand with ServerNoContextTakeover that no memory is kept
	// for that. On an Engine, the one of its Options counts instead. Default: none.
	Compression *deflate.Options

	// Header is sent with every response, security policies for example. It must
	// not be modified afterwards.
	Header http.Header

	// Engine, if not nil, carries the WebSockets, with loops instead of two
	// goroutines for each. Its Origins must be the same, and its Subprotocols those
	// that the function Subprotocols returns. The caller, who made it, shuts it down,
	// after the hub.
	Engine *engine.Server

	// Observer is told of events, for metrics. Nil costs nothing.
	Observer *Observer

	// Logger receives failures of the broker (Error) and ends of streams
	// (Debug). Default: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy of o with its defaults filled in, or an error that
// wraps an *OptionError.
func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	err := cmp.Or(
		driver.Resolve("BodyBytesMax", &out.BodyBytesMax, DefaultBodyBytesMax),
		driver.Resolve("BodyTimeout", &out.BodyTimeout, DefaultBodyTimeout),
		driver.Resolve("Heartbeat", &out.Heartbeat, DefaultHeartbeat),
		driver.Resolve("Reconnect.SessionsPerSecond", &out.Reconnect.SessionsPerSecond, reconnect.DefaultSessionsPerSecond),
		driver.Resolve("Reconnect.DelayMin", &out.Reconnect.DelayMin, reconnect.DefaultDelayMin),
		driver.Resolve("Reconnect.WindowMin", &out.Reconnect.WindowMin, reconnect.DefaultWindowMin),
		driver.Resolve("Reconnect.WindowMax", &out.Reconnect.WindowMax, reconnect.DefaultWindowMax),
		driver.Resolve("SessionsPerSecond", &out.SessionsPerSecond, DefaultSessionsPerSecond),
		driver.Resolve("WaitMax", &out.WaitMax, DefaultWaitMax),
		driver.Resolve("PageLimit", &out.PageLimit, DefaultPageLimit),
		driver.Resolve("PageLimitMax", &out.PageLimitMax, DefaultPageLimitMax),
		driver.Resolve("PageBytesMax", &out.PageBytesMax, DefaultPageBytesMax),
		driver.Resolve("WriteTimeout", &out.WriteTimeout, DefaultWriteTimeout),
		driver.Resolve("SessionTimeout", &out.SessionTimeout, DefaultSessionTimeout),
		driver.Resolve("SessionBytesMax", &out.SessionBytesMax, DefaultSessionBytesMax),
		driver.Resolve("ConnectTimeout", &out.ConnectTimeout, DefaultConnectTimeout),
		driver.Resolve("PingInterval", &out.PingInterval, DefaultPingInterval),
		driver.Resolve("Expiring", &out.Expiring, DefaultExpiring),
	)
	if err != nil {
		return Options{}, fmt.Errorf("transport: %w", err)
	}
	if err := checkNode(out.Node); err != nil {
		return Options{}, fmt.Errorf("transport: %w", err)
	}
	out.PageLimit = min(out.PageLimit, out.PageLimitMax)
	// As JSON a byte becomes six at most, and there is a command around it.
	out.SessionBytesMax = max(out.SessionBytesMax, min(6*out.BodyBytesMax, NoLimit-1024)+1024)
	if out.Random == nil {
		out.Random = rand.Float64
	}
	if out.Logger == nil {
		out.Logger = slog.Default()
	}
	return out, nil
}

// Transport is the http.Handler of everything below ChannelsPath and
// PresencePath, and of ConnectPath.
//
// It must see paths as they were sent. http.ServeMux redirects a path with an
// empty or dotted segment before any handler runs, so ask Serves first and give
// the mux only the rest:
//
//	if t.Serves(r) {
//		t.ServeHTTP(w, r)
//		return
//	}
//	mux.ServeHTTP(w, r)
//
// A Transport holds no goroutines of its own. Each stream ends when its client
// leaves, when the request's context ends, or with the hub.
type Transport struct {
	hub     *hub.Hub
	o       Options
	observe observer
	limits  *engine.Options      // of WebSockets on the engine
	fixed   []responseField      // of every response
	posted  *engine.PreparedHead // what most publications are answered; nil if it cannot be
	streams dialect.StreamOptions
	pacing  pacing

	failures seldom.Gate // of the broker, for the log

	seats         seats
	isMoving      atomic.Bool // see MoveSessions
	sessions      dialect.SessionOptions
	sessionLimits *engine.Options // of WebSockets of sessions on the engine
}

// New returns a Transport that serves the channels of h. The error wraps an
// *OptionError.
func New(h *hub.Hub, o *Options) (*Transport, error) {
	resolved, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Transport{hub: h, o: resolved}
	t.observe = observer{t.o.Observer}
	for name, values := range t.o.Header {
		for _, value := range values {
			t.fixed = append(t.fixed, responseField{name, value})
		}
	}
	t.prepare()
	t.pacing.random = t.o.Random
	t.pacing.sessions = h.SessionCount
	t.SetPace(t.o.Reconnect, t.o.SessionsPerSecond)
	t.streams = dialect.StreamOptions{Heartbeat: t.o.Heartbeat, Epoch: start, Reconnect: t.pacing.redraw}
	t.limits = &engine.Options{
		MessageBytesMax: int64(t.o.BodyBytesMax),
		PingInterval:    t.o.Heartbeat,
		WriteTimeout:    t.o.WriteTimeout,
		QueueBytesMax:   NoLimit, // the pushes taken from a session are bounded, and none may be refused
	}
	t.sessionLimits = new(*t.limits)
	t.sessionLimits.MessageBytesMax = int64(t.o.SessionBytesMax)
	t.sessions = dialect.SessionOptions{
		Heartbeat: t.o.Heartbeat, ConnectTimeout: t.o.ConnectTimeout, PingInterval: t.o.PingInterval, Reconnect: t.pacing.redraw,
		Expiring: t.o.Expiring, Describe: t.describe,
	}
	return t, nil
}

// messageBytesMax is the longest message of a WebSocket, which has commands or is a
// publication.
func (t *Transport) messageBytesMax(hasCommands bool) int64 {
	if hasCommands {
		return int64(t.o.SessionBytesMax)
	}
	return int64(t.o.BodyBytesMax)
}

// Serves reports whether r is for this Transport.
func (t *Transport) Serves(r *http.Request) bool {
	_, ok := t.routeOf(r.URL.EscapedPath())
	return ok
}
