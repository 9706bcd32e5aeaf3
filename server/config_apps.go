package server

import (
	"errors"
	"fmt"
	"slices"

	"github.com/godwit-io/godwit/compat/app"
)

// App is a tenant, whose keys clients of Pusher and PieSocket show (apps). Everything
// that is done with its key is confined to its Prefix.
type App struct {
	ID     string // in the URLs of back ends
	Key    string // that clients show; it is no secret
	Secret Secret // with which the application signs

	// Prefix begins the names of the app's channels and users: empty, or whole segments
	// such as "shop/". Two apps have no channel in common.
	Prefix string

	Enabled *bool // default true

	ClientEvents       bool // Pusher: clients publish in private and presence channels
	SubscriptionCounts bool // Pusher: they are told how many are subscribed
	Watchlist          bool // Pusher: they are told which of some users are online
	RequireJWT         bool // PieSocket: every channel needs a token
	OpenPresence       bool // PieSocket: channels that begin with presence- need none

	Webhooks []AppWebhook
	Limits   AppLimits
}

// AppWebhook is a URL that is told what happens in the channels of an app, as Pusher does.
type AppWebhook struct {
	URL    string
	Events []string // of app.WebhookEvents, default all
}

// AppLimits bound what an app may do. Zero is the default.
type AppLimits struct {
	Connections           int // default limits.connections
	PublicationsPerSecond int // of clients and back ends, default 100,000
	ClientEventsPerSecond int // Pusher: of one connection, default 10
	PublicationBytes      int // default 10 KiB with Pusher, and limits.publication_bytes with PieSocket
	Members               int // Pusher: users in a presence channel, default 100
}

// SocketIO says how clients of Socket.IO are served (socketio).
type SocketIO struct {
	Enabled *bool // socketio.enabled: default true

	// Main is the channel of the namespace "/" (socketio.main). Default "main".
	Main string

	// Recovery lets clients go on where they were for two minutes after they have lost their
	// connection, with their rooms and what they have missed (socketio.recovery). With it
	// each event has its offset as one more argument, as with the reference server, so it
	// is not the default.
	Recovery bool

	// EIO3 serves clients of version 2, too (socketio.eio3). Default not: its polling has
	// no place for what keeps other pages out.
	EIO3 bool

	// ClientDir is a directory with socket.io.js, for pages that load it from the server
	// (socketio.client_dir). Default none.
	ClientDir string

	// LaravelEcho understands Laravel Echo, with its broadcaster for Socket.IO, in the
	// namespace "/" (socketio.laravel_echo). Default not.
	LaravelEcho bool

	// Rules say which events join and leave rooms, and go to them (socketio.rules). Default
	// none: an event is a publication in the channel of its namespace.
	Rules []SocketIORule

	// BackendEvents are the events that Hooks.SocketIO is given, by name or by the beginning
	// of one before a "*" (socketio.backend_events); they are not published. BackendConnect
	// has it asked about each client that joins a namespace (socketio.backend_connect).
	// Default: it is given and asked nothing.
	BackendEvents  []string
	BackendConnect bool
}

// SocketIORule is what an event of a client does instead of being published. Exactly one
// of Subscribe, Unsubscribe and Publish is set: which argument, from 0, names the room.
type SocketIORule struct {
	Event       string
	Subscribe   *int
	Unsubscribe *int
	Publish     *int
}

// SockJS says how clients of SockJS are served (sockjs).
type SockJS struct {
	Enabled *bool // sockjs.enabled: default true

	// JSONP and HTMLFile are transports for browsers that know nothing better
	// (sockjs.jsonp, sockjs.htmlfile). Default not: they are scripts that any page can
	// include.
	JSONP    bool
	HTMLFile bool

	// ClientURL is where the client's script is, for its page in an iframe
	// (sockjs.client_url). Default none, and no such page.
	ClientURL string
}

// Pusher says how clients of Pusher Channels are served (pusher).
type Pusher struct {
	Enabled *bool // pusher.enabled: default true, where there are apps

	// PathPrefix is what all paths may begin with besides: what clients call wsPath
	// (pusher.path_prefix). Default none.
	PathPrefix string

	// Fallback serves clients over HTTP where they cannot have a WebSocket
	// (pusher.fallback). Default true.
	Fallback *bool
}

// PieSocket says how clients of PieSocket are served (piesocket).
type PieSocket struct {
	Enabled *bool // piesocket.enabled: default true, where there are apps
}

// isOn is a switch that is on by default.
func isOn(b *bool) bool { return b == nil || *b }

