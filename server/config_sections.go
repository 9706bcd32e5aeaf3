package server

import (
	"time"

	"github.com/godwit-io/godwit/access"
)

// Admin says where the pages of operators are.
type Admin struct {
	// Listen are addresses like Config.Listen (admin.listen). Metrics, profiles and
	// the server API are served there and not at the main addresses any more.
	// Default none: metrics and the API are beside the channels.
	Listen []string
}

// Values of Config.Sync.
const (
	SyncAlways   = "always"
	SyncInterval = "interval"
)

// Broker says what keeps histories and connects nodes. The zero value is this process
// alone.
type Broker struct {
	// URL are the servers of a broker (broker.url): nats:// or tls:// for NATS JetStream,
	// redis:// or rediss:// for Redis and Valkey; several are those of one cluster. They may
	// have a user and a password, and be references, such as env:NATS_URL.
	URL []Secret

	User     string // broker.user: if the URL has none
	Password Secret // broker.password: of User, or of nobody

	TLS BrokerTLS

	// NATS is for a broker of that kind.
	NATS BrokerNATS

	// Away is how long the broker may be away before /readyz says so (broker.away).
	// Subscribers stay meanwhile, and are told that they are behind. Default 10 s.
	Away time.Duration
}

// IsOn reports whether there is one outside of this process.
func (b *Broker) IsOn() bool { return len(b.URL) > 0 }

// BrokerTLS is how the broker is verified, and convinced. The zero value trusts the
// authorities of the system and shows no certificate.
type BrokerTLS struct {
	CA   string // broker.tls.ca: a PEM file with the authorities that are trusted instead
	Cert string // broker.tls.cert: a PEM file with the certificate that is shown
	Key  string // broker.tls.key: a PEM file with its private key
}

// BrokerNATS is how NATS JetStream is used. The zero value is for a server or a cluster that
// has nothing else to do.
type BrokerNATS struct {
	// Credentials is a .creds file (broker.nats.credentials), read with every connection.
	Credentials string

	// Replicas is how many servers keep each publication (broker.nats.replicas), at most
	// 5. Default 3 in a cluster, and 1 for a server alone.
	Replicas int

	// Storage is where they keep it (broker.nats.storage): "memory" or "file". It is about a
	// stream that does not exist yet. Default memory.
	Storage string

	// Prefix begins all subjects (broker.nats.prefix). Servers with the same are one
	// cluster. Default gw.
	Prefix string
}

// Cluster says how this node appears to the others that use the same broker.
type Cluster struct {
	// Name is what people call this node (cluster.name). Default the name of the machine.
	Name string

	// Listen is the address at which other nodes hand on requests of clients whose sessions
	// are here (cluster.listen), host:port. Default a free port of the address from which the broker is
	// reached.
	Listen string

	// Advertise is how other nodes reach Listen, host:port (cluster.advertise). Default
	// the address that was bound.
	Advertise string

	// TLS is how nodes know each other at Listen.
	TLS ClusterTLS
}

// ClusterTLS is how nodes prove to each other that they are some. The zero value is no TLS. All three
// files go together, are PEM, and are read again when they change.
type ClusterTLS struct {
	Cert string // cluster.tls.cert: this node's certificate, for the host of Advertise, for servers and clients
	Key  string // cluster.tls.key: its private key
	CA   string // cluster.tls.ca: the authorities that those of all nodes are of
}

// TLS says with which certificate the server answers. The zero value is no TLS.
// Cert and Key belong together, and exclude ACME.
type TLS struct {
	Cert string // tls.cert: a PEM file, the server's certificate first
	Key  string // tls.key: a PEM file, the private key
	ACME ACME
}

// IsOn reports whether there is TLS.
func (t *TLS) IsOn() bool { return t.Cert != "" || len(t.ACME.Domains) > 0 }

// ACME gets certificates from an authority, and new ones before they expire.
type ACME struct {
	Domains   []string // tls.acme.domains: the names to get certificates for
	Email     string   // tls.acme.email: where the authority writes to; may be empty
	Directory string   // tls.acme.directory: default DefaultACMEDirectory
	Storage   string   // tls.acme.storage: a directory that stays, for keys and certificates; needed
	HTTP      string   // tls.acme.http: where HTTP-01 is answered, default ":80"
}

// TokenIssuer is somebody whose tokens are accepted. Exactly one of Secret, Key and
// JWKS is set.
type TokenIssuer struct {
	Secret Secret // shared with the issuer, for HS256, HS384 and HS512
	Key    Secret // the issuer's public key or certificate, as PEM
	JWKS   string // a set of keys: https://… or file:PATH

	Issuer   string // what iss has to be; empty for anything
	Audience string // what aud has to contain; empty for anything
	Cookie   string // the cookie that may have the token; empty for none

	// Algorithms are those that are accepted. Default: all that the key is for.
	Algorithms []string

	AllowWithoutExp bool // accept a token that never expires
}

