package sockjs

import (
	"context"
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/driver"
)

// Server serves SockJS on the channels of a Transport. It is made by New, and all methods
// are safe for concurrent use.
//
//	client ─► sockjs.Session ─► MessageCarrier ─► dialect.Socket ─► hub
type Server struct {
	channels *transport.Transport
	sessions *sockjs.Server
	o        Options
}

// New returns a Server for the channels of t. o may be nil. The error wraps an
// *OptionError.
func New(t *transport.Transport, o *Options) (*Server, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{channels: t, o: options}
	own := options.SockJS
	own.Transports = nil
	for _, t := range options.SockJS.Transports {
		if t != sockjs.RawWebSocket { // it is the Protocol's
			own.Transports = append(own.Transports, t)
		}
	}
	own.Match, own.Decide = s.match, s.decide
	// The pushes taken from a session of the hub are bounded, and none may be refused: a
	// client that does not take them, or does not ask for them, falls behind in the hub.
	own.QueueMessagesMax, own.QueueBytesMax = driver.NoLimit, driver.NoLimit
	if s.sessions, err = sockjs.New(nil, &own); err != nil {
		return nil, ofSockJS(err)
	}
	return s, nil
}

// match is sockjs.Options.Match.
func (s *Server) match(path string) (base, rest string, ok bool) {
	_, base, rest, ok = s.o.split(path)
	return base, rest, ok
}

// Serves reports whether a path, as it was sent, is the Server's: all below Options.Path
// are, but those of the Protocol.
func (s *Server) Serves(path string) bool {
	return strings.HasPrefix(path, s.o.Path) && !s.o.isRaw(path)
}

// ServeHTTP serves a request that net/http has read.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.sessions.ServeHTTP(w, r) }

// Route serves a request on an event loop. It is for engine.Server.Route; a path that names
// no channel gets the zero Route.
func (s *Server) Route(r *engine.Request) engine.Route { return s.sessions.Route(r) }

// Admit decides about an opening handshake on an event loop. It is for engine.Server.Admit.
func (s *Server) Admit(r *engine.Request) engine.Admission { return s.sessions.Admit(r) }

// SessionOf returns a name for the session that a request with this path is for, and whether
// it is here; see sockjs.Server.SessionOf.
func (s *Server) SessionOf(path string) (name string, isHere bool) { return s.sessions.SessionOf(path) }

// Has reports whether there is a session of a name that SessionOf has returned.
func (s *Server) Has(name string) bool { return s.sessions.Has(name) }

// Stats returns the numbers of the sessions. Sessions without a receiver at the moment count,
// too: they are sessions of the hub like any other.
func (s *Server) Stats() sockjs.Stats { return s.sessions.Stats() }

// Shutdown ends what has not ended with the hub, with 1001, and waits as long as ctx allows.
// Call it after hub.Hub.Shutdown, which ends the sessions in good order.
func (s *Server) Shutdown(ctx context.Context) error { return s.sessions.Shutdown(ctx) }

// Close is Shutdown that waits until all sessions have ended.
func (s *Server) Close() error { return s.sessions.Close() }

// closeBadURL is the code of a session whose URL names no channel, or has a wrong parameter;
// the reason says which.
const closeBadURL = clientproto.CloseBadFrame

// decide begins the session of the hub. The client is told that its session is open when
// the hub says so.
func (s *Server) decide(session *sockjs.Session, r *sockjs.Request) sockjs.Handler {
	name := TransportName(r.Transport())
	socket, wrong := transport.ChannelSocket(strings.Clone(r.Base()[len(s.o.Path):]), strings.Clone(r.Query()))
	if wrong != nil {
		session.Close(closeBadURL, wrong.Detail)
		return sockjs.NopHandler{}
	}
	if ok, _ := s.channels.AdmitSession(name); !ok {
		session.Close(clientproto.CloseTryAgainLater, "too many connect at once; try again later")
		return sockjs.NopHandler{}
	}
	var head *transport.Request
	if h := r.HTTP(); h != nil {
		head = s.channels.RequestOf(h)
	} else {
		head = s.channels.RequestOfLoop(r.Loop(), r.Transport().IsWebSocket())
	}
	c := &client{session: session, visit: s.channels.Visit(head)}
	session.SetValue(c)
	session.Hold()
	c.carrier = s.channels.NewMessageCarrier(session, c.visit, "", &framed{socket, name}, c.answered)
	c.carrier.OnOpen()
	return handler{}
}

// client is a session with its conversation.
type client struct {
	session  *sockjs.Session
	visit    *transport.Visit
	carrier  *transport.MessageCarrier
	isPaused bool // it is not read
}

// answered tells the client that its session is open, if it is.
func (c *client) answered(_ *dialect.Answer, refused *dialect.Closing) {
	if refused == nil {
		c.session.Accept()
	}
}

// handler is what happens to the sessions of all clients.
type handler struct{}

func clientOf(s *sockjs.Session) *client { return s.Value().(*client) }

// OnOpen implements sockjs.Handler. The conversation has begun before.
func (handler) OnOpen(*sockjs.Session) {}

// OnMessage implements sockjs.Handler.
func (handler) OnMessage(s *sockjs.Session, typ sockjs.MessageType, data []byte) {
	c := clientOf(s)
	c.carrier.OnMessage(typ == sockjs.MessageBinary, data)
	if !c.isPaused && c.carrier.IsBusy() {
		c.isPaused = true
		s.PauseReading()
	}
}

// OnWake implements sockjs.Handler.
func (handler) OnWake(s *sockjs.Session) {
	c := clientOf(s)
	c.carrier.OnWake()
	if c.isPaused && !c.carrier.IsBusy() {
		c.isPaused = false
		s.ResumeReading()
	}
}

// OnDrain implements sockjs.Handler.
func (h handler) OnDrain(s *sockjs.Session) { h.OnWake(s) }

// OnClose implements sockjs.Handler.
func (handler) OnClose(s *sockjs.Session, err *sockjs.CloseError) {
	c := clientOf(s)
	c.carrier.OnClose(endOf(err), err.Err)
	c.visit.Leave()
}

// endOf says which end a session came to that the hub has not ended.
func endOf(err *sockjs.CloseError) transport.End {
	switch err.Code {
	case sockjs.CloseTooBig, sockjs.CloseBroken:
		return transport.EndRefused
	}
	if err.IsRemote {
		return transport.EndClient
	}
	switch err.Code {
	case sockjs.CloseSlow:
		return transport.EndSlow
	case sockjs.CloseInternal:
		return transport.EndFailure
	case sockjs.CloseGoingAway:
		return transport.EndShutdown
	}
	return transport.EndRefused
}
