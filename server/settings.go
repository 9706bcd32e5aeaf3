package server

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/server/natsbroker"
)

// envPrefix begins the environment variable of every setting: history.count is
// GODWIT_HISTORY_COUNT.
const envPrefix = "GODWIT_"

// A setting connects one key with one field, so that files, environment and flags
// accept the same values and give the same errors, and so that everything that is
// said about settings is said from one table.
type setting struct {
	key     string              // below what owns it
	field   func(owner any) any // a pointer; its type decides what is accepted
	rule    rule
	meaning string // a line for editors
}

// row is a setting of a T, before it goes into a table.
type row[T any] struct {
	key     string
	field   func(*T) any
	rule    rule
	meaning string
}

func table[T any](rows []row[T]) []setting {
	var settings []setting
	for _, r := range rows {
		settings = append(settings, setting{r.key, func(owner any) any { return r.field(owner.(*T)) }, r.rule, r.meaning})
	}
	return settings
}

// settings are all keys, in the order in which documents present them.
var settings = table([]row[Config]{
	{"listen", func(c *Config) any { return &c.Listen }, addressList, "Addresses to listen on, host:port, unix:/path or systemd:"},
	{"insecure", func(c *Config) any { return &c.Insecure }, anything, "Allow an address that other machines can reach, although nobody has to authenticate"},
	{"origins", func(c *Config) any { return &c.Origins }, texts(checkOrigin), "Pages that may use this server besides its own"},
	{"credentials", func(c *Config) any { return &c.Credentials }, anything, "Let pages of origins that are listed one by one send credentials"},
	{"demo", func(c *Config) any { return &c.Demo }, anything, "Publish a made-up price to demo/ticker, and show the examples at /examples/"},
	{"admin.listen", func(c *Config) any { return &c.Admin.Listen }, addressList, "Addresses for metrics, profiles and the API, instead of the main ones"},
	{"tls.cert", func(c *Config) any { return &c.TLS.Cert }, path, "PEM file with the certificate"},
	{"tls.key", func(c *Config) any { return &c.TLS.Key }, path, "PEM file with the private key"},
	{"tls.acme.domains", func(c *Config) any { return &c.TLS.ACME.Domains }, texts(checkDomain), "Names to get certificates for"},
	{"tls.acme.email", func(c *Config) any { return &c.TLS.ACME.Email }, text(checkEmail), "Where the authority writes to"},
	{"tls.acme.directory", func(c *Config) any { return &c.TLS.ACME.Directory }, text(checkTrustedURL), "URL of the authority's directory"},
	{"tls.acme.storage", func(c *Config) any { return &c.TLS.ACME.Storage }, path, "Directory that stays, for keys and certificates"},
	{"tls.acme.http", func(c *Config) any { return &c.TLS.ACME.HTTP }, text(checkHostPort), "Address at which HTTP-01 is answered"},
	{"trusted_proxies", func(c *Config) any { return &c.TrustedProxies }, anything, "Addresses or prefixes of proxies whose word about the client is taken"},
	{"proxy_protocol", func(c *Config) any { return &c.ProxyProtocol }, anything, "Connections from trusted_proxies begin with a PROXY header"},
	{"tokens", func(c *Config) any { return &c.Tokens }, sections(tokenSettings), "Issuers whose tokens are accepted"},
	{"keys", func(c *Config) any { return &c.Keys }, sections(keySettings), "Keys of back ends"},
	{"anonymous", func(c *Config) any { return &c.Anonymous }, anything, "Grants of clients that show nothing: patterns for each action"},
	{"channels", func(c *Config) any { return &c.Channels }, sections(channelSettings), "Policies of channels; the first that matches counts"},
	{"hooks.connect.url", func(c *Config) any { return &c.Hooks.Connect.URL }, text(checkHookURL), "Asked who a client is"},
	{"hooks.connect.timeout", func(c *Config) any { return &c.Hooks.Connect.Timeout }, duration(10*time.Millisecond, time.Minute), "After it the client is denied"},
	{"hooks.connect.forward", func(c *Config) any { return &c.Hooks.Connect.Forward }, texts(checkFieldName), "Fields of the client's request that are handed on"},
	{"hooks.subscribe.url", func(c *Config) any { return &c.Hooks.Subscribe.URL }, text(checkHookURL), "Asked whether a client may subscribe"},
	{"hooks.subscribe.timeout", func(c *Config) any { return &c.Hooks.Subscribe.Timeout }, duration(10*time.Millisecond, time.Minute), "After it the client is denied"},
	{"hooks.subscribe.channels", func(c *Config) any { return &c.Hooks.Subscribe.Channels }, channelPattern, "Channels that are asked about"},
	{"hooks.subscribe.forward", func(c *Config) any { return &c.Hooks.Subscribe.Forward }, texts(checkFieldName), "Fields of the client's request that are handed on"},
	{"hooks.publish.url", func(c *Config) any { return &c.Hooks.Publish.URL }, text(checkHookURL), "Asked whether a client may publish"},
	{"hooks.publish.timeout", func(c *Config) any { return &c.Hooks.Publish.Timeout }, duration(10*time.Millisecond, time.Minute), "After it the client is denied"},
	{"hooks.publish.channels", func(c *Config) any { return &c.Hooks.Publish.Channels }, channelPattern, "Channels that are asked about"},
	{"hooks.publish.forward", func(c *Config) any { return &c.Hooks.Publish.Forward }, texts(checkFieldName), "Fields of the client's request that are handed on"},
	{"hooks.rpc.url", func(c *Config) any { return &c.Hooks.RPC.URL }, text(checkHookURL), "Answers calls of methods"},
	{"hooks.rpc.timeout", func(c *Config) any { return &c.Hooks.RPC.Timeout }, duration(10*time.Millisecond, time.Minute), "After it the call fails"},
	{"hooks.rpc.methods", func(c *Config) any { return &c.Hooks.RPC.Methods }, channelPattern, "Methods that are answered"},
	{"hooks.socketio.url", func(c *Config) any { return &c.Hooks.SocketIO.URL }, text(checkHookURL), "The application behind clients of Socket.IO"},
	{"hooks.socketio.timeout", func(c *Config) any { return &c.Hooks.SocketIO.Timeout }, duration(10*time.Millisecond, time.Minute), "After it there is no answer"},
	{"hooks.socketio.forward", func(c *Config) any { return &c.Hooks.SocketIO.Forward }, texts(checkFieldName), "Fields of the client's handshake that are handed on"},
	{"hooks.events.url", func(c *Config) any { return &c.Hooks.Events.URL }, text(checkHookURL), "Told what happens"},
	{"hooks.events.timeout", func(c *Config) any { return &c.Hooks.Events.Timeout }, duration(10*time.Millisecond, time.Minute), "After it the delivery is tried again"},
	{"hooks.events.channels", func(c *Config) any { return &c.Hooks.Events.Channels }, channelPattern, "Channels that are told about"},
	{"hooks.events.types", func(c *Config) any { return &c.Hooks.Events.Types }, words(hooks.EventTypes()...), "Events that are told"},
	{"hooks.events.retry", func(c *Config) any { return &c.Hooks.Events.Retry }, duration(time.Second, 24*time.Hour), "How long delivery is tried"},
	{"hooks.secrets", func(c *Config) any { return &c.Hooks.Secrets }, secret, "Secrets that sign what is sent, as env:NAME or file:PATH"},
	{"hooks.allow_private", func(c *Config) any { return &c.Hooks.AllowPrivate }, anything, "Let URLs lead to private addresses"},
	{"hooks.concurrency", func(c *Config) any { return &c.Hooks.Concurrency }, number(1, 10_000), "Requests under way to one URL"},
	{"refusals.websocket", func(c *Config) any { return &c.Refusals.WebSocket }, words(RefuseByClose, RefuseByStatus), "How a browser's WebSocket is told that it is refused"},
	{"apps", func(c *Config) any { return &c.Apps }, sections(appSettings), "Tenants whose keys clients of Pusher and PieSocket show"},
	{"socketio.enabled", func(c *Config) any { return &c.SocketIO.Enabled }, anything, "Serve clients of Socket.IO"},
	{"socketio.main", func(c *Config) any { return &c.SocketIO.Main }, text(checkMain), "The channel of the namespace /"},
	{"socketio.recovery", func(c *Config) any { return &c.SocketIO.Recovery }, anything, "Let clients go on where they were"},
	{"socketio.eio3", func(c *Config) any { return &c.SocketIO.EIO3 }, anything, "Serve clients of version 2, too"},
	{"socketio.client_dir", func(c *Config) any { return &c.SocketIO.ClientDir }, path, "Directory with socket.io.js"},
	{"socketio.laravel_echo", func(c *Config) any { return &c.SocketIO.LaravelEcho }, anything, "Understand Laravel Echo's broadcaster for Socket.IO in the namespace /"},
	{"socketio.rules", func(c *Config) any { return &c.SocketIO.Rules }, sections(socketIORules), "Events that join and leave rooms, and go to them"},
	{"socketio.backend_events", func(c *Config) any { return &c.SocketIO.BackendEvents }, texts(checkSomething), "Events that hooks.socketio is given, such as order or cart:*"},
	{"socketio.backend_connect", func(c *Config) any { return &c.SocketIO.BackendConnect }, anything, "Ask hooks.socketio about clients that join a namespace"},
	{"sockjs.enabled", func(c *Config) any { return &c.SockJS.Enabled }, anything, "Serve clients of SockJS"},
	{"sockjs.jsonp", func(c *Config) any { return &c.SockJS.JSONP }, anything, "Accept JSONP, for browsers that know nothing better"},
	{"sockjs.htmlfile", func(c *Config) any { return &c.SockJS.HTMLFile }, anything, "Accept htmlfile, for browsers that know nothing better"},
	{"sockjs.client_url", func(c *Config) any { return &c.SockJS.ClientURL }, text(checkScriptURL), "Where the client's script is, for its page in an iframe"},
	{"pusher.enabled", func(c *Config) any { return &c.Pusher.Enabled }, anything, "Serve clients of Pusher, where there are apps"},
	{"pusher.path_prefix", func(c *Config) any { return &c.Pusher.PathPrefix }, text(checkPathPrefix), "What paths may begin with besides: what clients call wsPath"},
	{"pusher.fallback", func(c *Config) any { return &c.Pusher.Fallback }, anything, "Serve clients of Pusher over HTTP, where they have no WebSocket"},
	{"piesocket.enabled", func(c *Config) any { return &c.PieSocket.Enabled }, anything, "Serve clients of PieSocket, where there are apps"},
	{"bridges", func(c *Config) any { return &c.Bridges }, sections(bridgeSettings), "WebSockets of others that are followed, and the channels they go to"},
	{"data", func(c *Config) any { return &c.Data }, path, "Directory for histories, positions, idempotency keys and revocations"},
	{"sync", func(c *Config) any { return &c.Sync }, words(SyncAlways, SyncInterval), "When what was accepted is safe from a failure of power"},
	{"broker.url", func(c *Config) any { return &c.Broker.URL }, oneOr(secret), "Servers of a broker: nats://, tls://, redis:// or rediss://, or a reference such as env:NATS_URL"},
	{"broker.user", func(c *Config) any { return &c.Broker.User }, text(checkSomething), "Who this server is to the broker, if the URL has nobody"},
	{"broker.password", func(c *Config) any { return &c.Broker.Password }, secret, "The password for the broker, as env:NAME or file:PATH"},
	{"broker.tls.ca", func(c *Config) any { return &c.Broker.TLS.CA }, path, "PEM file with the authorities that the broker's certificate is of"},
	{"broker.tls.cert", func(c *Config) any { return &c.Broker.TLS.Cert }, path, "PEM file with the certificate that the broker is shown"},
	{"broker.tls.key", func(c *Config) any { return &c.Broker.TLS.Key }, path, "PEM file with its private key"},
	{"broker.nats.credentials", func(c *Config) any { return &c.Broker.NATS.Credentials }, path, "File with the credentials for NATS, .creds"},
	{"broker.nats.replicas", func(c *Config) any { return &c.Broker.NATS.Replicas }, number(0, natsbroker.ReplicasMax), "NATS servers that keep each publication"},
	{"broker.nats.storage", func(c *Config) any { return &c.Broker.NATS.Storage }, words(natsbroker.StorageMemory, natsbroker.StorageFile), "Where NATS keeps histories"},
	{"broker.nats.prefix", func(c *Config) any { return &c.Broker.NATS.Prefix }, text(checkNATSPrefix), "What the subjects begin with; servers with the same are one cluster"},
	{"broker.away", func(c *Config) any { return &c.Broker.Away }, duration(time.Millisecond, time.Hour), "How long the broker may be away before /readyz says so"},
	{"cluster.name", func(c *Config) any { return &c.Cluster.Name }, text(checkSomething), "What people call this node"},
	{"cluster.listen", func(c *Config) any { return &c.Cluster.Listen }, text(checkHostPort), "Address at which other nodes hand on requests"},
	{"cluster.advertise", func(c *Config) any { return &c.Cluster.Advertise }, text(checkHostPort), "How other nodes reach cluster.listen"},
	{"cluster.tls.cert", func(c *Config) any { return &c.Cluster.TLS.Cert }, path, "PEM file with the certificate that other nodes are shown"},
	{"cluster.tls.key", func(c *Config) any { return &c.Cluster.TLS.Key }, path, "PEM file with its private key"},
	{"cluster.tls.ca", func(c *Config) any { return &c.Cluster.TLS.CA }, path, "PEM file with the authorities that the certificates of all nodes are of"},
	{"history.count", func(c *Config) any { return &c.History.Count }, number(0, 10_000_000), "Publications that each channel remembers"},
	{"history.age", func(c *Config) any { return &c.History.Age }, duration(time.Millisecond, 10*365*24*time.Hour), "How long each channel remembers a publication"},
	{"limits.publication_bytes", func(c *Config) any { return &c.Limits.PublicationBytes }, number(1, 64<<20), "The longest payload"},
	{"limits.queue_count", func(c *Config) any { return &c.Limits.QueueCount }, number(1, 1<<20), "Publications waiting for one slow client"},
	{"limits.queue_bytes", func(c *Config) any { return &c.Limits.QueueBytes }, number(1, 1<<30), "Payload bytes waiting for one slow client"},
	{"limits.header_bytes", func(c *Config) any { return &c.Limits.HeaderBytes }, number(4<<10, 1<<20), "The header of a request"},
	{"limits.connections", func(c *Config) any { return &c.Limits.Connections }, number(1, 10_000_000), "Connections open at once"},
	{"limits.channels", func(c *Config) any { return &c.Limits.Channels }, number(1, 100_000_000), "Channels with a subscriber or history"},
	{"limits.history_bytes", func(c *Config) any { return &c.Limits.HistoryBytes }, number(1<<20, math.MaxInt), "Histories of all channels together"},
	{"limits.subscriptions", func(c *Config) any { return &c.Limits.Subscriptions }, number(1, 1_000_000), "Channels that one session subscribes to"},
	{"limits.connections_per_address", func(c *Config) any { return &c.Limits.ConnectionsPerAddress }, number(1, 10_000_000), "Connections of one address open at once"},
	{"limits.connections_per_user", func(c *Config) any { return &c.Limits.ConnectionsPerUser }, number(1, 10_000_000), "Connections of one user open at once"},
	{"limits.handshakes_per_second", func(c *Config) any { return &c.Limits.HandshakesPerSecond }, number(1, 10_000_000), "WebSocket handshakes of one address"},
	{"limits.requests_per_second", func(c *Config) any { return &c.Limits.RequestsPerSecond }, number(1, 10_000_000), "Requests of one address"},
	{"limits.sessions_per_second", func(c *Config) any { return &c.Limits.SessionsPerSecond }, number(1, 10_000_000), "Sessions of all clients that begin"},
	{"limits.history_pages_per_second", func(c *Config) any { return &c.Limits.HistoryPagesPerSecond }, number(1, 10_000_000), "Pages of history that resuming clients read"},
	{"limits.publications_per_second_session", func(c *Config) any { return &c.Limits.PublicationsPerSecondSession }, number(1, 10_000_000), "Publications of one session"},
	{"limits.publications_per_second_user", func(c *Config) any { return &c.Limits.PublicationsPerSecondUser }, number(1, 10_000_000), "Publications of one user"},
	{"limits.publications_per_second_address", func(c *Config) any { return &c.Limits.PublicationsPerSecondAddress }, number(1, 10_000_000), "Publications of one address"},
	{"flight.bytes", func(c *Config) any { return &c.Flight.Bytes }, number(0, 1<<30), "Memory for what became of sessions, which explanations are made from; 0 is none"},
	{"reconnect.sessions_per_second", func(c *Config) any { return &c.Reconnect.SessionsPerSecond }, number(1, 10_000_000), "Sessions that come back when all have lost the server"},
	{"reconnect.delay_min", func(c *Config) any { return &c.Reconnect.DelayMin }, duration(time.Millisecond, time.Hour), "No client comes back before"},
	{"reconnect.window_min", func(c *Config) any { return &c.Reconnect.WindowMin }, duration(time.Millisecond, time.Hour), "Time over which a few clients come back"},
	{"reconnect.window_max", func(c *Config) any { return &c.Reconnect.WindowMax }, duration(time.Millisecond, time.Hour), "The longest time over which clients come back"},
	{"sessions.timeout", func(c *Config) any { return &c.Sessions.Timeout }, duration(time.Second, time.Hour), "How long a session waits for its client to come back"},
	{"sessions.message_bytes", func(c *Config) any { return &c.Sessions.MessageBytes }, number(1<<10, 64<<20), "The longest message of a client of /connect"},
	{"sessions.ping", func(c *Config) any { return &c.Sessions.Ping }, duration(time.Second, time.Hour), "Silence after which a client of /connect sends a ping"},
	{"driver", func(c *Config) any { return &c.Driver }, words(driverEngine, driverGoroutine), "What carries WebSockets"},
	{"compression", func(c *Config) any { return &c.Compression }, anything, "Accept permessage-deflate on WebSockets"},
	{"heartbeat", func(c *Config) any { return &c.Heartbeat }, duration(time.Second, time.Hour), "Silence after which a stream shows that it is alive"},
	{"keepalive_timeout", func(c *Config) any { return &c.KeepaliveTimeout }, duration(time.Second, 24*time.Hour), "How long a connection is kept for another request"},
	{"drain_delay", func(c *Config) any { return &c.DrainDelay }, duration(0, time.Hour), "When stopping, how long to go on while /readyz says 503"},
	{"drain_timeout", func(c *Config) any { return &c.DrainTimeout }, duration(time.Millisecond, time.Hour), "How long to wait for connections to end when stopping"},
	{"pid_file", func(c *Config) any { return &c.PIDFile }, path, "File that has the ID of the process that serves"},
	{"log.format", func(c *Config) any { return &c.Log.Format }, words("text", "json"), "Form of the log on standard error"},
	{"log.level", func(c *Config) any { return &c.Log.Level }, words("debug", "info", "warn", "error"), "The least important lines that are logged"},
	{"tracing.endpoint", func(c *Config) any { return &c.Tracing.Endpoint }, text(checkURL), "Where traces go, with OTLP over HTTP"},
	{"tracing.sample", func(c *Config) any { return &c.Tracing.Sample }, fraction(0, 1), "The part of traces that are recorded"},
	{"tracing.service", func(c *Config) any { return &c.Tracing.Service }, text(checkSomething), "The name of this server in traces"},
})

