package sockjs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/sockjs/internal/frames"
	"github.com/godwit-io/godwit/sockjs/internal/session"
)

// Server serves SockJS at one base URL, or at many, see Options.Match. It is an
// http.Handler; Route and Admit are the same for an engine.Server. All methods are safe
// for concurrent use.
type Server struct {
	o       Options
	handler Handler
	isOn    [transportCount]bool
	limits  session.Limits
	sockets [2]*engine.Options // of WebSockets, framed and raw
	iframe  *iframe            // nil without
	prefix  string             // of the IDs of sessions
	workers workers

	number, opens, refusals, received, sent atomic.Uint64
	receivers                               atomic.Int64

	mu       sync.Mutex // guards what follows; not held while something is called
	sessions map[string]*polled
	open     map[*socket]struct{}
	opening  map[*socket]time.Time // since when handshakes are being answered
	swept    time.Time             // when that was last looked through
	live     int                   // sessions whose OnClose is to come, and goroutines of Serve
	idle     chan struct{}         // closed when live is 0; nil while nobody waits for that
	isClosed bool
}

// New returns a Server with the Handler h for its sessions, unless Options.Decide gives
// them another. o may be nil. The error is an *OptionError in its chain.
func New(h Handler, o *Options) (*Server, error) {
	if o == nil {
		o = new(Options)
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sockjs: %w", err)
	}
	if h == nil && options.Decide == nil {
		return nil, fmt.Errorf("sockjs: %w", &OptionError{Option: "Decide", Reason: "there is neither a Handler nor a Decide that gives one"})
	}
	s := &Server{
		o: options, handler: h, sessions: make(map[string]*polled), open: make(map[*socket]struct{}), opening: make(map[*socket]time.Time),
		limits: session.Limits{
			Heartbeat: options.Heartbeat, DisconnectDelay: options.DisconnectDelay, ResponseLimit: options.ResponseLimit,
			QueueMessagesMax: options.QueueMessagesMax, QueueBytesMax: options.QueueBytesMax,
		},
	}
	for _, t := range options.Transports {
		s.isOn[t] = true
	}
	for i, most := range []int{options.BodyBytesMax, options.MessageBytesMax} {
		s.sockets[i] = &engine.Options{
			MessageBytesMax: int64(most), PingInterval: options.Heartbeat, PingTimeout: pingTimeout,
			QueueBytesMax: options.QueueBytesMax, Compression: options.Compression,
		}
	}
	if options.SockJSURL != "" {
		s.iframe = newIframe(options.SockJSURL)
	}
	var random [5]byte
	_, _ = rand.Read(random[:]) // it never fails
	s.prefix = hex.EncodeToString(random[:]) + "-"
	return s, nil
}

// ServeHTTP implements http.Handler. A session's requests must not be behind a handler that
// buffers responses.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := httpcarrier.OfHTTP(r)
	base, rest, ok := s.match(head.Path())
	if !ok {
		http.NotFound(w, r)
		return
	}
	t := s.socketTransport(rest)
	if t == 0 || !isHandshake(head) {
		httpcarrier.ServeHTTP(w, r, s.route(head, base, rest))
		return
	}
	a, c := s.admit(head, base, t)
	if err := httpcarrier.AcceptHTTP(w, r, s.o.Origins, a); err != nil && c != nil {
		c.abandon(err)
	}
}

// isHandshake reports whether r is to be judged as an opening handshake of a WebSocket.
func isHandshake(r *httpcarrier.Request) bool {
	if r.Method() == http.MethodConnect { // over HTTP/2
		return true
	}
	return r.Method() == http.MethodGet && r.IsUpgrade() && r.Get("Sec-WebSocket-Key") != "" && !strings.EqualFold(r.Get("Connection"), "close")
}

// Serves reports whether a path, as it was sent, is below a base of the Server.
func (s *Server) Serves(path string) bool {
	_, _, ok := s.match(path)
	return ok
}

// Route is for engine.Server.Route: it serves the request on the loop. The zero Route is
// for paths that the Server does not serve.
func (s *Server) Route(r *engine.Request) engine.Route {
	head := httpcarrier.OfLoop(r)
	base, rest, ok := s.match(head.Path())
	switch {
	case !ok:
		return engine.Route{}
	case r.Fault() != nil:
		return (&answer{status: http.StatusServiceUnavailable}).route().OnLoop() // the engine answers with the fault
	}
	return s.route(head, base, rest).OnLoop()
}

