package pusher

import (
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/transport"
)

// fallback serves clients without a WebSocket: the same messages, in a SockJS session at
// /pusher/app/KEY.
type fallback struct {
	server *Server
	sock   *sockjs.Server
}

const (
	messageBytesMax = 64 << 10 // of a client's message, which has 10 KiB of data at most
	fallbackMax     = 10_000   // sessions

	// pusher-js gives up a stream when it has had 256 KiB, and then asks for another of the
	// same session, which is over: something may have been lost on the way. A stream that
	// the server ends it takes for a connection that is lost. So a session ends before,
	// with the code by which the client comes back at once. What has gone out is counted
	// without the escapes of SockJS, with which it is twice as long at most.
	streamBytesMax = 120 << 10
	responseMax    = 1 << 20
)

func newFallback(s *Server) (*fallback, error) {
	f := &fallback{server: s}
	sock, err := sockjs.New(sockjs.NopHandler{}, &sockjs.Options{
		Match: f.match, Decide: f.decide, Origins: s.o.Origins, Logger: s.o.Logger,
		Transports:    []sockjs.Transport{sockjs.XHRStreaming, sockjs.XHRPolling},
		ResponseLimit: responseMax, MessageBytesMax: messageBytesMax, BodyBytesMax: 4 * messageBytesMax, SessionsMax: fallbackMax,
		DisconnectDelay: s.o.disconnectDelay,
	})
	f.sock = sock
	return f, err
}

// match divides a path, see sockjs.Options.Match.
func (f *fallback) match(path string) (base, rest string, ok bool) {
	if !f.serves(strings.TrimPrefix(path, f.server.o.Prefix)) {
		return "", "", false
	}
	base, rest = sockjs.SplitPath(path)
	return base, rest, true
}

// serves reports whether a path without Options.Prefix is below that of an app.
func (f *fallback) serves(path string) bool { return strings.HasPrefix(path, fallbackPath) }

// ServeHTTP implements http.Handler.
func (f *fallback) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.sock.ServeHTTP(w, r) }

// Close ends all sessions and waits for them.
func (f *fallback) Close() error { return f.sock.Close() }

// Route is for engine.Server.Route: it serves the requests of the fallback transports on
// the loop. The zero Route is for paths that are not theirs.
func (s *Server) Route(r *engine.Request) engine.Route { return s.fallback.sock.Route(r) }

// SessionOf returns a name for the session of the fallback transports that a request with
// this path is for, and whether it is here; see sockjs.Server.SessionOf.
func (s *Server) SessionOf(path string) (name string, isHere bool) {
	return s.fallback.sock.SessionOf(path)
}

// HasSession reports whether there is a session of a name that SessionOf has returned.
func (s *Server) HasSession(name string) bool { return s.fallback.sock.Has(name) }

// decide begins a session, see sockjs.Options.Decide.
func (f *fallback) decide(session *sockjs.Session, r *sockjs.Request) sockjs.Handler {
	t := f.server.transport.Load()
	if t == nil {
		session.Close(protocol.CodeOverCapacity, "the server is not ready")
		return nil
	}
	if ok, _ := t.AdmitSession(protocol.Transport); !ok {
		session.Close(protocol.CodeOverCapacity, "too many connections begin at this moment")
		return nil
	}
	var request *transport.Request
	if r.HTTP() != nil {
		request = t.RequestOf(r.HTTP())
	} else {
		request = t.RequestOfLoop(r.Loop(), false)
	}
	key := strings.TrimPrefix(strings.TrimPrefix(r.Base(), f.server.o.Prefix), fallbackPath)
	c := &conversation{visit: t.Visit(request), out: counted{Session: session}}
	c.carrier = t.NewMessageCarrier(&c.out, c.visit, "", f.server.open(strings.Clone(key), r.Query()), nil)
	return c
}

// conversation is a session of the fallback transports: a sockjs.Handler.
type conversation struct {
	carrier  *transport.MessageCarrier
	visit    *transport.Visit
	out      counted
	isPaused bool
}

// counted is a session that counts the bytes of the messages that are written. They are
// written in callbacks alone.
type counted struct {
	*sockjs.Session
	written int
}

// WriteFrames implements transport.Messenger.
func (c *counted) WriteFrames(frames ...[]byte) error {
	for _, f := range frames {
		c.written += len(f)
	}
	return c.Session.WriteFrames(frames...)
}

// OnOpen begins the conversation.
func (c *conversation) OnOpen(*sockjs.Session) { c.carrier.OnOpen() }

// OnMessage gives it a message.
func (c *conversation) OnMessage(s *sockjs.Session, typ sockjs.MessageType, data []byte) {
	c.carrier.OnMessage(typ == sockjs.MessageBinary, data)
	c.pace(s)
}

// OnWake sends the messages that it is owed.
func (c *conversation) OnWake(s *sockjs.Session) {
	c.carrier.OnWake()
	c.pace(s)
}

// OnDrain goes on where a slow client made it stop.
func (c *conversation) OnDrain(s *sockjs.Session) {
	c.carrier.OnDrain()
	c.pace(s)
}

// pace has a client read no more while too many of its messages are under way, and ends a
// session with a long stream.
func (c *conversation) pace(s *sockjs.Session) {
	if c.out.written > streamBytesMax && s.Transport() == sockjs.XHRStreaming {
		s.Close(protocol.CodeReconnect, "the stream is long; come back for another")
	}
	if isBusy := c.carrier.IsBusy(); isBusy != c.isPaused {
		if c.isPaused = isBusy; isBusy {
			s.PauseReading()
		} else {
			s.ResumeReading()
		}
	}
}

// OnClose ends it.
func (c *conversation) OnClose(_ *sockjs.Session, err *sockjs.CloseError) {
	c.carrier.OnClose(transport.EndClient, err)
	c.visit.Leave()
}
