package app

import (
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/option"
)

// NoLimit, as a limit of an App, means that it has none of its own. Those of the server
// hold anyway.
const NoLimit = option.NoLimit

// App is a tenant: what its clients and back ends may do, and in which channels. It is
// not modified once Apps has it.
//
// Everything that is done with its key is confined to Prefix, so that the customers of
// one server do not see each other.
type App struct {
	// ID is in the URLs of back ends (/apps/ID/events), and what counts are kept by.
	// Key is in the paths of clients (/app/KEY); everybody may know it. Both are needed:
	// letters, digits, "-", "_" and ".", at most NameBytesMax.
	ID  string
	Key string

	// Secret signs what the application vouches for. It is needed, of at least
	// SecretBytesMin bytes.
	Secret Secret

	// Prefix begins the name of each of the app's channels and users. It is empty for an
	// app that is alone, or whole segments such as "shop/", at most PrefixBytesMax. No
	// prefix may begin another app's.
	Prefix string

	// Disabled refuses clients and back ends, without forgetting the app.
	Disabled bool

	ClientEvents       bool // clients may publish in private and presence channels of Pusher
	SubscriptionCounts bool // they are told how many are subscribed
	Watchlist          bool // they are told which of the users they name are online
	RequireJWT         bool // every channel of PieSocket needs a token, not only closed ones
	OpenPresence       bool // presence channels of PieSocket need no token, although Pusher's need a signature

	// Webhooks are told of events in the app's channels.
	Webhooks []Webhook

	// ConnectionsMax bounds the connections of clients. Default 10,000.
	ConnectionsMax int

	// PublicationsPerSecond bounds what clients and back ends publish; as much as a
	// second's may come at once. Default 100,000.
	PublicationsPerSecond int

	// ClientEventsPerSecond bounds what one connection publishes. Default 10, as with
	// Pusher.
	ClientEventsPerSecond int

	// PublicationBytesMax is the longest payload. 0 is what the protocol has: 10 KiB with
	// Pusher, and that of the hub with PieSocket. See PublicationBytes.
	PublicationBytesMax int

	// MembersMax bounds the users in a presence channel of Pusher. Default 100.
	MembersMax int

	state *state
}

// Webhook is a URL that is told of events by a signed POST.
type Webhook struct {
	URL    string
	Events []string // of WebhookEvents; none is all of them
}

// Defaults and bounds of an App.
const (
	DefaultConnectionsMax        = 10_000
	DefaultPublicationsPerSecond = 100_000
	DefaultClientEventsPerSecond = 10
	DefaultMembersMax            = 100

	NameBytesMax   = 64
	SecretBytesMin = 10
	WebhooksMax    = 16

	// PrefixBytesMax leaves 200 bytes of a channel's name to the app, which is what
	// Pusher's libraries allow.
	PrefixBytesMax = 55
)

// WebhookEvents are the events that a Webhook can be told of.
func WebhookEvents() []string {
	return []string{"channel_occupied", "channel_vacated", "member_added", "member_removed", "client_event", "cache_miss", "subscription_count"}
}

// Channel is the channel that the app's clients call name. Whether it is the name of
// one is for hub.CheckChannel to say.
func (a *App) Channel(name string) string { return a.Prefix + name }

// Name is what the app's clients call channel. ok is false for a channel of others.
func (a *App) Name(channel string) (name string, ok bool) {
	name, ok = strings.CutPrefix(channel, a.Prefix)
	return name, ok && name != ""
}

// User is the user that the app's clients call name. Nobody has no name anywhere.
func (a *App) User(name string) string {
	if name == "" {
		return ""
	}
	return a.Prefix + name
}

// UserName is what the app's clients call user, "" for one of others.
func (a *App) UserName(user string) string {
	name, ok := strings.CutPrefix(user, a.Prefix)
	if !ok {
		return ""
	}
	return name
}

// PublicationBytes is PublicationBytesMax, or fallback for an app that has none.
func (a *App) PublicationBytes(fallback int) int {
	if a.PublicationBytesMax == 0 {
		return fallback
	}
	return a.PublicationBytesMax
}

// Enter counts a connection, unless there are ConnectionsMax. What has entered is to
// Leave once. It is safe for concurrent use, as are the other methods that count. They
// need an App of Apps.
func (a *App) Enter() bool {
	for {
		n := a.state.connections.Load()
		if n >= int64(a.ConnectionsMax) {
			a.state.refused.Add(1)
			return false
		}
		if a.state.connections.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Leave takes a connection from the count. It panics if nobody has entered.
func (a *App) Leave() {
	if a.state.connections.Add(-1) < 0 {
		panic("app: a Leave without its Enter")
	}
}

// AllowPublication counts a publication at the moment now, unless there have been
// PublicationsPerSecond. Then retryAfter, which is more than 0, is when one more may
// come.
func (a *App) AllowPublication(now time.Time) (ok bool, retryAfter time.Duration) {
	ok, retryAfter = a.state.rate.Allow(now, rateOf(a.PublicationsPerSecond))
	if ok {
		a.state.published.Add(1)
	} else {
		a.state.limited.Add(1)
	}
	return ok, retryAfter
}

// Delivered counts n publications that were given to clients. A connection counts many
// at once rather than each: all connections share the count.
func (a *App) Delivered(n int) { a.state.delivered.Add(int64(n)) }

// Stats are the counts of an app since the server began, over all reloads.
type Stats struct {
	Connections int // there are now
	Refused     int // because there were ConnectionsMax
	Published   int // publications of clients and back ends
	Limited     int // publications refused because of PublicationsPerSecond
	Delivered   int // publications to clients, each of them counted
}

// Stats returns the app's counts.
func (a *App) Stats() Stats {
	s := a.state
	return Stats{
		Connections: int(s.connections.Load()), Refused: int(s.refused.Load()),
		Published: int(s.published.Load()), Limited: int(s.limited.Load()), Delivered: int(s.delivered.Load()),
	}
}

// String is the ID.
func (a *App) String() string { return "app " + a.ID }
