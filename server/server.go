package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/server/welcome"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/handshake"
)

// headerTimeout is for the header of a request to arrive. Streams have a heartbeat
// and a write timeout of their own, so there is no general write timeout.
const headerTimeout = 10 * time.Second

// Server is a whole Godwit server. Create it with New, then call Run; or Listen
// first, to know the address before it serves. It serves once.
type Server struct {
	config   Config
	log      *slog.Logger
	origins  *handshake.Origins
	hub      *hub.Hub
	channels *transport.Transport
	welcome  http.Handler
	metrics  *metrics
	conns    *connections
	engine   *engine.Server // nil: goroutines carry the WebSockets
	http     *http.Server

	mu        sync.Mutex // guards what follows
	listeners []net.Listener
	used      bool // Serve or Close was called

	loopback atomic.Bool // guard the Host header
	draining atomic.Bool
	delay    drainDelay
}

// New returns a Server for c, which it checks: the error is a *SettingError that
// says what would be right. It opens nothing yet. A Server that is not going to
// Run must be closed.
func New(c Config) (*Server, error) {
	c, err := c.normalize()
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, log: c.Logger, delay: drainDelay{skipped: make(chan struct{})}, conns: newConnections(c.Limits.Connections), welcome: welcome.Handler(ThisBuild().Version)}
	if s.log == nil {
		s.log = newLogger(os.Stderr, c.Log)
	}
	if s.origins, err = handshake.ParseOrigins(c.Origins); err != nil {
		return nil, err // normalize has parsed them one by one
	}

	broker := membroker.New(&membroker.Options{
		HistoryBytesMax: int64(c.Limits.HistoryBytes),
		ChannelsMax:     c.Limits.Channels,
	})
	var loops *engineCollector
	if c.Driver == driverEngine {
		s.engine = &engine.Server{Handler: engine.NopHandler{}, Origins: s.origins, Log: s.log}
		s.conns.elsewhere = s.engine.Len
		loops = &engineCollector{s.engine.Stats, s.engine.SharedStats}
	}
	s.metrics = newMetrics(func() hub.Stats { return s.hub.Stats() }, broker.Stats, s.conns.counts, loops)
	s.hub, err = hub.New(broker, &hub.Options{
		Retention:           hub.Retention{Count: *c.History.Count, Age: c.History.Age},
		NoHistory:           *c.History.Count == 0,
		PublicationBytesMax: c.Limits.PublicationBytes,
		QueueCountMax:       c.Limits.QueueCount,
		QueueBytesMax:       c.Limits.QueueBytes,
		Observer:            s.metrics.hubObserver(),
	})
	if err != nil {
		return nil, err
	}
	s.channels = transport.New(s.hub, &transport.Options{
		Origins:      s.origins,
		BodyBytesMax: c.Limits.PublicationBytes,
		Heartbeat:    c.Heartbeat,
		Engine:       s.engine,
		Observer:     s.metrics.observer(),
		Logger:       s.log,
	})
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       c.KeepaliveTimeout,
		// net/http adds 4 KiB of its own to what it is told.
		MaxHeaderBytes: c.Limits.HeaderBytes - 4<<10,
		ConnContext:    s.conns.connContext,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what peers did wrong
	}
	if s.http.MaxHeaderBytes == 0 {
		s.http.MaxHeaderBytes = 1 // 0 would mean net/http's default, 1 MiB
	}
	return s, nil
}

// Listen binds the configured address, so that Addr is known. It refuses one
// that other machines can reach, unless the Config is Insecure. Run calls it if
// nobody has.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used || s.listeners != nil {
		return errors.New("server: Listen was called before")
	}
	listeners, err := listen(ctx, s.config)
	if err != nil {
		return err
	}
	s.listeners = listeners
	return nil
}

// Addr is the address bound by Listen or given to Serve, nil before. It is the
// first of several, which localhost and other names may have.
func (s *Server) Addr() net.Addr {
	if listeners := s.bound(); len(listeners) > 0 {
		return listeners[0].Addr()
	}
	return nil
}

func (s *Server) bound() []net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listeners
}

// Config is what the server runs with: its Config with the defaults filled in.
func (s *Server) Config() Config { return s.config }

// Local reports whether only programs of this machine can reach the server: it
// is bound to loopback or to a socket file.
func (s *Server) Local() bool { return addressesAre(isLocal, s.bound()) }

// Demo reports whether the demo feed runs. It depends on the bound address.
func (s *Server) Demo() bool {
	if s.config.Demo != nil {
		return *s.config.Demo
	}
	return addressesAre(isLoopback, s.bound())
}