// Admit is for engine.Server.Admit: it decides about an opening handshake. A path that
// the Server does not serve is refused with 404. The engine's Origins count, too.
func (s *Server) Admit(r *engine.Request) engine.Admission {
	head := httpcarrier.OfLoop(r)
	base, rest, ok := s.match(head.Path())
	t := s.socketTransport(rest)
	if !ok || t == 0 {
		return engine.Admission{Status: http.StatusNotFound, Reason: notFoundText}
	}
	a, _ := s.admit(head, base, t)
	return a.OnLoop()
}

// SessionOf returns a name for the session that a request with this path is for, if that
// is one which goes on from request to request, and whether it is here. The name is "" for
// other paths. It is chosen by the client, and secret.
func (s *Server) SessionOf(path string) (name string, isHere bool) {
	base, rest, ok := s.match(path)
	if !ok || rest == "" || rest[0] != '/' {
		return "", false
	}
	session, e, ok := parseSession(rest)
	if !ok || e.transport == WebSocket {
		return "", false
	}
	name = sessionKey(base, session)
	return name, s.Has(name)
}

// Has reports whether there is a session of a name that SessionOf has returned, here or on
// another Server of the same options.
func (s *Server) Has(name string) bool { return s.lookup(name) != nil }

// socketTransport returns the transport of a WebSocket at the path rest, 0 if there is none.
func (s *Server) socketTransport(rest string) Transport {
	if rest == "" || rest[0] != '/' {
		return 0
	}
	t := RawWebSocket
	if rest != "/websocket" {
		if _, e, ok := parseSession(rest); !ok || e.transport != WebSocket {
			return 0
		}
		t = WebSocket
	}
	if !s.isOn[t] {
		return 0
	}
	return t
}

// admit begins a session that is a WebSocket.
func (s *Server) admit(r *httpcarrier.Request, base string, t Transport) (httpcarrier.Admission, *socket) {
	if !s.admits(r, false) {
		return httpcarrier.Admission{Status: http.StatusForbidden, Body: []byte("A page of this origin may not do this here.\n")}, nil
	}
	c := &socket{early: new(early)}
	c.Session = Session{server: s, carrier: c, number: s.number.Add(1), transport: t}
	now := time.Now()
	s.mu.Lock()
	code, reason := s.mayBegin()
	s.opening[c] = now
	s.live++
	lost := s.sweep(now)
	s.mu.Unlock()
	for _, c := range lost {
		c.abandon(errHandshakeLost)
	}
	if code != 0 {
		c.end(code, reason) // nobody knows it yet
		c.handler = NopHandler{}
	} else {
		c.begin(&Request{head: r, base: base, transport: t})
	}
	limits := s.sockets[0]
	if t == RawWebSocket {
		limits = s.sockets[1]
	}
	return httpcarrier.Admission{Handler: c, Limits: limits, Subprotocols: []string{}}, c
}

// mayBegin says why a session must not begin, with code 0 if it may; mu is held.
func (s *Server) mayBegin() (code Code, reason string) {
	switch {
	case s.isClosed:
		return CloseGoingAway, "the server is going away"
	case len(s.sessions)+len(s.open)+len(s.opening) >= s.o.SessionsMax:
		return CloseTryAgainLater, "there are too many sessions; try again later"
	}
	return 0, ""
}

// find returns the session of a name. A new one has the receiver in. refusal is the frame
// that a client is told for which there is none.
func (s *Server) find(key string, in *receiver, t Transport) (p *polled, isNew bool, refusal []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p = s.sessions[key]; p != nil {
		return p, false, nil
	}
	if code, reason := s.mayBegin(); code != 0 {
		s.refusals.Add(1)
		return nil, false, frames.AppendClose(nil, uint16(code), reason)
	}
	now := time.Now()
	p = &polled{key: key, receiver: in, state: isRunning}
	p.Session = Session{server: s, carrier: p, number: s.number.Add(1), transport: t}
	p.machine.Init(&s.limits, now)
	p.machine.Attach(now, in.format)
	in.session = p
	s.receivers.Add(1)
	s.live++
	s.sessions[key] = p
	return p, true, nil
}

// lookup returns the session of a name, nil if there is none.
func (s *Server) lookup(key string) *polled {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[key]
}

// remove forgets a session; its name may be used anew.
func (s *Server) remove(p *polled) {
	s.mu.Lock()
	if s.sessions[p.key] == p {
		delete(s.sessions, p.key)
	}
	s.mu.Unlock()
}

// handshakeTimeout is after how long a handshake that was accepted must have become a
// WebSocket. Mostly it does at once; a server that fails then tells nobody.
const handshakeTimeout = 30 * time.Second

