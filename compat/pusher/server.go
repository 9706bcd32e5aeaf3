package pusher

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/dialect"
)

// Server serves the clients and back ends of apps. It is the transport.Protocol of its
// WebSockets, and the http.Handler of everything else, see ServesHTTP. All methods are
// safe for concurrent use.
//
//	s, err := pusher.New(pusher.Options{Hub: h, Apps: apps})
//	t, err := transport.New(h, &transport.Options{Protocols: []transport.Protocol{s}})
//	s.Carry(t)
type Server struct {
	o         Options
	transport atomic.Pointer[transport.Transport]
	fallback  *fallback
	tellings  *tellings
	views     atomic.Pointer[view]

	mu    sync.Mutex                 // held by makeView; guards what follows
	forms map[string]*protocol.Forms // by prefix, as long as the server lives
}

// New returns a Server. The error says which option cannot be as it is.
func New(o Options) (*Server, error) {
	resolved, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{o: resolved, forms: make(map[string]*protocol.Forms)}
	s.tellings = newTellings(s)
	if s.fallback, err = newFallback(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Carry sets the Transport by which the hub is reached: it has clients identified, and
// names errors. Call it once, before anything is served.
func (s *Server) Carry(t *transport.Transport) { s.transport.Store(t) }

// Close ends the sessions of the fallback transports and sends what webhooks there still
// are, once and no longer than their timeout. It waits for both.
func (s *Server) Close() error {
	err := s.fallback.Close()
	s.tellings.close()
	return err
}

// describe returns the failure that tells of an error of the hub.
func (s *Server) describe(err error) dialect.Failure {
	if t := s.transport.Load(); t != nil {
		return t.Describe(err)
	}
	return dialect.Failure{Problem: clientproto.ProblemInternal, Detail: "something went wrong"}
}

// The paths, behind Options.Prefix.
const (
	socketPath   = "/app/"
	apiPath      = "/apps/"
	fallbackPath = "/pusher/app/"
	authPath     = "/pusher/auth"
	userAuthPath = "/pusher/user-auth"
)

// Serves implements transport.Protocol: it reports whether WebSockets at a path are the
// Server's.
func (s *Server) Serves(path string) bool {
	return strings.HasPrefix(strings.TrimPrefix(path, s.o.Prefix), socketPath)
}

// ServesHTTP reports whether requests for a path, as it was sent, are the Server's: those
// of ServesBrief and of ServesFallback.
func (s *Server) ServesHTTP(path string) bool { return s.ServesBrief(path) || s.ServesFallback(path) }

// ServesBrief reports whether requests for a path are of the HTTP API, or for signatures of
// the development app. Neither they nor their answers are long, and they have no deadlines
// of their own.
func (s *Server) ServesBrief(path string) bool {
	path = strings.TrimPrefix(path, s.o.Prefix)
	return strings.HasPrefix(path, apiPath) || (path == authPath || path == userAuthPath) && s.o.Development() != ""
}

// ServesFallback reports whether requests for a path are of clients without a WebSocket,
// see Route.
func (s *Server) ServesFallback(path string) bool {
	return !s.o.NoFallback && s.fallback.serves(strings.TrimPrefix(path, s.o.Prefix))
}

// ServeHTTP implements http.Handler, for the paths of ServesHTTP.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	switch own := strings.TrimPrefix(path, s.o.Prefix); {
	case s.ServesFallback(path):
		s.fallback.ServeHTTP(w, r)
	case !s.ServesBrief(path):
		http.NotFound(w, r)
	case strings.HasPrefix(own, apiPath):
		s.serveAPI(w, r, own)
	default:
		s.serveAuth(w, r, own == userAuthPath)
	}
}

// Open implements transport.Protocol. A fault is told on the connection that was asked
// for: no page is shown why a handshake was refused.
func (s *Server) Open(r *transport.Request) (dialect.OverSocket, *transport.Refusal) {
	key := strings.TrimPrefix(strings.TrimPrefix(r.Path(), s.o.Prefix), socketPath)
	return s.open(strings.TrimSuffix(key, "/"), r.Query()), nil
}