// Run serves until ctx ends, then drains: see Serve.
func (s *Server) Run(ctx context.Context) error {
	if s.Addr() == nil {
		if err := s.Listen(ctx); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.serve(ctx, s.bound())
}

// Serve serves the connections of ln, which it closes, until ctx ends. An
// address that is neither TCP nor Unix counts as one that other machines can reach.
//
// Then it drains, after Config.DrainDelay, during which only /readyz answers 503:
// nothing is accepted any more, streams end so that their clients reconnect, WebSockets are closed with 1001. What has not
// ended after Config.DrainTimeout is cut. Serve returns nil after that, and an
// error only if it could not serve.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := checkReach(s.config, ln.Addr()); err != nil {
		return errors.Join(err, ln.Close(), s.Close())
	}
	s.mu.Lock()
	if s.listeners != nil {
		s.mu.Unlock()
		return errors.Join(errors.New("server: it listens already"), ln.Close())
	}
	s.listeners = []net.Listener{ln}
	s.mu.Unlock()
	return s.serve(ctx, s.bound())
}

func (s *Server) serve(ctx context.Context, listeners []net.Listener) error {
	s.mu.Lock()
	used := s.used
	s.used = true
	s.mu.Unlock()
	if used {
		return errors.New("server: it was run or closed before")
	}
	s.loopback.Store(addressesAre(isLoopback, listeners))
	s.log.Info("serving", "address", addresses(listeners), "version", ThisBuild().Version, "origins", s.origins.String(),
		"insecure", s.config.Insecure, "demo", s.Demo())
	if !s.Local() {
		s.log.Warn("everyone who can reach this address can read and publish on every channel", "address", addresses(listeners))
	}

	var demo sync.WaitGroup
	demoCtx, stopDemo := context.WithCancel(ctx)
	defer stopDemo()
	if s.Demo() {
		demo.Go(func() {
			runDemo(demoCtx, s.publish, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), s.log)
		})
	}

	failed := make(chan error, len(listeners))
	for _, ln := range listeners {
		go func() {
			failed <- fmt.Errorf("cannot serve on %s: %w", ln.Addr(), s.http.Serve(s.conns.listener(ln)))
		}()
	}
	left := len(listeners)
	var err error
	select {
	case <-ctx.Done():
		s.delayDrain()
	case err = <-failed:
		left--
	}
	stopDemo()
	demo.Wait()
	s.drain()
	for range left {
		<-failed // http.ErrServerClosed, at once after a shutdown
	}
	return err
}

func (s *Server) publish(ctx context.Context, m hub.Message) error {
	_, _, err := s.hub.Publish(ctx, m)
	return err
}

// drain ends what goes on, in good order as long as DrainTimeout allows.
func (s *Server) drain() {
	s.draining.Store(true)
	open, _ := s.conns.counts()
	s.log.Info("stopping", "connections", open, "limit", s.config.DrainTimeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.config.DrainTimeout)
	defer cancel()

	// The sessions end once nothing is accepted any more, or those who come back
	// at once would find the same server. Ending them ends the requests that
	// Shutdown waits for.
	var sessions sync.WaitGroup
	var left atomic.Pointer[map[string]int]
	sessions.Add(1)
	s.http.RegisterOnShutdown(func() {
		defer sessions.Done()
		if s.hub.Shutdown(ctx) != nil { // ctx is also judged below
			left.Store(new(s.hub.Stats().Sessions))
		}
	})
	err := s.http.Shutdown(ctx)
	sessions.Wait()
	if err == nil {
		err = s.conns.wait(ctx) // WebSockets that are still saying goodbye
	}
	cut := s.conns.closeAll()
	_ = s.http.Close()
	if s.engine != nil {
		left := s.engine.Len()
		if e := s.engine.Shutdown(ctx); e != nil {
			err = errors.Join(err, e)
			cut += left
		}
		_ = s.engine.Close()
	}
	_ = s.hub.Close()
	if err != nil && cut > 0 {
		s.log.Warn("stopped, with connections cut at the limit", "connections", cut, kinds(cut, left.Load()))
		return
	}
	s.log.Info("stopped")
}

// Close ends a server that is not running, releasing what New and Listen took.
// A running one is ended by the context of Run.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		return nil
	}
	s.used = true
	return errors.Join(s.hub.Close(), closeAll(s.listeners))
}

// kinds says of how many connections that were cut how many were sessions, by
// transport. The others are requests and answers that were not through.
func kinds(cut int, sessions *map[string]int) slog.Attr {
	var attrs []any
	if sessions != nil {
		for _, transport := range slices.Sorted(maps.Keys(*sessions)) {
			n := (*sessions)[transport]
			attrs = append(attrs, slog.Int(transport, n))
			cut -= n
		}
	}
	if cut > 0 {
		attrs = append(attrs, slog.Int("other", cut))
	}
	return slog.Group("cut", attrs...)
}
