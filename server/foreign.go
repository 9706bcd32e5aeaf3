package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/godwit-io/godwit/compat/piesocket"
	"github.com/godwit-io/godwit/compat/pusher"
	"github.com/godwit-io/godwit/compat/socketio"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/server/guard"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/transport"
)

// foreign is a protocol of others, or a part of one: what is served at some paths beside
// the channels. WebSockets of protocols that are no more than a dialect are those of
// package transport.
type foreign struct {
	// serves reports whether a path, as it was sent, is its own.
	serves func(path string) bool

	// http serves requests that net/http has read. It has deadlines of its own, unless
	// isBrief says that neither a request nor an answer is long.
	http    http.Handler
	isBrief bool

	// route and admit serve requests and opening handshakes on event loops. Nil leaves
	// them to http.
	route func(*engine.Request) engine.Route
	admit func(*engine.Request) engine.Admission

	// session says where the session of a request may be that is not here, see elsewhere.
	// Nil is for a protocol whose sessions are all in one request.
	session func(*httpcarrier.Request) whereabouts

	// shutdown ends what has not ended with the hub, as long as ctx allows; close ends the
	// rest. Either may be nil.
	shutdown func(ctx context.Context) error
	close    func() error
}

// makeKeyed makes the protocols whose clients show the key of an app. It is called once,
// when there is a hub and no Transport yet; what it returns is for the Transport.
func (s *Server) makeKeyed() (protocols []transport.Protocol, err error) {
	c := &s.config
	if isOn(c.PieSocket.Enabled) {
		o := &piesocket.Options{
			Apps: s.apps, Hub: s.hub, Address: s.edge.clientOf, Origins: c.Origins,
			BodyBytesMax: requestBytes(c.Limits.PublicationBytes),
			Admits:       func(r *http.Request) bool { return s.channels.AllowsUnsafe(r) }, // it is there when there are requests
		}
		p, err := piesocket.NewProtocol(o)
		if err != nil {
			return nil, err
		}
		api, err := piesocket.NewAPI(o)
		if err != nil {
			return nil, err
		}
		protocols = append(protocols, ofApps{p, s})
		s.keyed = append(s.keyed, p.Serves)
		s.foreign = append(s.foreign, foreign{serves: s.ifApps(api.Serves), http: api, isBrief: true})
	}
	if isOn(c.Pusher.Enabled) {
		if s.pusher, err = s.makePusher(); err != nil {
			return nil, err
		}
		protocols = append(protocols, ofApps{s.pusher, s})
		s.keyed = append(s.keyed, s.pusher.Serves, s.pusher.ServesHTTP)
		s.foreign = append(s.foreign,
			foreign{serves: s.ifApps(s.pusher.ServesBrief), http: s.pusher, isBrief: true},
			foreign{serves: s.ifApps(s.pusher.ServesFallback), http: s.pusher, route: s.pusher.Route, session: s.pusherSession, close: s.pusher.Close})
		s.answerHas(kindPusher, s.pusher.HasSession)
	}
	return protocols, nil
}

func (s *Server) makePusher() (*pusher.Server, error) {
	c := &s.config
	o := pusher.Options{
		Hub: s.hub, Apps: s.apps, Prefix: c.Pusher.PathPrefix, Origins: s.origins, Logger: s.log,
		BodyBytesMax: max(pusher.DefaultBodyBytesMax, requestBytes(c.Limits.PublicationBytes)), CacheAge: c.History.Age,
		Webhooks: pusher.Webhooks{AllowPrivate: c.Hooks.AllowPrivate}, Development: s.signingApp, NoFallback: !isOn(c.Pusher.Fallback),
	}
	if s.tracer != nil {
		o.Webhooks.Wrap = s.tracer.RoundTripper
	}
	s.acrossPusher(&o)
	return pusher.New(o)
}

// The kinds of sessions whose names are chosen by clients.
const (
	kindPusher = "pusher"
	kindSockJS = "sockjs"
)

func (s *Server) pusherSession(r *httpcarrier.Request) whereabouts {
	name, isHere := s.pusher.SessionOf(r.Path())
	return placeOfName(kindPusher, r.Path(), name, isHere)
}

