package server

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
)

// Config says how a Server behaves. The zero value of every field means its
// default. Load fills it from a file, the environment and flags; the keys used
// there are named in the comments.
type Config struct {
	// Listen are the addresses to listen on, each as host:port (listen). Port 0
	// picks a free one. A host that is a name stands for each of its addresses, and
	// localhost for 127.0.0.1 and ::1. 0.0.0.0 is every IPv4 address of the
	// machine, [::] every IPv6 address, and no host at all is both.
	//
	// "unix:" and a path is a socket file. Its permissions are what the umask of
	// the process leaves of 0777; a user that may write to it may connect. The file of a
	// server that was killed is replaced, any other is left alone. Requests may
	// name any Host there, because no page in a browser can reach it.
	//
	// "systemd:" are the sockets that the process has inherited, and "systemd:" and
	// a name those of that name.
	//
	// Default 127.0.0.1:8000.
	Listen []string

	// Admin moves what is for operators to addresses of its own.
	Admin Admin

	// Insecure allows a Listen address that other machines can reach although
	// nobody has to authenticate (insecure). Where IsProtected, there is no need.
	Insecure bool

	// Origins are patterns of web origins whose pages may use this server
	// besides its own (origins). It is the one setting for CORS, WebSocket
	// upgrades and cross-site POST and, on loopback, for the Host header. See
	// handshake.ParseOrigins for the forms. Default: the same origin only.
	Origins []string

	// Credentials allows pages of the Origins that are listed one by one, with
	// scheme and without wildcards, to send and to be answered with credentials:
	// cookies and what else a browser keeps for this server, or a proxy in front of
	// it (credentials). It cannot be had with "*" among the Origins. Default: not.
	Credentials bool

	// Demo runs the built-in feed on channel demo/ticker, and serves the Gallery (demo).
	// Default: on when the server listens on loopback.
	Demo *bool

	TLS TLS

	// TrustedProxies are the addresses of proxies whose word about the client is
	// taken: Forwarded, X-Forwarded-For, the PROXY protocol (trusted_proxies).
	// Default none.
	TrustedProxies []netip.Prefix

	// ProxyProtocol has every connection from TrustedProxies begin with a PROXY
	// header, version 1 or 2 (proxy_protocol). Default: not.
	ProxyProtocol bool

	// Tokens are the issuers whose tokens are accepted (tokens), Keys those of back
	// ends (keys).
	Tokens []TokenIssuer
	Keys   []BackendKey

	// Anonymous are the grants of clients that show nothing (anonymous). Nil is not
	// the same as grants of nothing, with which the server is protected.
	Anonymous *access.Grants

	// Channels are the policies of channels, of which the first that matches counts
	// (channels). What it does not set, and what none matches, is as for all
	// channels.
	Channels []ChannelPolicy

	Hooks    Hooks
	Refusals Refusals

	// Apps are the tenants whose keys clients of Pusher and PieSocket show (apps).
	// Default: on a loopback server that is not protected, one for development; else
	// none.
	Apps []App

	SocketIO  SocketIO
	SockJS    SockJS
	Pusher    Pusher
	PieSocket PieSocket

	// Bridges follow WebSockets of others, and publish what they send (bridges). Of several nodes
	// with one broker, one has each of them.
	Bridges []Bridge

	// Data is a directory for histories, positions, idempotency keys and revocations, which
	// then outlive the process (data). It is created if it is not there, and belongs to one server
	// at a time. It excludes Broker. Default none: everything is in memory.
	Data string

	// Sync says when what was accepted is safe from a failure of power, with Data: SyncAlways,
	// before it is acknowledged, or SyncInterval, within a second (sync). What was acknowledged is
	// safe from the end of the process either way. Default SyncInterval.
	Sync string

	Broker  Broker
	Cluster Cluster

	History   History
	Limits    Limits
	Reconnect Reconnect
	Sessions  Sessions
	Flight    Flight

	// Driver is what carries WebSockets: "engine", an event loop for each core, or
	// "goroutine", two goroutines for each connection (driver). Default: engine
	// where it has a poller of the system, which is Linux, else goroutine.
	Driver string

	// Compression accepts permessage-deflate on WebSockets (compression). Default: on.
	// A message shorter than CompressionBytesMin is sent as it is.
	Compression *bool

	// Heartbeat is the pause after which a silent stream shows that it is alive:
	// a WebSocket ping, an SSE comment, an empty NDJSON object (heartbeat).
	// Default 15 s: proxies commonly end what was silent for 30 to 60 seconds.
	Heartbeat time.Duration

	// KeepaliveTimeout is how long a connection is kept for another request
	// (keepalive_timeout). It has to be longer than that of a balancer in front,
	// which else sends a request on a connection that is being closed, and answers
	// 502: Google's keeps connections for 600 s, that of AWS for 60 s. Default 620 s.
	KeepaliveTimeout time.Duration

	// DrainDelay is how long Run goes on to accept and to serve after its context
	// did, while /readyz answers 503 already (drain_delay). It is for balancers that
	// learn from /readyz where not to send: longer than the time that they take to
	// notice. Default 0.
	DrainDelay time.Duration

	// DrainTimeout is how long Run waits for connections to end after its context
	// did and the DrainDelay has passed (drain_timeout). Default 10 s.
	DrainTimeout time.Duration

	// PIDFile is a file that has the ID of the process that serves, for godwit serve
	// --upgrade and for others that send signals (pid_file). It is written when the
	// server serves, by each process that takes over, and removed at the end. Default
	// none.
	PIDFile string

	Log     Log
	Tracing Tracing

	// Gallery is served at /examples/ while the demo feed runs, and the welcome page links
	// to it. It is no setting: the program has it or not. Default: none.
	Gallery http.Handler

	// Logger, when set, is used instead of one built from Log. It is not a
	// setting of files.
	Logger *slog.Logger

	sources map[string]string // where Load found each key
}

