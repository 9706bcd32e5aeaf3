package redisbroker

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/option"
)

// Options says where Redis is. The zero value of every field but URL means its default; a
// negative number is refused with a *hub.OptionError.
type Options struct {
	// URL are the servers: redis://HOST:PORT/DATABASE, or rediss:// for TLS. Several are
	// those of one cluster, or, with ?sentinel_master=NAME, its sentinels. They may have a
	// user and a password, the same in all. See docs/broker-redis.md for parameters.
	URL []string

	User     string // if the URL has none
	Password string // if the URL has none

	// TLS is used with rediss://. Default the authorities of the system. The Broker keeps it.
	TLS *tls.Config

	// IdempotencyWindow is how long the key of a publication is remembered, if its
	// retention does not say. Default 5 minutes.
	IdempotencyWindow time.Duration

	// Log is told when Redis goes and comes. Default slog.Default.
	Log *slog.Logger
}

// DefaultIdempotencyWindow is the default of Options.IdempotencyWindow.
const DefaultIdempotencyWindow = 5 * time.Minute

const (
	// publishTimeout is how long a publication may take, with all attempts of what certainly
	// was not published.
	publishTimeout = 5 * time.Second

	// callTimeout is how long anything else may take that nobody has given a time.
	callTimeout = 5 * time.Second

	// pendingMax and pendingBytesMax bound what has been handed over and has no outcome
	// yet. More is refused at once.
	pendingMax      = 1 << 15
	pendingBytesMax = 64 << 20

	// batchMax and batchBytesMax bound one call of the script that publishes: Redis does
	// nothing else meanwhile, about a millisecond.
	batchMax      = 128
	batchBytesMax = 1 << 20

	// queuedBytesMax bounds what was heard and not delivered yet. A connection is not read
	// beyond it; Redis then keeps some, and at last cuts the connection, after
	// which missing publications are read from histories.
	queuedBytesMax = 64 << 20

	// unsyncedMax is how many publications of a channel wait until its newest position is
	// known. Of more, it is asked once again.
	unsyncedMax = 1000

	// subscribeMax is how many topics one command has, topsMax how many streams one script
	// looks at, pageMax how many publications one reads to repair what was missed.
	subscribeMax = 1000
	topsMax      = 500
	pageMax      = 256

	// streamLife is how long a stream stays after its last publication, beyond its
	// age, so that positions of a quiet channel stay good. It is set again when it was
	// last set longer ago than renewAfter.
	streamLife = 25 * time.Hour
	renewAfter = time.Hour

	// placeUnit is what the position of a channel without a stream is a multiple of, in
	// microseconds, and placeLife how long it is known that nothing was missed since then. A
	// stream stays longer than the sum of the two, so none can have come and gone
	// meanwhile.
	placeUnit = 3600_000_000
	placeLife = 23 * placeUnit

	// watchInterval is how often it is looked at how Redis is, and silenceMax how long a
	// connection may say nothing when it was asked.
	watchInterval = 2 * time.Second
	probeInterval = 5 * time.Second
	silenceMax    = 12 * time.Second

	// silenceTimeout is how long a server may not answer before another connection is tried.
	silenceTimeout = 3 * time.Second

	retryMin = 50 * time.Millisecond
	retryMax = 2 * time.Second
)

// effective returns o with every default filled in.
func (o *Options) effective() (Options, error) {
	var e Options
	if o != nil {
		e = *o
	}
	if e.Log == nil {
		e.Log = slog.Default()
	}
	if wrong := option.Resolve(&e.IdempotencyWindow, DefaultIdempotencyWindow); wrong != "" {
		return e, fmt.Errorf("redisbroker: %w", &hub.OptionError{Option: "IdempotencyWindow", Reason: wrong})
	}
	return e, nil
}

// place is what URLs say.
type place struct {
	addresses      []string
	isTLS          bool
	user, password string
	database       int
	master         string // what the sentinels call it, "" without
	sentinelUser   string
	sentinelPass   string
	prefix         string
}

