package pusher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// OptionError says that an option cannot be as it is: a mistake of the program.
type OptionError = driver.OptionError

// NoLimit, as any number or duration among the Options, means that there is no limit.
const NoLimit = driver.NoLimit

// The defaults of Options.
const (
	DefaultActivityTimeout = 120 * time.Second
	DefaultBodyBytesMax    = 1 << 20
	DefaultCacheAge        = hub.DefaultRetentionAge

	DefaultWebhookDelay     = 3 * time.Second
	DefaultWebhookRetry     = 5 * time.Minute
	DefaultWebhookTimeout   = 10 * time.Second
	DefaultWebhookEventsMax = 10_000
	DefaultWebhookBytesMax  = 16 << 20
)

// The protocol's values where an app has none.
const publicationBytesMax = 10 << 10

// Options configures a Server. Hub and Apps are needed. The zero value of every other
// field means its default, and a negative number is refused.
type Options struct {
	Hub  *hub.Hub
	Apps *app.Apps

	// Prefix is what all paths may begin with besides, such as "/ws": what clients call
	// wsPath. It begins with a slash and ends without one. Default: none.
	Prefix string

	// ActivityTimeout is the silence after which clients ping, as they are told, in whole
	// seconds. The server pings a client that was silent for 30 seconds more, and ends
	// the connection when that goes unanswered for 30 seconds. Default 120 s.
	ActivityTimeout time.Duration

	// BodyBytesMax is the longest body of a request of the HTTP API. Default 1 MiB.
	BodyBytesMax int

	// CacheAge is how long the newest event of a cache channel is kept, as back ends are
	// told: what the history of such channels keeps. Default 10 minutes.
	CacheAge time.Duration

	// Development, if not nil, returns the ID of an app for which anybody may ask the server
	// to sign, "" for none: /pusher/auth and /pusher/user-auth are an application's endpoints
	// then. It is for trying things out on a loopback server. Default: none.
	Development func() string

	// NoFallback leaves clients without a WebSocket unserved.
	NoFallback bool

	// Origins admits pages of other origins to the fallback transports and to what
	// Development serves. Nil allows the same origin only. It is to be that of the
	// Transport, which decides about WebSockets.
	Origins *handshake.Origins

	// Webhooks says how webhooks are sent.
	Webhooks Webhooks

	// ChannelsElsewhere returns the channels of the hub with subscribers through other servers whose
	// names begin with a prefix; it may wait, and does what it can. Default: there are no others.
	ChannelsElsewhere func(ctx context.Context, prefix string) []string

	// Terminated tells all other servers that the connections of a user are ended: they call
	// Server.Terminate. Default: there are none.
	Terminated func(key, user string)

	// Now is the clock that signatures are checked by. Default time.Now.
	Now func() time.Time

	// Logger gets webhooks that fail (Warn). Default slog.Default.
	Logger *slog.Logger

	// disconnectDelay is how long a session of the fallback transports lives between two requests.
	// Tests shorten it. Default: that of package sockjs.
	disconnectDelay time.Duration
}

// Webhooks says how webhooks are sent. What they are about and where they go is up to each
// app.
type Webhooks struct {
	// Delay is how long a channel has to be without subscribers, and a member gone, until
	// an application is told. A member that is back by then was never away. Default 3 s.
	Delay time.Duration

	// Retry is for how long an event is worth trying to send, with pauses that double
	// from one second to one minute. Default 5 minutes.
	Retry time.Duration

	// Timeout is for one request. Default 10 s.
	Timeout time.Duration

	// EventsMax and BytesMax bound the events that wait for one URL. An event that comes
	// when that is full is lost, and said in the log. Defaults 10,000 and 16 MiB.
	EventsMax int
	BytesMax  int

	// AllowPrivate lets requests go to addresses that are not of the public internet.
	// Default: not, or the configuration of an app could have the server ask addresses
	// that nobody else can reach.
	AllowPrivate bool

	// Wrap, if not nil, is put around what sends requests.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// withDefaults returns a copy of o with its defaults filled in, or an error that wraps an
// *OptionError.
func (o Options) withDefaults() (Options, error) {
	if o.Hub == nil || o.Apps == nil {
		return Options{}, errors.New("pusher: a Server needs a Hub and Apps")
	}
	w := &o.Webhooks
	err := cmp.Or(
		driver.Resolve("ActivityTimeout", &o.ActivityTimeout, DefaultActivityTimeout),
		driver.Resolve("BodyBytesMax", &o.BodyBytesMax, DefaultBodyBytesMax),
		driver.Resolve("CacheAge", &o.CacheAge, DefaultCacheAge),
		driver.Resolve("Webhooks.Delay", &w.Delay, DefaultWebhookDelay),
		driver.Resolve("Webhooks.Retry", &w.Retry, DefaultWebhookRetry),
		driver.Resolve("Webhooks.Timeout", &w.Timeout, DefaultWebhookTimeout),
		driver.Resolve("Webhooks.EventsMax", &w.EventsMax, DefaultWebhookEventsMax),
		driver.Resolve("Webhooks.BytesMax", &w.BytesMax, DefaultWebhookBytesMax),
	)
	if err == nil && o.ActivityTimeout < time.Second {
		err = &OptionError{Option: "ActivityTimeout", Reason: "clients are told whole seconds, and take 0 for a mistake; write a second or more"}
	}
	if p := o.Prefix; err == nil && p != "" && (p[0] != '/' || p[len(p)-1] == '/') {
		err = &OptionError{Option: "Prefix", Reason: fmt.Sprintf("%.64q does not begin with a slash and end without one; write for example /ws", p)}
	}
	if err != nil {
		return Options{}, fmt.Errorf("pusher: %w", err)
	}
	if o.Development == nil {
		o.Development = func() string { return "" }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}
