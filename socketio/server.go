package socketio

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
)

// Server speaks Socket.IO with any number of clients. It is made by New. All methods are
// safe for concurrent use.
type Server struct {
	engine  *engineio.Server
	options Options
	history *history // nil without recovery

	heldBytesMax int // of messages to a Socket before it is let in

	mu         sync.Mutex // guards the rest of the block
	namespaces map[string]*Namespace
	dynamic    []dynamic
	dynamics   int // namespaces that dynamic has made

	rooms   table[roomKey, *room]
	sockets table[string, *Socket] // that are let in, by ID

	workers  workers
	stopping atomic.Bool
	idle     chan struct{} // one is sent when the last worker is done while stopping

	received  atomic.Uint64
	refused   atomic.Uint64
	recovered atomic.Uint64
	panics    atomic.Uint64
}

// dynamic is what Server.Dynamic was called with.
type dynamic struct {
	match func(string) bool
	setUp func(*Namespace)
}

// New returns a Server. A nil o has the default of everything. The error is an *OptionError.
func New(o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, namespaces: make(map[string]*Namespace), idle: make(chan struct{}, 1)}
	s.heldBytesMax = cmp.Or(options.Engine.QueueBytesMax, engineio.DefaultQueueBytesMax)
	if r := options.Recovery; r != nil {
		s.history = newHistory(r, silence(&options.Engine))
	}
	s.engine, err = engineio.New(engineHandler{server: s}, &options.Engine)
	if wrong, ok := errors.AsType[*OptionError](err); ok {
		return nil, &OptionError{Option: "Engine." + wrong.Option, Reason: wrong.Reason}
	}
	return s, err
}

// silence is how long a client may be gone before it is noticed.
func silence(o *engineio.Options) time.Duration {
	interval := min(cmp.Or(o.PingInterval, engineio.DefaultPingInterval), time.Hour)
	return interval + min(cmp.Or(o.PingTimeout, engineio.DefaultPingTimeout), time.Hour)
}

// Namespace returns the namespace with a name, which clients can join from now on. A name
// without a slash gets one. "/" is the namespace of clients that name none.
func (s *Server) Namespace(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.namespaces[name]
	switch {
	case n == nil:
		n = &Namespace{server: s, name: name}
		s.namespaces[name] = n
	case n.dynamic:
		n.dynamic = false
		s.dynamics--
	}
	return n
}

// Dynamic has namespaces come into being when a client asks for them, if match says that
// their name may be. setUp gives such a namespace its handlers, and it ends with its last
// client. Neither may call methods of the server. If several calls of Dynamic match, the
// first counts.
//
//	server.Dynamic(regexp.MustCompile(`^/team-[0-9]+$`).MatchString, func(n *socketio.Namespace) {
//		n.On("say", say)
//	})
func (s *Server) Dynamic(match func(name string) bool, setUp func(n *Namespace)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dynamic = append(s.dynamic, dynamic{match, setUp})
}

// join returns the namespace that a client asks for, which it counts as a user of, or why
// there is none.
func (s *Server) join(name string) (n *Namespace, refused string) {
	const invalid = "Invalid namespace"
	s.mu.Lock()
	if n = s.namespaces[name]; n != nil {
		n.users++
		s.mu.Unlock()
		return n, ""
	}
	all := s.dynamic
	s.mu.Unlock()
	for _, d := range all {
		if !d.match(name) {
			continue
		}
		made := &Namespace{server: s, name: strings.Clone(name), dynamic: true}
		d.setUp(made)
		return s.add(made)
	}
	return nil, invalid
}

// add returns the namespace that was made, or one of that name that was sooner.
func (s *Server) add(made *Namespace) (n *Namespace, refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = s.namespaces[made.name]; n == nil {
		if s.dynamics >= s.options.NamespacesMax {
			return nil, "Too many namespaces"
		}
		s.dynamics++
		s.namespaces[made.name] = made
		n = made
	}
	n.users++
	return n, ""
}

// part says that a socket of a namespace has ended.
func (s *Server) part(n *Namespace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.users--; n.users == 0 && n.dynamic {
		delete(s.namespaces, n.name)
		s.dynamics--
	}
}

// Emit sends an event to everybody in the namespace "/", if there is one. See
// Broadcast.Emit.
func (s *Server) Emit(event string, args ...any) error {
	s.mu.Lock()
	n := s.namespaces["/"]
	s.mu.Unlock()
	if n == nil {
		return nil // nor is anybody in it
	}
	return n.Emit(event, args...)
}

// Serves reports whether path is the server's, with or without its last slash. It is the
// path as it was sent, percent-encoded.
func (s *Server) Serves(path string) bool { return s.engine.Serves(path) }

// ServeHTTP serves a request that net/http has read, at whatever path. A request that
// waits, for events or as a WebSocket, keeps its goroutine.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Route serves a request on an event loop, see engine.Server.Route. A request for another
// path than the server's gets the zero Route.
func (s *Server) Route(r *engine.Request) engine.Route { return s.engine.Route(r) }

// Admit decides about an opening handshake on an event loop, see engine.Server.Admit. One
// at another path than the server's is refused with 404.
func (s *Server) Admit(r *engine.Request) engine.Admission { return s.engine.Admit(r) }

// Shutdown ends the server in good order: nobody new gets in, every connection is closed
// when what was written has left, and the handlers of what came before and OnDisconnect
// have returned when Shutdown does. Clients try to come back, so that they find the next
// server. When ctx ends first, connections are cut off and its error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	err := s.engine.Shutdown(ctx)
	if s.history != nil {
		s.history.stop()
	}
	defer s.workers.stop()
	for s.workers.busy.Load() > 0 {
		select {
		case <-s.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// Close ends the server and every connection at once. Handlers that run are not waited
// for.
func (s *Server) Close() error {
	s.stopping.Store(true)
	if s.history != nil {
		s.history.stop()
	}
	s.workers.stop()
	return s.engine.Close()
}

// worked says that a worker has nothing to do any more.
func (s *Server) worked() {
	if s.workers.busy.Add(-1) == 0 && s.stopping.Load() {
		select {
		case s.idle <- struct{}{}:
		default: // there is one
		}
	}
}

// Stats are figures of a Server, counted since it began where they are not momentary.
type Stats struct {
	Engine engineio.Stats // connections

	Namespaces  int // now
	Sockets     int // that are let in, now
	Rooms       int // now
	Recoverable int // clients that are gone and may recover, now
	Handlers    int // goroutines that run handlers, now

	Received  uint64 // events
	Refused   uint64 // clients that a namespace did not let in
	Recovered uint64 // clients
	Panics    uint64 // of handlers
}

// Stats returns the figures of the server, as they are now.
func (s *Server) Stats() Stats {
	stats := Stats{
		Engine:    s.engine.Stats(),
		Sockets:   s.sockets.len(),
		Rooms:     s.rooms.len(),
		Handlers:  int(s.workers.busy.Load()),
		Received:  s.received.Load(),
		Refused:   s.refused.Load(),
		Recovered: s.recovered.Load(),
		Panics:    s.panics.Load(),
	}
	s.mu.Lock()
	stats.Namespaces = len(s.namespaces)
	s.mu.Unlock()
	if h := s.history; h != nil {
		h.mu.Lock()
		stats.Recoverable = len(h.gone)
		h.mu.Unlock()
	}
	return stats
}
