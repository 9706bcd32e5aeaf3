package engineio

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/ws/driver"
)

// Server speaks Engine.IO with any number of clients. It is made by New. All methods are
// safe for concurrent use.
type Server struct {
	handler  Handler
	options  Options
	settings session.Settings
	limits   *engine.Options // of WebSockets
	polls    bool            // polling is allowed
	sockets  bool            // WebSockets are
	newSID   func() sid
	epoch    time.Time // of now
	table    table
}

// New returns a Server that gives its sessions to h. A nil o has the default of everything.
// The error is an *OptionError.
func New(h Handler, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		handler: h,
		options: options,
		polls:   slices.Contains(options.Transports, Polling),
		sockets: slices.Contains(options.Transports, WebSocket),
		newSID:  newSID,
		epoch:   time.Now().Add(-1), // so that no moment is zero
		table:   table{max: options.SessionsMax},
	}
	s.settings = session.Settings{
		PingInterval:   options.PingInterval,
		PingTimeout:    options.PingTimeout,
		UpgradeTimeout: options.UpgradeTimeout,
		MaxPayload:     options.MaxPayload,
		QueueBytesMax:  options.QueueBytesMax,
		QueueCountMax:  options.QueueMessagesMax,
		CanUpgrade:     s.sockets,
	}
	s.limits = &engine.Options{
		MessageBytesMax:  int64(options.MaxPayload),
		PingInterval:     NoLimit, // the protocol has pings of its own
		QueueBytesMax:    options.QueueBytesMax,
		QueueMessagesMax: options.QueueMessagesMax,
		Compression:      options.Compression,
	}
	return s, nil
}

// now is the time as sessions have it.
func (s *Server) now() session.Time { return session.Time(time.Since(s.epoch)) }

func (s *Server) timeOf(t session.Time) time.Time { return s.epoch.Add(time.Duration(t)) }

func (s *Server) until(t session.Time) time.Duration { return time.Duration(t - s.now()) }

// Serves reports whether path is the server's, with or without its last slash. It is the
// path as it was sent, percent-encoded.
func (s *Server) Serves(path string) bool {
	own := s.options.Path
	return path == own || strings.HasSuffix(own, "/") && path == own[:len(own)-1]
}

// ServeHTTP serves a request that net/http has read, at whatever path. A request that
// waits, for messages or as a WebSocket, keeps its goroutine.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := httpcarrier.OfHTTP(r)
	if !head.IsUpgrade() {
		httpcarrier.ServeHTTP(w, r, s.route(head))
		return
	}
	_ = httpcarrier.AcceptHTTP(w, r, s.options.Origins, s.admit(head)) // the client has been answered
}

// Route serves a request on an event loop, see engine.Server.Route. A request for another
// path than the server's gets the zero Route.
func (s *Server) Route(r *engine.Request) engine.Route {
	if !s.Serves(r.Path()) {
		return engine.Route{}
	}
	if r.Fault() != nil {
		route := s.refuseRoute(problemBusy, nil).OnLoop()
		route.IsRefusal = true
		return route
	}
	return s.route(httpcarrier.OfLoop(r)).OnLoop()
}

// Admit decides about an opening handshake on an event loop, see engine.Server.Admit. One
// at another path than the server's is refused with 404; ask Serves before if
// there is something else. The engine asks its own Origins before: they have to admit the
// pages that Options.Origins do.
func (s *Server) Admit(r *engine.Request) engine.Admission {
	if !s.Serves(r.Path()) {
		return engine.Admission{Status: http.StatusNotFound}
	}
	return s.admit(httpcarrier.OfLoop(r)).OnLoop()
}

// route decides how a request is served.
func (s *Server) route(head *httpcarrier.Request) httpcarrier.Route {
	if head.Method() == http.MethodOptions {
		fields, allowed := s.allowsOrigin(head)
		if !allowed {
			return s.refuseRoute(problemForbidden, nil)
		}
		return s.preflight(head, fields)
	}
	a, wrong := s.ask(head)
	switch {
	case wrong != nil:
		return s.refuseRoute(wrong, a.fields)
	case a.socket == nil:
		o := &opening{server: s, decision: s.judge(&a), version: a.version, base64: a.base64, fields: a.fields}
		return httpcarrier.Route{Responder: o, BodyBytesMax: engine.NoBody, EndsWithInput: true}
	case head.Method() == http.MethodGet:
		return httpcarrier.Route{Responder: &poll{socket: a.socket, fields: a.fields}, BodyBytesMax: engine.NoBody, EndsWithInput: true}
	}
	p := &post{socket: a.socket, fields: a.fields, octets: head.Get("Content-Type") == "application/octet-stream"}
	if wrong = p.begin(); wrong != nil {
		return s.refuseRoute(wrong, a.fields)
	}
	return httpcarrier.Route{Responder: p, BodyBytesMax: s.options.MaxPayload, BodyTimeout: s.options.BodyTimeout}
}

func (s *Server) refuseRoute(p *problem, fields []byte) httpcarrier.Route {
	return httpcarrier.Route{Responder: &refused{s, p, fields}, BodyBytesMax: refusedBytesMax}
}

// Len returns how many sessions there are.
func (s *Server) Len() int { return s.table.len() }

// Stats returns the figures of the server, as they are now.
func (s *Server) Stats() Stats { return s.table.snapshot() }

// Shutdown ends the server in good order: handshakes are refused with 503 from now on, and
// every session is closed as by Socket.Close, with 1001 and ReasonShuttingDown. It waits
// until all have ended. When ctx ends first, the remaining sessions are cut off, and ctx's
// error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	sockets, idle := s.table.close()
	for _, socket := range sockets {
		socket.shut(ReasonShuttingDown, driver.StatusGoingAway, farewells[ReasonShuttingDown].text)
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	return ctx.Err()
}

// Close ends the server and every session at once. It waits for calls of the Handler that
// are under way, so it must not be called in one.
func (s *Server) Close() error {
	s.cut()
	return nil
}

// cut ends every session.
func (s *Server) cut() {
	sockets, idle := s.table.close()
	for _, socket := range sockets {
		socket.mu.Lock()
		socket.end(session.ShuttingDown)
		if socket.conn != nil {
			socket.conn.CloseNow()
		}
		socket.unlockForOthers()
	}
	<-idle
}

// Stats are figures of a Server, counted since it began where they are not momentary.
type Stats struct {
	Polling   int // sessions over polling now
	WebSocket int // sessions on a WebSocket now

	Opened         uint64 // sessions
	Upgraded       uint64 // sessions that went from polling to a WebSocket
	UpgradesFailed uint64 // WebSockets that were opened for that, in vain
	Refused        uint64 // requests answered with an error of the protocol, those with an unknown SID included
	UnknownSID     uint64 // of these

	Closed map[Reason]uint64 // sessions that have ended, by reason
}