var tokenSettings = table([]row[TokenIssuer]{
	{"secret", func(t *TokenIssuer) any { return &t.Secret }, secret, "Secret shared with the issuer, as env:NAME or file:PATH"},
	{"key", func(t *TokenIssuer) any { return &t.Key }, secret, "The issuer's public key or certificate in PEM, as file:PATH or env:NAME"},
	{"jwks", func(t *TokenIssuer) any { return &t.JWKS }, rule{check: checkText(checkJWKS), isFileReference: true}, "Set of keys: https://… or file:PATH"},
	{"issuer", func(t *TokenIssuer) any { return &t.Issuer }, text(checkSomething), "What iss has to be"},
	{"audience", func(t *TokenIssuer) any { return &t.Audience }, text(checkSomething), "What aud has to contain"},
	{"cookie", func(t *TokenIssuer) any { return &t.Cookie }, text(checkCookie), "The cookie that may have the token"},
	{"algorithms", func(t *TokenIssuer) any { return &t.Algorithms }, words(identity.Algorithms()...), "Algorithms that are accepted"},
	{"allow_without_exp", func(t *TokenIssuer) any { return &t.AllowWithoutExp }, anything, "Accept tokens that never expire"},
})

var keySettings = table([]row[BackendKey]{
	{"name", func(k *BackendKey) any { return &k.Name }, needed(text(checkKeyName)), "What the key is called in logs and lists"},
	{"hash", func(k *BackendKey) any { return &k.Hash }, hash, "sha256: and 64 hexadecimal digits, as godwit key new prints it"},
	{"grants", func(k *BackendKey) any { return &k.Grants }, needed(anything), "What the key may do: patterns for each action"},
})