// BackendKey is the key of a back end, of which only a hash is known.
type BackendKey struct {
	Name   string
	Hash   string // "sha256:" and 64 hexadecimal digits
	Grants access.Grants
}

// ChannelPolicy is how the channels behave that Match matches. The zero value of
// every other field means: as for all channels.
type ChannelPolicy struct {
	Match   access.Pattern // has no {user}
	History History

	LastValue *bool // a subscriber gets the newest publication first; default not
	Presence  *bool // the members can be asked for; default yes
	Joins     Joins // for how long joins and leaves are collected, or JoinsOff

	// Allow are the actions that need no grant.
	Allow []access.Action

	PublicationBytes int // the longest payload, default limits.publication_bytes, which is also the most
	Rates            Rates

	// Idempotency is how long an idempotency key is remembered. Default 5 minutes.
	Idempotency time.Duration

	// Slow is what becomes of publications for a client that is slower than they come:
	// history, disconnect, drop-oldest or conflate, see hub.SlowPolicy. Default history.
	Slow string

	// Rate is how many publications a second a subscriber is given at most, the newest of
	// each key. 0 is no maximum.
	Rate int

	// Key is a JSON pointer to the key of a publication that has none of its own. It needs
	// Rate, or Slow to be conflate.
	Key string
}

// Rates are publications per second. Zero is no rate of the channel's own: those of
// Limits apply anyway.
type Rates struct {
	Session float64 // of one session to the channel
	Channel float64 // of all together to the channel
}

// Hooks say what the application is asked, and told.
type Hooks struct {
	Connect   ConnectHook
	Subscribe ChannelHook
	Publish   ChannelHook
	RPC       RPCHook
	SocketIO  SocketIOHook
	Events    EventsHook

	// Secrets sign what is sent, each of them, so that one can be replaced
	// (hooks.secrets). With any hook, one is needed.
	Secrets []Secret

	// AllowPrivate lets URLs lead to private addresses (hooks.allow_private).
	// Default not, so that no name can lead into the network of the server.
	AllowPrivate bool

	// Concurrency is how many requests may be under way to one URL
	// (hooks.concurrency). Default 64.
	Concurrency int
}

// ConnectHook asks the application for the identity of a client. It is off without a URL.
type ConnectHook struct {
	URL     string        // hooks.connect.url
	Timeout time.Duration // hooks.connect.timeout: after it the client is denied; default 3 s
	Forward []string      // hooks.connect.forward: fields of the client's request that are handed on
}

// ChannelHook asks the application about a subscription or a publication. It is
// off without a URL.
type ChannelHook struct {
	URL      string           // hooks.subscribe.url, hooks.publish.url
	Timeout  time.Duration    // default 3 s
	Channels []access.Pattern // those that are asked about, default all; without {user}
	Forward  []string
}

// RPCHook has the application answer calls of methods. It is off without a URL.
type RPCHook struct {
	URL     string           // hooks.rpc.url
	Timeout time.Duration    // hooks.rpc.timeout: after it the call fails; default 3 s
	Methods []access.Pattern // hooks.rpc.methods: those that are answered, default all; without {user}
}

// SocketIOHook is the application behind clients of Socket.IO, which is given what
// SocketIO.BackendEvents and BackendConnect say. It is off without a URL.
type SocketIOHook struct {
	URL     string        // hooks.socketio.url
	Timeout time.Duration // hooks.socketio.timeout: after it there is no answer; default 3 s
	Forward []string      // hooks.socketio.forward: fields of the handshake that are handed on
}

// EventsHook tells the application what happens. It is off without a URL.
type EventsHook struct {
	URL      string           // hooks.events.url
	Timeout  time.Duration    // hooks.events.timeout: of one attempt, default 15 s
	Channels []access.Pattern // hooks.events.channels: default all; without {user}
	Types    []string         // hooks.events.types: see hooks.EventTypes; default all
	Retry    time.Duration    // hooks.events.retry: how long delivery is tried, default 10 minutes
}

// The forms of Refusals.WebSocket.
const (
	RefuseByClose  = "close"  // the handshake is accepted, then closed with a code and a reason
	RefuseByStatus = "status" // the handshake is answered with the HTTP status
)

// Refusals say how a client learns that it is refused.
type Refusals struct {
	// WebSocket is how a browser is told (refusals.websocket). Default
	// RefuseByClose: a page cannot read the status of a WebSocket that was refused.
	WebSocket string
}

// Tracing says where traces go. It is off without an endpoint.
type Tracing struct {
	Endpoint string   // tracing.endpoint: of OTLP over HTTP, such as http://localhost:4318
	Sample   *float64 // tracing.sample: the part of traces that are recorded, default 0.01; 0 only those that a client has begun
	Service  string   // tracing.service: default godwit
}
