package server

import (
	"path/filepath"
	"runtime"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/natsbroker"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/reconnect"
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
	DefaultFlightBytes      = flight.DefaultBytes
	DefaultHeartbeat        = 15 * time.Second
	DefaultDrainTimeout     = 10 * time.Second
	DefaultKeepaliveTimeout = 620 * time.Second
	DefaultLogFormat        = "text"
	DefaultLogLevel         = "info"

	DefaultSubscriptions              = hub.DefaultSubscriptionsMax
	DefaultConnectionsPerAddress      = 1000
	DefaultConnectionsPerUser         = 100
	DefaultHandshakesPerSecond        = 100
	DefaultRequestsPerSecond          = 500
	DefaultHistoryPagesPerSecond      = hub.DefaultHistoryPagesPerSecond
	DefaultSessionsPerSecond          = transport.DefaultSessionsPerSecond
	DefaultReconnectSessionsPerSecond = reconnect.DefaultSessionsPerSecond
	DefaultReconnectDelayMin          = reconnect.DefaultDelayMin
	DefaultReconnectWindowMin         = reconnect.DefaultWindowMin
	DefaultReconnectWindowMax         = reconnect.DefaultWindowMax

	DefaultSessionTimeout               = transport.DefaultSessionTimeout
	DefaultSessionMessageBytes          = transport.DefaultSessionBytesMax
	DefaultSessionPing                  = transport.DefaultPingInterval
	DefaultPublicationsPerSecondSession = 100
	DefaultPublicationsPerSecondUser    = 200
	DefaultPublicationsPerSecondAddress = 500

	DefaultACMEDirectory   = "https://acme-v02.api.letsencrypt.org/directory"
	DefaultACMEHTTP        = ":80"
	DefaultHookTimeout     = hooks.DefaultTimeout
	DefaultEventsTimeout   = 15 * time.Second
	DefaultHookRetry       = hooks.DefaultRetry
	DefaultHookConcurrency = hooks.DefaultConcurrency
	DefaultIdempotency     = membroker.DefaultIdempotencyWindow
	DefaultTracingSample   = 0.01
	DefaultTracingService  = "godwit"
	DefaultSocketIOMain    = "main"
	DefaultSync            = SyncInterval
	DefaultBrokerAway      = 10 * time.Second
)

// normalize returns c with defaults filled in, or the first *SettingError that says
// what would be right.
func (c Config) normalize() (Config, error) {
	var first error
	c = c.normalized(func(key, text string) {
		if first == nil {
			first = &SettingError{Key: key, Text: text}
		}
	})
	return c, first
}

// normalized returns c with defaults filled in, and reports every setting that
// cannot be used. It is the only place that does either; what depends on the bound
// address is decided in listen.go. What c points to is not changed.
func (c Config) normalized(report func(key, text string)) Config {
	c = c.withDefaults()
	checkAll(settings, &c, "", report)
	c.checkTogether(report)
	return c
}

