package protocol

import (
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/transport/dialect"
)

// App holds the settings of the sockets of an app. It is neither modified nor copied once a Socket
// may see it, and its fields are resolved: zero is zero.
type App struct {
	Key    string
	Secret string
	Forms  *Forms // of the app's space

	ClientEvents       bool // clients may publish in private and presence channels
	SubscriptionCounts bool // they are told how many are subscribed
	Watchlist          bool // they are told which users of their watchlist are online

	ActivityTimeout       time.Duration // the silence after which clients ping
	MembersMax            int           // users in a presence channel
	ClientEventBytesMax   int           // of the data of a client event
	ClientEventsPerSecond int           // of one connection

	Meter    Meter    // counts events
	Listener Listener // nil if nobody wants to know

	// Describe returns the failure that tells a client of an error of the hub.
	Describe func(error) dialect.Failure

	nobody atomic.Pointer[access.Identity] // shared by all clients that have not signed in
}

// Meter counts the acts of the sockets of an app. Its methods are safe for concurrent use
// and do not block.
type Meter interface {
	// Enter counts a connection, if there may be one more. Leave takes it back.
	Enter() bool
	Leave()

	// AllowPublication counts a publication, if there may be one more at the moment now.
	AllowPublication(now time.Time) (ok bool, retryAfter time.Duration)

	// Delivered counts publications that were given to clients.
	Delivered(n int)
}

// Listener is told what webhooks tell, as far as only a Socket knows it. Its methods are
// safe for concurrent use and do not block; what they are given is theirs.
type Listener interface {
	// ClientEvent tells of an event that a client has published. user is its ID in a
	// presence channel, else "".
	ClientEvent(channel, event string, data []byte, socket, user string)

	// CacheMiss tells that a cache channel had nothing for a new subscriber.
	CacheMiss(channel string)
}

// Source is where a Socket finds its app.
type Source interface {
	// App is the app as it is configured now, nil if it is there no more.
	App() *App
}

// identity returns the identity of a client of an app in a channel of the hub: with
// whatever a signature of the application is worth there. user is "" for a client
// without a name.
func (a *App) identity(user string, info []byte, actions map[string][]string) *access.Identity {
	grants, err := access.ParseGrants(actions)
	if err != nil {
		grants = access.Grants{} // a name that no grant can have is granted nothing
	}
	id := &access.Identity{Kind: access.Application, Name: a.Key, Info: info, Grants: grants}
	if user != "" {
		id.User = a.Forms.space.User(user)
	}
	return id
}

// client is the identity of a client with the app's key, which has perhaps signed in:
// it may have the app's public channels. No wildcard stands for a closed channel.
func (a *App) client(user string, info []byte) *access.Identity {
	if user == "" {
		if known := a.nobody.Load(); known != nil {
			return known
		}
	}
	id := a.identity(user, info, map[string][]string{access.Subscribe.String(): {a.Forms.space.prefix + "*"}})
	if user == "" {
		a.nobody.Store(id)
	}
	return id
}

// holder is the identity of a client that has shown a signature for a channel of the hub.
func (a *App) holder(channel string, traits Traits, user string, info []byte) *access.Identity {
	actions := map[string][]string{access.Subscribe.String(): {channel}}
	if traits.Has(Presence) {
		actions[access.Presence.String()] = []string{channel}
	}
	if a.ClientEvents {
		actions[access.Publish.String()] = []string{channel}
	}
	return a.identity(user, info, actions)
}
