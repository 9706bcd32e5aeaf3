package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/godwit-io/godwit/compat/piesocket"
	"github.com/godwit-io/godwit/engine"
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

	// shutdown ends what has not ended with the hub, as long as ctx allows; close ends the
	// rest. Either may be nil.
	shutdown func(ctx context.Context) error
	close    func() error
}

// makeForeign makes the protocols of others. It is called once, when there is a hub and no
// Transport yet. The protocols that it returns are for the Transport.
func (s *Server) makeForeign() (protocols []transport.Protocol, err error) {
	c := &s.config
	if isOn(c.PieSocket.Enabled) {
		o := &piesocket.Options{
			Apps: s.apps, Hub: s.hub, Address: s.edge.clientOf, Origins: c.Origins,
			BodyBytesMax: requestBytes(c.Limits.PublicationBytes),
			Admits:       func(r *http.Request) bool { return s.channels.AllowsUnsafe(r) }, // it is there when there are requests
		}
		protocol, err := piesocket.NewProtocol(o)
		if err != nil {
			return nil, err
		}
		api, err := piesocket.NewAPI(o)
		if err != nil {
			return nil, err
		}
		protocols = append(protocols, ofApps{protocol, s})
		s.keyed = append(s.keyed, s.ifApps(protocol.Serves))
		s.foreign = append(s.foreign, foreign{serves: s.ifApps(api.Serves), http: api, isBrief: true})
	}
	if isOn(c.SockJS.Enabled) {
		protocol, err := s.makeSockJSProtocol()
		if err != nil {
			return nil, err
		}
		protocols = append(protocols, protocol)
	}
	if isOn(c.Pusher.Enabled) {
		protocol, err := s.makePusher()
		if err != nil {
			return nil, err
		}
		protocols = append(protocols, ofApps{protocol, s})
	}
	return protocols, nil
}

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
	return slices.ContainsFunc(s.keyed, func(serves func(string) bool) bool { return serves(path) })
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
		others = append(others, Other{"Socket.IO", "http", "/", false})
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

// shutdownForeign ends what of the protocols of others has not ended with the hub.
func (s *Server) shutdownForeign(ctx context.Context) {
	for _, f := range s.foreign {
		if f.shutdown != nil {
			_ = f.shutdown(ctx) // an error says that ctx has ended
		}
	}
}

func (s *Server) closeForeign() {
	for _, f := range s.foreign {
		if f.close != nil {
			_ = f.close() // the process is ending, or has not begun
		}
	}
}