// URLError says what is wrong with the URL of a server, without showing it.
type URLError struct{ Problem string }

func (e *URLError) Error() string { return "redisbroker: the URL of Redis: " + e.Problem }

const defaultPort = "6379"

// ParseURLs checks URLs of one kind. The error is a *URLError, and shows none of them.
func ParseURLs(urls []string) error {
	_, err := parsePlace(urls)
	return err
}

// parsePlace is what all URLs together say.
func parsePlace(urls []string) (place, error) {
	if len(urls) == 0 {
		return place{}, &URLError{"there is none; write for example redis://localhost:6379"}
	}
	var all place
	for i, text := range urls {
		p, err := parseURL(text)
		if err != nil {
			return place{}, err
		}
		address := p.addresses
		p.addresses = nil
		if i == 0 {
			all = p
		} else if other := all; !sameBesides(other, p) {
			return place{}, &URLError{"several servers are those of one cluster, with the same scheme, user, password, database and parameters"}
		}
		all.addresses = append(all.addresses, address...)
	}
	if len(all.addresses) > 1 && all.database != 0 && all.master == "" {
		return place{}, &URLError{"a cluster has one database, which is 0"}
	}
	return all, nil
}

func sameBesides(a, b place) bool {
	a.addresses, b.addresses = nil, nil
	return a.isTLS == b.isTLS && a.user == b.user && a.password == b.password && a.database == b.database &&
		a.master == b.master && a.sentinelUser == b.sentinelUser && a.sentinelPass == b.sentinelPass && a.prefix == b.prefix
}

// parseURL is what one URL says.
func parseURL(text string) (place, error) {
	fault := func(problem string) (place, error) { return place{}, &URLError{problem} }
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return fault("it has no host; write for example redis://localhost:6379")
	}
	if u.Scheme != "redis" && u.Scheme != "rediss" {
		return fault("its scheme is neither redis nor rediss")
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fault("its port is no number from 1 to 65535")
	}
	p := place{addresses: []string{net.JoinHostPort(u.Hostname(), port)}, isTLS: u.Scheme == "rediss"}
	if u.User != nil {
		p.user = u.User.Username()
		p.password, _ = u.User.Password()
	}
	if path := strings.Trim(u.Path, "/"); path != "" {
		n, err := strconv.ParseUint(path, 10, 31)
		if err != nil {
			return fault("its path is no number of a database, such as /0")
		}
		p.database = int(n)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return fault("its parameters cannot be read")
	}
	for name, values := range query {
		if len(values) > 1 {
			return fault("it has a parameter twice")
		}
		switch value := values[0]; name {
		case "sentinel_master":
			p.master = value
		case "sentinel_user":
			p.sentinelUser = value
		case "sentinel_password":
			p.sentinelPass = value
		case "prefix":
			if problem := prefixProblem(value); problem != "" {
				return fault(problem)
			}
			p.prefix = value
		default:
			return fault("it has a parameter that is none of sentinel_master, sentinel_user, sentinel_password and prefix")
		}
	}
	if p.master == "" && (p.sentinelUser != "" || p.sentinelPass != "") {
		return fault("sentinel_user and sentinel_password need sentinel_master")
	}
	return p, nil
}

func prefixProblem(prefix string) string {
	if prefix == "" || len(prefix) > 32 {
		return "prefix is 1 to 32 letters, digits, - and _"
	}
	for _, c := range []byte(prefix) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return "prefix is 1 to 32 letters, digits, - and _"
		}
	}
	return ""
}

// names are how keys and topics begin: g1, so that nodes of another version of this
// layout never meet.
func (p *place) names() names {
	head := "g1"
	if p.prefix != "" {
		head = p.prefix + ":g1"
	}
	n := names{key: head + ":", topic: head + ":"}
	if p.database != 0 {
		n.topic = head + "." + strconv.Itoa(p.database) + ":" // topics are those of all databases
	}
	return n
}