func (c Config) withDefaults() Config {
	if c.PIDFile != "" {
		c.PIDFile = filepath.Clean(c.PIDFile) // one spelling, however it was read
	}
	if c.SocketIO.ClientDir != "" {
		c.SocketIO.ClientDir = filepath.Clean(c.SocketIO.ClientDir)
	}
	if c.Listen == nil {
		c.Listen = []string{DefaultListen}
	}
	if len(c.TLS.ACME.Domains) > 0 {
		fill(&c.TLS.ACME.Directory, DefaultACMEDirectory)
		fill(&c.TLS.ACME.HTTP, DefaultACMEHTTP)
	}
	c.Hooks = c.Hooks.withDefaults()
	fill(&c.Refusals.WebSocket, RefuseByClose)
	for _, s := range []**bool{&c.SocketIO.Enabled, &c.SockJS.Enabled, &c.Pusher.Enabled, &c.Pusher.Fallback, &c.PieSocket.Enabled} {
		if *s == nil {
			*s = new(true)
		}
	}
	fill(&c.SocketIO.Main, DefaultSocketIOMain)
	if len(c.Bridges) > 0 {
		bridges := make([]Bridge, len(c.Bridges))
		for i, b := range c.Bridges {
			bridges[i] = b.withDefaults()
		}
		c.Bridges = bridges
	}
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
	fill(&c.Limits.Subscriptions, DefaultSubscriptions)
	fill(&c.Limits.ConnectionsPerAddress, DefaultConnectionsPerAddress)
	fill(&c.Limits.ConnectionsPerUser, DefaultConnectionsPerUser)
	fill(&c.Limits.HandshakesPerSecond, DefaultHandshakesPerSecond)
	fill(&c.Limits.RequestsPerSecond, DefaultRequestsPerSecond)
	fill(&c.Limits.HistoryPagesPerSecond, DefaultHistoryPagesPerSecond)
	fill(&c.Limits.SessionsPerSecond, DefaultSessionsPerSecond)
	fill(&c.Reconnect.SessionsPerSecond, max(1, min(DefaultReconnectSessionsPerSecond, c.Limits.SessionsPerSecond/2)))
	fill(&c.Reconnect.DelayMin, DefaultReconnectDelayMin)
	fill(&c.Reconnect.WindowMin, DefaultReconnectWindowMin)
	fill(&c.Reconnect.WindowMax, max(DefaultReconnectWindowMax, c.Reconnect.WindowMin))
	fill(&c.Limits.PublicationsPerSecondSession, DefaultPublicationsPerSecondSession)
	fill(&c.Limits.PublicationsPerSecondUser, DefaultPublicationsPerSecondUser)
	fill(&c.Limits.PublicationsPerSecondAddress, DefaultPublicationsPerSecondAddress)
	if c.Data != "" {
		fill(&c.Sync, DefaultSync)
	}
	if c.Broker.IsOn() {
		fill(&c.Broker.Away, DefaultBrokerAway)
		fill(&c.Broker.NATS.Storage, natsbroker.DefaultStorage)
		fill(&c.Broker.NATS.Prefix, natsbroker.DefaultPrefix)
	}
	fill(&c.Sessions.Timeout, DefaultSessionTimeout)
	fill(&c.Sessions.MessageBytes, DefaultSessionMessageBytes)
	fill(&c.Sessions.Ping, DefaultSessionPing)
	if c.Flight.Bytes == nil {
		c.Flight.Bytes = new(DefaultFlightBytes)
	}
	fill(&c.Driver, defaultDriver())
	if c.Compression == nil {
		c.Compression = new(true)
	}
	fill(&c.Heartbeat, DefaultHeartbeat)
	fill(&c.KeepaliveTimeout, DefaultKeepaliveTimeout)
	fill(&c.DrainTimeout, DefaultDrainTimeout)
	fill(&c.Log.Format, DefaultLogFormat)
	fill(&c.Log.Level, DefaultLogLevel)
	if c.Tracing.Endpoint != "" {
		if c.Tracing.Sample == nil {
			c.Tracing.Sample = new(DefaultTracingSample)
		}
		fill(&c.Tracing.Service, DefaultTracingService)
	}
	return c
}

func (h Hooks) withDefaults() Hooks {
	if h.Connect.URL != "" {
		fill(&h.Connect.Timeout, DefaultHookTimeout)
	}
	for _, hook := range []*ChannelHook{&h.Subscribe, &h.Publish} {
		if hook.URL != "" {
			fill(&hook.Timeout, DefaultHookTimeout)
		}
	}
	if h.RPC.URL != "" {
		fill(&h.RPC.Timeout, DefaultHookTimeout)
	}
	if h.SocketIO.URL != "" {
		fill(&h.SocketIO.Timeout, DefaultHookTimeout)
	}
	if h.Events.URL != "" {
		fill(&h.Events.Timeout, DefaultEventsTimeout)
		fill(&h.Events.Retry, DefaultHookRetry)
	}
	if h.areOn() {
		fill(&h.Concurrency, DefaultHookConcurrency)
	}
	return h
}

// areOn reports whether there is any.
func (h *Hooks) areOn() bool {
	return h.Connect.URL != "" || h.Subscribe.URL != "" || h.Publish.URL != "" || h.RPC.URL != "" || h.SocketIO.URL != "" || h.Events.URL != ""
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