var appSettings = table([]row[App]{
	{"id", func(a *App) any { return &a.ID }, needed(anything), "In the URLs of back ends, and in counts"},
	{"key", func(a *App) any { return &a.Key }, needed(anything), "What clients show; it is no secret"},
	{"secret", func(a *App) any { return &a.Secret }, needed(secret), "With which the application signs, as env:NAME or file:PATH"},
	{"prefix", func(a *App) any { return &a.Prefix }, anything, "Begins the names of the app's channels and users, such as shop/"},
	{"enabled", func(a *App) any { return &a.Enabled }, anything, "Let clients and back ends of the app in"},
	{"client_events", func(a *App) any { return &a.ClientEvents }, anything, "Pusher: clients publish in private and presence channels"},
	{"subscription_counts", func(a *App) any { return &a.SubscriptionCounts }, anything, "Pusher: clients are told how many are subscribed"},
	{"watchlist", func(a *App) any { return &a.Watchlist }, anything, "Pusher: clients are told which of some users are online"},
	{"require_jwt", func(a *App) any { return &a.RequireJWT }, anything, "PieSocket: every channel needs a token"},
	{"open_presence", func(a *App) any { return &a.OpenPresence }, anything, "PieSocket: a channel that begins with presence- needs no token"},
	{"webhooks", func(a *App) any { return &a.Webhooks }, sections(appWebhookSettings), "Told what happens in the app's channels, as Pusher does"},
	{"limits.connections", func(a *App) any { return &a.Limits.Connections }, number(1, 10_000_000), "Connections of clients"},
	{"limits.publications_per_second", func(a *App) any { return &a.Limits.PublicationsPerSecond }, number(1, 10_000_000), "Publications of clients and back ends"},
	{"limits.client_events_per_second", func(a *App) any { return &a.Limits.ClientEventsPerSecond }, number(1, 10_000), "Pusher: publications of one connection"},
	{"limits.publication_bytes", func(a *App) any { return &a.Limits.PublicationBytes }, number(1, 64<<20), "The longest payload"},
	{"limits.members", func(a *App) any { return &a.Limits.Members }, number(1, 10_000), "Pusher: users in a presence channel"},
})