var errHandshakeLost = errors.New("sockjs: the opening handshake was accepted and did not become a WebSocket")

// sweep returns the sockets that will never be, from time to time; mu is held.
func (s *Server) sweep(now time.Time) (lost []*socket) {
	if now.Sub(s.swept) < handshakeTimeout {
		return nil
	}
	s.swept = now
	for c, since := range s.opening {
		if now.Sub(since) >= handshakeTimeout {
			lost = append(lost, c)
		}
	}
	return lost
}

// addSocket says that a handshake has become a WebSocket.
func (s *Server) addSocket(c *socket) {
	s.mu.Lock()
	if _, isKnown := s.opening[c]; isKnown {
		delete(s.opening, c)
		s.open[c] = struct{}{}
	}
	s.mu.Unlock()
}

// removeSocket forgets it.
func (s *Server) removeSocket(c *socket) {
	s.mu.Lock()
	delete(s.open, c)
	delete(s.opening, c)
	s.mu.Unlock()
}

// decide gives a session its handler. It returns false if there is none.
func (s *Server) decide(session *Session, r *Request) bool {
	session.handler = s.handler
	if s.o.Decide == nil {
		return true
	}
	if !s.guarded(session, func() {
		if h := s.o.Decide(session, r); h != nil {
			session.handler, session.isOwn = h, true
		}
	}) {
		return false
	}
	return session.handler != nil
}

// guarded makes a call of the application. It returns false after a panic.
func (s *Server) guarded(session *Session, f func()) (ok bool) {
	defer func() {
		if !ok {
			s.o.Logger.Error("sockjs: a callback panicked; its session ends", "panic", fmt.Sprint(recover()),
				"session", session.ID(), "stack", string(debug.Stack()))
		}
	}()
	f()
	return true
}

// opened says that a client is told that its session is open.
func (s *Server) opened(session *Session) {
	s.opens.Add(1)
	if f := s.o.Observer.Opened; f != nil {
		f(session.transport)
	}
}

// ended makes the last call of a session.
func (s *Server) ended(session *Session, err *CloseError, wasOpen bool) {
	defer s.leave()
	tell := s.o.Observer.Closed
	if !wasOpen {
		s.refusals.Add(1)
		tell = s.o.Observer.Refused
	}
	if tell != nil {
		tell(session.transport, err)
	}
	if wasOpen || session.isOwn {
		s.guarded(session, func() { session.handler.OnClose(session, err) })
	}
}

// Close ends all sessions with 1001, refuses new ones, and waits until every OnClose has
// returned. A WebSocket whose client does not say goodbye takes 5 seconds.
func (s *Server) Close() error { return s.Shutdown(context.Background()) }

// Shutdown is Close that waits no longer than ctx, whose error it returns then. Call it before
// the Shutdown of the HTTP server or engine.Server around, which would wait for clients that
// poll, and cut the streams of others.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.isClosed = true
	all := make([]carrier, 0, len(s.sessions)+len(s.open))
	for _, p := range s.sessions {
		all = append(all, p)
	}
	for c := range s.open {
		all = append(all, c)
	}
	opening := slices.Collect(maps.Keys(s.opening))
	s.mu.Unlock()
	for _, c := range all {
		c.close(CloseGoingAway, "the server is going away")
	}
	for _, c := range opening {
		c.close(CloseGoingAway, "the server is going away")
		c.abandon(nil) // a connection that becomes a WebSocket after all says goodbye
	}
	if err := s.wait(ctx); err != nil {
		return err
	}
	for _, c := range all {
		if p, ok := c.(*polled); ok {
			p.forget()
		}
	}
	return nil
}

// join counts a goroutine or session for which wait waits.
func (s *Server) join() {
	s.mu.Lock()
	s.live++
	s.mu.Unlock()
}

// leave undoes join.
func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live--; s.live == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// wait returns when nobody is left, or the error of ctx.
func (s *Server) wait(ctx context.Context) error {
	s.mu.Lock()
	if s.live > 0 && s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.workers.wait()
	return nil
}

// Stats returns the numbers of the Server.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	polled, sockets := len(s.sessions), len(s.open)+len(s.opening)
	s.mu.Unlock()
	return Stats{
		Sessions: polled + sockets, Waiting: max(0, polled-int(s.receivers.Load())), WebSockets: sockets,
		Opened: s.opens.Load(), Refused: s.refusals.Load(), Received: s.received.Load(), Sent: s.sent.Load(),
	}
}

// publicID is the ID of a session.
func (s *Server) publicID(number uint64) string {
	return s.prefix + strconv.FormatUint(number, 36)
}