// open returns the dialect of a connection for the app of a key.
func (s *Server) open(key, query string) dialect.OverSocket {
	if strings.Contains(key, "/") {
		return protocol.NewRejected(protocol.CodePath, "Path not found: it is /app/KEY")
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return protocol.NewRejected(protocol.CodeVersion, "The query of the URL cannot be read")
	}
	version, isGiven := params.Get("protocol"), params.Has("protocol")
	n, err := strconv.Atoi(version)
	switch {
	case !isGiven || version == "":
		return protocol.NewRejected(protocol.CodeNoProtocol, "No protocol version supplied: add ?protocol=7")
	case err != nil:
		return protocol.NewRejected(protocol.CodeVersion, "Invalid protocol version: it is a number, such as 7")
	case n < protocolMin || n > protocolMax:
		return protocol.NewRejected(protocol.CodeUnsupported, "Unsupported protocol version: 5, 6 and 7 are spoken here")
	}
	a := s.o.Apps.ByKey(key)
	switch {
	case a == nil:
		return protocol.NewRejected(protocol.CodeUnknownApp, "There is no app with the key "+shortened(key)+" here")
	case a.Disabled:
		return protocol.NewRejected(protocol.CodeAppDisabled, "The app is disabled")
	}
	return protocol.NewSocket(&source{server: s, entered: a})
}

// The versions of the protocol in which what a server says looks the same.
const (
	protocolMin = 5
	protocolMax = 7
)

// shortened is text of the peer made fit for a message.
func shortened(text string) string {
	const most = 64
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

// source is where a Socket finds its app.
type source struct {
	server  *Server
	entered *app.App
	current *protocol.App // of entered; nil until it is needed
}

// App implements protocol.Source.
func (s *source) App() *protocol.App {
	now := s.server.o.Apps.Current(s.entered)
	switch {
	case now == nil:
		return nil
	case now != s.entered || s.current == nil:
		s.entered, s.current = now, s.server.appOf(now)
	}
	return s.current
}

// view is derived from the apps there are at a time. It is not modified.
type view struct {
	all      []*app.App
	apps     map[*app.App]*protocol.App
	byPrefix map[string]*app.App
}

// isOf reports whether v was made of these apps.
func (v *view) isOf(all []*app.App) bool {
	return v != nil && len(v.all) == len(all) && (len(all) == 0 || &v.all[0] == &all[0])
}

// view returns the view of the apps as they are now.
func (s *Server) view() *view {
	if v := s.views.Load(); v.isOf(s.o.Apps.All()) {
		return v
	}
	return s.makeView()
}

func (s *Server) makeView() *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.o.Apps.All()
	if v := s.views.Load(); v.isOf(all) {
		return v
	}
	v := &view{all: all, apps: make(map[*app.App]*protocol.App, len(all)), byPrefix: make(map[string]*app.App, len(all))}
	for _, a := range all {
		v.apps[a], v.byPrefix[a.Prefix] = s.newApp(a), a
	}
	s.views.Store(v)
	return v
}

// appOf returns the settings of the sockets of an app.
func (s *Server) appOf(a *app.App) *protocol.App {
	if known := s.view().apps[a]; known != nil {
		return known
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newApp(a) // it was replaced this moment
}

// newApp makes it; s.mu is held.
func (s *Server) newApp(a *app.App) *protocol.App {
	forms := s.forms[a.Prefix]
	if forms == nil {
		space, err := protocol.NewSpace(a.Prefix)
		if err != nil {
			panic(err) // package app checks prefixes
		}
		forms = protocol.NewForms(space)
		s.forms[a.Prefix] = forms
	}
	p := &protocol.App{
		Key: a.Key, Secret: string(a.Secret), Forms: forms,
		ClientEvents: a.ClientEvents, SubscriptionCounts: a.SubscriptionCounts, Watchlist: a.Watchlist,
		ActivityTimeout: s.o.ActivityTimeout, MembersMax: a.MembersMax,
		ClientEventBytesMax: a.PublicationBytes(publicationBytesMax), ClientEventsPerSecond: a.ClientEventsPerSecond,
		Meter: a, Describe: s.describe,
	}
	if len(a.Webhooks) > 0 {
		p.Listener = &listener{s.tellings, a.ID}
	}
	return p
}

// appOfChannel returns the app to which a channel of the hub, or its user, belongs, nil
// if there is none. No prefix begins another, so there is at most one.
func (s *Server) appOfChannel(channel string) *app.App {
	byPrefix := s.view().byPrefix
	for at := 0; ; {
		if a := byPrefix[channel[:at]]; a != nil {
			return a
		}
		next := strings.IndexByte(channel[at:], '/')
		if next < 0 {
			return nil
		}
		at += next + 1
	}
}