var socketIORules = table([]row[SocketIORule]{
	{"event", func(r *SocketIORule) any { return &r.Event }, needed(text(checkSomething)), "The name of the event"},
	{"subscribe", func(r *SocketIORule) any { return &r.Subscribe }, number(0, 9), "Argument that names the room to join, from 0"},
	{"unsubscribe", func(r *SocketIORule) any { return &r.Unsubscribe }, number(0, 9), "Argument that names the room to leave, from 0"},
	{"publish", func(r *SocketIORule) any { return &r.Publish }, number(0, 9), "Argument that names the room it goes to, from 0"},
})

var appWebhookSettings = table([]row[AppWebhook]{
	{"url", func(h *AppWebhook) any { return &h.URL }, needed(text(checkHookURL)), "Where it is told"},
	{"events", func(h *AppWebhook) any { return &h.Events }, words(app.WebhookEvents()...), "Events that are told"},
})

var channelSettings = table([]row[ChannelPolicy]{
	{"match", func(p *ChannelPolicy) any { return &p.Match }, needed(channelPattern), "Pattern of the channels that this is about"},
	{"history.count", func(p *ChannelPolicy) any { return &p.History.Count }, number(0, 10_000_000), "Publications that a channel remembers"},
	{"history.age", func(p *ChannelPolicy) any { return &p.History.Age }, duration(time.Millisecond, 10*365*24*time.Hour), "How long a channel remembers a publication"},
	{"last_value", func(p *ChannelPolicy) any { return &p.LastValue }, anything, "A subscriber gets the newest publication first"},
	{"presence", func(p *ChannelPolicy) any { return &p.Presence }, anything, "Who is subscribed can be asked"},
	{"joins", func(p *ChannelPolicy) any { return &p.Joins }, joinsRule, "How long joins and leaves are collected before those who watch are told, or off"},
	{"allow", func(p *ChannelPolicy) any { return &p.Allow }, actionList, "Actions that need no grant"},
	{"publication_bytes", func(p *ChannelPolicy) any { return &p.PublicationBytes }, number(1, 64<<20), "The longest payload"},
	{"rates.session", func(p *ChannelPolicy) any { return &p.Rates.Session }, fraction(0.001, 1_000_000), "Publications per second of one session"},
	{"rates.channel", func(p *ChannelPolicy) any { return &p.Rates.Channel }, fraction(0.001, 1_000_000), "Publications per second of all together"},
	{"idempotency", func(p *ChannelPolicy) any { return &p.Idempotency }, duration(time.Second, 24*time.Hour), "How long an idempotency key is remembered"},
	{"slow", func(p *ChannelPolicy) any { return &p.Slow }, words(slowPolicies()...), "What becomes of publications for a client that is slower than they come"},
	{"rate", func(p *ChannelPolicy) any { return &p.Rate }, number(0, 1_000_000), "Publications a second for one subscriber, the newest of each key; 0 is no maximum"},
	{"key", func(p *ChannelPolicy) any { return &p.Key }, text(checkKeyPointer), "JSON pointer to the key of a publication that has none of its own"},
})

// settingIn returns the setting of rows that key means.
func settingIn(rows []setting, key string) (setting, bool) {
	i := slices.IndexFunc(rows, func(s setting) bool { return s.key == key })
	if i < 0 {
		return setting{}, false
	}
	return rows[i], true
}

// keysIn lists the names valid in rows below section, in the order of the table.
func keysIn(rows []setting, section string) []string {
	var keys []string
	for _, s := range rows {
		rest := s.key
		if section != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(s.key, section+"."); !ok {
				continue
			}
		}
		name, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(keys, name) {
			keys = append(keys, name)
		}
	}
	return keys
}

// join is the key of name below section; either may be empty.
func join(section, name string) string {
	if section == "" || name == "" {
		return section + name
	}
	return section + "." + name
}

// envName is the variable of a key.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func (s setting) env() string { return envName(s.key) }
