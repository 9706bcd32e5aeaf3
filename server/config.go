package server

import (
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Defaults of a Config, each named like the field it fills in.
const (
	DefaultListen           = "127.0.0.1:8000"
	DefaultHistoryCount     = hub.DefaultRetentionCount
	DefaultHistoryAge       = hub.DefaultRetentionAge
	DefaultPublicationBytes = hub.DefaultPublicationBytesMax
	DefaultQueueCount       = hub.DefaultQueueCountMax
	DefaultQueueBytes       = hub.DefaultQueueBytesMax
	DefaultHeaderBytes      = 16 << 10
	DefaultConnections      = 10_000
	DefaultChannels         = membroker.DefaultChannelsMax
	DefaultHistoryBytes     = membroker.DefaultHistoryBytesMax
	DefaultHeartbeat        = 15 * time.Second
	DefaultDrainTimeout     = 10 * time.Second
	DefaultKeepaliveTimeout = 620 * time.Second
	DefaultLogFormat        = "text"
	DefaultLogLevel         = "info"
)

// Config says how a Server behaves. The zero value of every field means its
// default. Load fills it from a file, the environment and flags; the keys used
// there are named in the comments.
type Config struct {
	// Listen is the address to listen on, as host:port (listen). Port 0 picks a
	// free one. A host that is a name stands for each of its addresses, and
	// localhost for 127.0.0.1 and ::1. 0.0.0.0 is every IPv4 address of the
	// machine, [::] every IPv6 address, and no host at all is both.
	//
	// "unix:" and a path is a socket file. Its permissions are what the umask of
	// the process leaves of 0777; who may write to it may connect. The file of a
	// server that was killed is replaced, any other is left alone. Requests may
	// name any Host there, because no page in a browser can reach it.
	//
	// Default 127.0.0.1:8000.
	Listen string

	// Insecure allows a Listen address that other machines can reach although
	// nobody has to authenticate (insecure).
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

	// Demo runs the built-in feed on channel demo/ticker (demo). Default: on
	// when the server listens on loopback.
	Demo *bool

	History History
	Limits  Limits

	// Driver is what carries WebSockets: "engine", an event loop for each core, or
	// "goroutine", two goroutines for each connection (driver). Default: engine
	// where it has a poller of the system, which is Linux, else goroutine.
	Driver string

	// Compression accepts permessage-deflate on WebSockets (compression). Default: on.
	// What is shorter than CompressionBytesMin is sent as it is.
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

	Log Log

	// Logger, when set, is used instead of one built from Log. It is not a
	// setting of files.
	Logger *slog.Logger
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
	if e.Key != "" && !strings.HasPrefix(e.Source, "--") && !strings.HasPrefix(e.Source, envPrefix) {
		text = e.Key + ": " + text
	}
	if e.Source != "" {
		text = e.Source + ": " + text
	}
	return text
}

// normalize returns c with defaults filled in, or a *SettingError that says
// what would be right. It is the only place that does either; what depends on
// the bound address is decided in listen.go.
func (c Config) normalize() (Config, error) {
	fill(&c.Listen, DefaultListen)
	fill(&c.History.Age, DefaultHistoryAge)
	if c.History.Count == nil {
		c.History.Count = new(DefaultHistoryCount)
	}
	fill(&c.Limits.PublicationBytes, DefaultPublicationBytes)
	fill(&c.Limits.QueueCount, DefaultQueueCount)
	// The default queue has room for a few publications of any allowed size.
	fill(&c.Limits.QueueBytes, max(DefaultQueueBytes, 4*c.Limits.PublicationBytes))
	fill(&c.Limits.HeaderBytes, DefaultHeaderBytes)
	fill(&c.Limits.Connections, DefaultConnections)
	fill(&c.Limits.Channels, DefaultChannels)
	fill(&c.Limits.HistoryBytes, DefaultHistoryBytes)
	fill(&c.Driver, defaultDriver())
	if c.Compression == nil {
		c.Compression = new(true)
	}
	fill(&c.Heartbeat, DefaultHeartbeat)
	fill(&c.KeepaliveTimeout, DefaultKeepaliveTimeout)
	fill(&c.DrainTimeout, DefaultDrainTimeout)
	fill(&c.Log.Format, DefaultLogFormat)
	fill(&c.Log.Level, DefaultLogLevel)

	for _, s := range settings {
		if text := s.check(s.field(&c)); text != "" {
			return c, &SettingError{Key: s.key, Text: text}
		}
	}
	if c.Credentials && slices.Contains(c.Origins, "*") {
		return c, &SettingError{Key: "credentials", Text: `origins has "*", and what every page there is may do must not come with credentials; ` +
			"list the origins that may one by one, or leave credentials off"}
	}
	if c.Limits.QueueBytes < c.Limits.PublicationBytes {
		return c, &SettingError{Key: "limits.queue_bytes", Text: strconv.Itoa(c.Limits.QueueBytes) +
			" could not hold one publication; at least limits.publication_bytes (" +
			strconv.Itoa(c.Limits.PublicationBytes) + ") is needed"}
	}
	return c, nil
}

// The drivers.
const (
	driverEngine    = "engine"
	driverGoroutine = "goroutine"
)

func defaultDriver() string {
	if runtime.GOOS == "linux" {
		return driverEngine
	}
	return driverGoroutine
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func checkListen(listen string) string {
	if path, ok := strings.CutPrefix(listen, unixPrefix); ok {
		if path == "" || path[0] == '@' || strings.IndexByte(path, 0) >= 0 {
			return strconv.Quote(path) + " is not the path of a socket file; write for example unix:/run/godwit.sock"
		}
		return ""
	}
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return strconv.Quote(listen) + " is not an address; write host:port, for example " + DefaultListen + " or :8000, or unix:/path/to.sock"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return strconv.Quote(port) + " is not a port; write a number from 0 (any free port) to 65535"
	} else if strconv.FormatUint(n, 10) != port {
		return strconv.Quote(port) + " is not a port; write " + strconv.FormatUint(n, 10)
	}
	return ""
}

func checkOrigins(patterns []string) string {
	for _, p := range patterns {
		if _, err := handshake.ParseOrigins([]string{p}); err != nil {
			return strings.TrimPrefix(err.Error(), "handshake: ")
		}
	}
	return ""
}

func checkWord(words ...string) func(string) string {
	return func(s string) string {
		if slices.Contains(words, s) {
			return ""
		}
		return strconv.Quote(s) + " is not one of " + strings.Join(words, ", ")
	}
}