// History says how much every channel remembers: a publication is held until it
// is older than Age or Count newer ones exist.
type History struct {
	Count *int          // history.count: default 1000 publications; 0 keeps none
	Age   time.Duration // history.age: default 10 minutes
}

// Limits bound what clients can make the server hold.
type Limits struct {
	PublicationBytes int // limits.publication_bytes: the longest payload, default 64 KiB
	QueueCount       int // limits.queue_count: publications waiting for one slow client, default 1024
	QueueBytes       int // limits.queue_bytes: payload bytes waiting for one slow client, default 1 MiB
	HeaderBytes      int // limits.header_bytes: the header of a request, default 16 KiB
	Connections      int // limits.connections: open at once, default 10,000
	Channels         int // limits.channels: with a subscriber or history, default 1,000,000
	HistoryBytes     int // limits.history_bytes: histories of all channels together, default 256 MiB
	Subscriptions    int // limits.subscriptions: of one session, default 1000

	ConnectionsPerAddress int // limits.connections_per_address: open at once, default 1000
	ConnectionsPerUser    int // limits.connections_per_user: open at once, default 100
	HandshakesPerSecond   int // limits.handshakes_per_second: of one address, default 100
	RequestsPerSecond     int // limits.requests_per_second: of one address, default 500

	HistoryPagesPerSecond int // limits.history_pages_per_second: that resuming clients read, all together, default 2000

	SessionsPerSecond int // limits.sessions_per_second: that begin, of all clients; default 5000

	PublicationsPerSecondSession int // limits.publications_per_second_session: default 100
	PublicationsPerSecondUser    int // limits.publications_per_second_user: of all sessions together, default 200
	PublicationsPerSecondAddress int // limits.publications_per_second_address: of all sessions together, default 500
}

// Reconnect says how long clients are told to wait before they come back, in case they
// lose the server. Each is told another time, so that a full house returns over a window.
type Reconnect struct {
	// SessionsPerSecond is how many come back in a second when all have lost the server
	// at once (reconnect.sessions_per_second). Default 1000, or half of
	// limits.sessions_per_second if that is less.
	SessionsPerSecond int

	DelayMin  time.Duration // reconnect.delay_min: nobody comes back before; default 1 s
	WindowMin time.Duration // reconnect.window_min: the window with few sessions; default 2 s
	WindowMax time.Duration // reconnect.window_max: with as many as there can be; default 1 min
}

// Sessions says how long sessions of /connect wait for their clients, and what they take.
type Sessions struct {
	// Timeout is how long a session waits for its client after its connection was lost,
	// or between two polls (sessions.timeout). Default 30 s.
	Timeout time.Duration

	// MessageBytes is the longest message of a client, which may hold many commands
	// (sessions.message_bytes). It is raised to what a publication of
	// limits.publication_bytes needs. Default 256 KiB.
	MessageBytes int

	// Ping is the silence after which a client asks whether its connection lives
	// (sessions.ping). Default 25 s.
	Ping time.Duration
}

// Flight says what is remembered of sessions, to explain why one was not given a
// publication.
type Flight struct {
	Bytes *int // flight.bytes: memory for it, default 16 MiB; 0 remembers nothing
}

// Log says what the server writes to standard error.
type Log struct {
	Format string // log.format: "text" or "json", default text
	Level  string // log.level: "debug", "info", "warn" or "error", default info; debug logs every request
}

// SettingError is a setting that cannot be used.
type SettingError struct {
	Key    string // as in the file, for example history.count
	Source string // where it was set: file:line:column, a variable, a flag; empty when not from Load
	Text   string // what is wrong, what would be right
}

// Error begins with the place to look at.
func (e *SettingError) Error() string {
	text := e.Text
	// The name of a flag or variable says which setting it is.
	if e.Key != "" && !strings.HasPrefix(e.Source, "--") && e.Source != envName(e.Key) {
		text = e.Key + ": " + text
	}
	if e.Source != "" {
		text = e.Source + ": " + text
	}
	return text
}

// IsProtected reports whether clients have to identify themselves: tokens, keys, apps,
// anonymous or hooks.connect are configured. Acts that are not granted are then denied.
func (c *Config) IsProtected() bool {
	return len(c.Tokens) > 0 || len(c.Keys) > 0 || len(c.Apps) > 0 || c.Anonymous != nil || c.Hooks.Connect.URL != ""
}