// appFields are the settings that package app knows by other names.
var appFields = map[string]string{
	"ID": "id", "Key": "key", "Secret": "secret", "Prefix": "prefix", "Webhooks": "webhooks",
	"ConnectionsMax": "limits.connections", "PublicationsPerSecond": "limits.publications_per_second",
	"ClientEventsPerSecond": "limits.client_events_per_second", "PublicationBytesMax": "limits.publication_bytes", "MembersMax": "limits.members",
}

func appFailed(err error) *SettingError {
	var wrong *app.FieldError
	if !errors.As(err, &wrong) {
		return failed("apps", err)
	}
	return failed(fmt.Sprintf("apps[%d].%s", wrong.Index, appFields[wrong.Field]), errors.New(wrong.Problem))
}

// checkApps reports what is wrong with apps but for their secrets, which have not been
// looked up.
func (c *Config) checkApps(report func(key, text string)) {
	stated := make([]app.App, len(c.Apps))
	for i := range c.Apps {
		stated[i] = c.Apps[i].state(&c.Limits)
		if !c.Apps[i].Secret.IsZero() {
			stated[i].Secret = make([]byte, app.SecretBytesMin)
		}
		if n := c.Apps[i].Limits.PublicationBytes; n > c.Limits.PublicationBytes {
			report(fmt.Sprintf("apps[%d].limits.publication_bytes", i), fmt.Sprintf("%d is more than limits.publication_bytes (%d) lets in", n, c.Limits.PublicationBytes))
		}
	}
	for _, fault := range app.Faults(stated) {
		wrong := appFailed(fault)
		report(wrong.Key, wrong.Text)
	}
}

// state is what package app knows of a, but for its secret.
func (a *App) state(limits *Limits) app.App {
	stated := app.App{
		ID: a.ID, Key: a.Key, Prefix: a.Prefix, Disabled: !isOn(a.Enabled),
		ClientEvents: a.ClientEvents, SubscriptionCounts: a.SubscriptionCounts, Watchlist: a.Watchlist, RequireJWT: a.RequireJWT, OpenPresence: a.OpenPresence,
		ConnectionsMax: a.Limits.Connections, PublicationsPerSecond: a.Limits.PublicationsPerSecond,
		ClientEventsPerSecond: a.Limits.ClientEventsPerSecond, PublicationBytesMax: a.Limits.PublicationBytes, MembersMax: a.Limits.Members,
	}
	if stated.ConnectionsMax == 0 {
		stated.ConnectionsMax = limits.Connections
	}
	for _, hook := range a.Webhooks {
		stated.Webhooks = append(stated.Webhooks, app.Webhook{URL: hook.URL, Events: hook.Events})
	}
	return stated
}

// resolveApps are the apps of c with their secrets. The error is a *SettingError.
func (c *Config) resolveApps() ([]app.App, error) {
	apps := make([]app.App, len(c.Apps))
	for i := range c.Apps {
		apps[i] = c.Apps[i].state(&c.Limits)
		secret, err := c.Apps[i].Secret.Resolve()
		if err != nil {
			return nil, failed(fmt.Sprintf("apps[%d].secret", i), err)
		}
		apps[i].Secret = secret
	}
	if err := app.Check(apps); err != nil {
		return nil, appFailed(err)
	}
	return apps, nil
}

// The app that a loopback server has without configuration, so that a client can be tried
// at once.
const (
	DevelopmentAppID     = "app"
	DevelopmentAppKey    = "app-key"
	DevelopmentAppSecret = "app-secret"
)

func developmentApp(limits *Limits) app.App {
	return app.App{
		ID: DevelopmentAppID, Key: DevelopmentAppKey, Secret: []byte(DevelopmentAppSecret),
		ClientEvents: true, Watchlist: true, OpenPresence: true, ConnectionsMax: limits.Connections,
	}
}

// check reports which rules are none.
func (s *SocketIO) check(h *SocketIOHook, report func(key, text string)) {
	if (s.BackendConnect || len(s.BackendEvents) > 0) && h.URL == "" {
		report("hooks.socketio.url", "it is needed for socketio.backend_events and socketio.backend_connect: who is asked?")
	}
	var events []string
	for i, r := range s.Rules {
		key := fmt.Sprintf("socketio.rules[%d]", i)
		set := 0
		for _, index := range []*int{r.Subscribe, r.Unsubscribe, r.Publish} {
			if index != nil {
				set++
			}
		}
		switch {
		case r.Event == "":
			report(key, "event is needed: which event is it about?")
		case slices.Contains(events, r.Event):
			report(key+".event", fmt.Sprintf("%q has a rule already, and an event means one thing", r.Event))
		case set != 1:
			report(key, "one of subscribe, unsubscribe and publish is needed: the number of the argument that names the room, from 0")
		}
		events = append(events, r.Event)
	}
}