// signingApp is the ID of the app for development, "" if there is none. Nobody else's
// secret signs what anybody asks for, also if another app has that ID by now.
func (s *Server) signingApp() string {
	if a := s.apps.ByID(DevelopmentAppID); a == nil || !s.loopback.Load() || !a.Secret.Equal([]byte(DevelopmentAppSecret)) {
		return ""
	}
	return DevelopmentAppID
}

// protocolsBesides are those that are no more than a dialect, and need no key.
func (s *Server) protocolsBesides() ([]transport.Protocol, error) {
	if !isOn(s.config.SockJS.Enabled) {
		return nil, nil
	}
	raw, err := s.makeSockJSProtocol()
	if err != nil {
		return nil, err
	}
	return []transport.Protocol{raw}, nil
}

// mountForeign makes the protocols that have sessions of their own on the Transport.
func (s *Server) mountForeign() error {
	c := &s.config
	if s.pusher != nil {
		s.pusher.Carry(s.channels)
	}
	if isOn(c.SockJS.Enabled) {
		if err := s.makeSockJS(); err != nil {
			return err
		}
	}
	if isOn(c.SocketIO.Enabled) {
		p, err := socketio.New(s.channels, s.socketIOOptions())
		if wrong, ok := errors.AsType[*socketio.OptionError](err); ok && wrong.Option == "ClientDir" {
			return failed("socketio.client_dir", errors.New(wrong.Reason))
		}
		if err != nil {
			return err
		}
		s.foreign = append(s.foreign,
			foreign{serves: p.ServesFile, http: p, isBrief: true},
			foreign{serves: p.Serves, http: p, route: p.Route, admit: p.Admit, session: func(r *httpcarrier.Request) whereabouts {
				sid, isHere := p.SessionOf(r.Query())
				return placeOfSID(sid, isHere, r.IsUpgrade())
			}, shutdown: p.Shutdown, close: p.Close})
	}
	return nil
}

func (s *Server) socketIOOptions() *socketio.Options {
	c := &s.config
	o := &socketio.Options{
		Engine: engineio.Options{
			Origins: s.origins, AllowEIO3: c.SocketIO.EIO3, SessionsMax: c.Limits.Connections, Compression: s.compression(),
			SIDPrefix:  s.sidPrefix(),
			MaxPayload: max(engineio.DefaultMaxPayload, requestBytes(c.Limits.PublicationBytes)), Log: s.log,
		},
		Main: c.SocketIO.Main, RecordsMax: c.Limits.Connections, ClientDir: c.SocketIO.ClientDir, Echo: c.SocketIO.LaravelEcho,
		BackendEvents: c.SocketIO.BackendEvents, AsksConnect: c.SocketIO.BackendConnect, Forward: c.Hooks.SocketIO.Forward,
		Address: s.edge.clientOf, Log: s.log,
	}
	if c.SocketIO.Recovery {
		o.Recovery = recoveryTime
	}
	o.Limits.PacketBytesMax = max(packetBytes, requestBytes(c.Limits.PublicationBytes))
	if len(o.BackendEvents) > 0 || o.AsksConnect {
		o.Backend = socketIOBackend{hooks.SocketIO(func() *hooks.Hooks { return s.guard.Settings().Hooks })}
	}
	for _, r := range c.SocketIO.Rules {
		o.Rules = append(o.Rules, socketio.Rule(r))
	}
	return o
}

// socketIOBackend is the application, which is not shown tokens.
type socketIOBackend struct{ socketio.Backend }

// Connect implements socketio.Backend.
func (b socketIOBackend) Connect(r *socketio.ConnectRequest, answer func(*socketio.ConnectAnswer, error)) {
	shown := *r
	shown.Query = guard.WithoutToken(r.Query)
	b.Backend.Connect(&shown, answer)
}

// recoveryTime is how long a client of Socket.IO that has lost its connection can go on
// where it was, as with the reference server where that is on.
const recoveryTime = 2 * time.Minute

// packetBytes is the longest packet of Socket.IO, with its attachments, where publications
// are not longer.
const packetBytes = 4 << 20

// requestBytes is room for a request in which a publication stands as JSON.
func requestBytes(publicationBytes int) int { return 6*publicationBytes + 64<<10 }

// ofApps is a protocol whose clients show the key of an app. Where there are no apps it is
// not served.
type ofApps struct {
	transport.Protocol
	server *Server
}

// Serves implements transport.Protocol.
func (o ofApps) Serves(path string) bool { return o.server.ifApps(o.Protocol.Serves)(path) }

// ifApps is serves, and never where there are no apps.
func (s *Server) ifApps(serves func(path string) bool) func(path string) bool {
	return func(path string) bool { return serves(path) && len(s.apps.All()) > 0 }
}

// isOfApps reports whether the clients of a path show the key of an app, and neither tokens
// nor cookies.
func (s *Server) isOfApps(path string) bool {
	return len(s.apps.All()) > 0 && s.wantsApps(path)
}

// wantsApps reports whether the clients of a path would show the key of an app, if there
// were any.
func (s *Server) wantsApps(path string) bool {
	return slices.ContainsFunc(s.keyed, func(serves func(string) bool) bool { return serves(path) })
}

// notFound says why nothing is served at a path, as it was sent, and what is where.
func (s *Server) notFound(path string) string {
	nothing := "nothing is served at " + quote(path)
	switch {
	case s.wantsApps(path):
		return nothing + " without apps: clients of Pusher and PieSocket show the key of one, and apps in the configuration lists them"
	case (path == sockjsPath || path == sockjsPath+"/") && isOn(s.config.SockJS.Enabled):
		return nothing + "; clients of SockJS connect to a channel, at " + sockjsPath + "/CHANNEL"
	}
	return nothing + "; channels are below /channels/, presence is below /presence/, and / is a page to begin with"
}

// Other is a protocol of others that is served, and where its clients connect.
type Other struct {
	Name     string
	Scheme   string // "http" or "ws", without TLS
	Path     string
	NeedsApp bool
}

// Others are the protocols of others that are served. Those that need an app are among
// them if there is one, which depends on the bound address.
func (s *Server) Others() []Other {
	c := s.Config()
	key := "KEY"
	hasApps := len(c.Apps) > 0
	if s.DevelopmentApp() {
		key, hasApps = DevelopmentAppKey, true
	}
	var others []Other
	if isOn(c.SocketIO.Enabled) {
		others = append(others, Other{"Socket.IO", "http", "/CHANNEL", false})
	}
	if isOn(c.SockJS.Enabled) {
		others = append(others, Other{"SockJS", "http", "/sockjs/CHANNEL", false})
	}
	if hasApps && isOn(c.Pusher.Enabled) {
		others = append(others, Other{"Pusher", "ws", c.Pusher.PathPrefix + "/app/" + key, true})
	}
	if hasApps && isOn(c.PieSocket.Enabled) {
		others = append(others, Other{"PieSocket", "ws", "/v3/CHANNEL?api_key=" + key, true})
	}
	return others
}

// foreignAt is the protocol of others that serves a path, nil if none does.
func (s *Server) foreignAt(path string) *foreign {
	for i := range s.foreign {
		if s.foreign[i].serves(path) {
			return &s.foreign[i]
		}
	}
	return nil
}

// pollersTimeout is how long a server that is stopping waits for clients that poll to come
// and hear of it. One that is there always has a poll waiting, or comes back at once; one
// that has vanished must not keep the server.
const pollersTimeout = 2 * time.Second

// shutdownForeign ends what of the protocols of others has not ended with the hub.
func (s *Server) shutdownForeign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pollersTimeout)
	defer cancel()
	var ending sync.WaitGroup
	for _, f := range s.foreign {
		if f.shutdown != nil {
			ending.Go(func() { _ = f.shutdown(ctx) }) // an error says that ctx has ended
		}
	}
	ending.Wait()
}

func (s *Server) closeForeign() {
	for _, f := range s.foreign {
		if f.close != nil {
			_ = f.close() // the process is ending, or has not begun
		}
	}
}
