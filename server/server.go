package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
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

// Timeouts of connections that are no stream. Streams have a heartbeat and a
// write timeout of their own instead, so there is no general write timeout.
const (
	headerTimeout = 10 * time.Second  // for the header of a request to arrive
	idleTimeout   = 120 * time.Second // between requests
)

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

	mu       sync.Mutex // guards what follows
	listener net.Listener
	used     bool // Serve or Close was called

	loopback atomic.Bool // guard the Host header
	draining atomic.Bool
}

// New returns a Server for c, which it checks: the error is a *SettingError that
// says what would be right. It opens nothing yet. A Server that is not going to
// Run must be closed.
func New(c Config) (*Server, error) {
	c, err := c.normalize()
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, log: c.Logger, conns: newConnections(c.Limits.Connections), welcome: welcome.Handler()}
	if s.log == nil {
		s.log = newLogger(os.Stderr, c.Log)
	}
	if s.origins, err = handshake.ParseOrigins(c.Origins); err != nil {
		return nil, err // normalize has parsed them one by one
	}

	broker, err := membroker.New(&membroker.Options{
		HistoryBytesMax: int64(c.Limits.HistoryBytes),
		ChannelsMax:     c.Limits.Channels,
	})
	if err != nil {
		return nil, err
	}
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
		Logger:              s.log,
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
		IdleTimeout:       idleTimeout,
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
	if s.used || s.listener != nil {
		return errors.New("server: Listen was called before")
	}
	ln, err := listen(ctx, s.config)
	if err != nil {
		return err
	}
	s.listener = ln
	return nil
}

// Addr is the address bound by Listen or given to Serve, nil before.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Config is what the server runs with: its Config with the defaults filled in.
func (s *Server) Config() Config { return s.config }

// Loopback reports whether the server is bound to an address that only this
// machine can reach.
func (s *Server) Loopback() bool { return isLoopback(s.Addr()) }

// Demo reports whether the demo feed runs. It depends on the bound address.
func (s *Server) Demo() bool {
	if s.config.Demo != nil {
		return *s.config.Demo
	}
	return s.Loopback()
}

// Run serves until ctx ends, then drains: see Serve.
func (s *Server) Run(ctx context.Context) error {
	if s.Addr() == nil {
		if err := s.Listen(ctx); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	s.mu.Lock()
	ln := s.listener
	s.mu.Unlock()
	return s.serve(ctx, ln)
}

// Serve serves the connections of ln, which it closes, until ctx ends. An
// address that is not TCP counts as one that other machines can reach.
//
// Then it drains: nothing is accepted any more, /readyz answers 503, streams end
// so that their clients reconnect, WebSockets are closed with 1001. What has not
// ended after Config.DrainTimeout is cut. Serve returns nil after that, and an
// error only if it could not serve.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := checkReach(s.config, ln.Addr()); err != nil {
		return errors.Join(err, ln.Close(), s.Close())
	}
	s.mu.Lock()
	if s.listener != nil {
		s.mu.Unlock()
		return errors.Join(errors.New("server: it listens already"), ln.Close())
	}
	s.listener = ln
	s.mu.Unlock()
	return s.serve(ctx, ln)
}

func (s *Server) serve(ctx context.Context, ln net.Listener) error {
	s.mu.Lock()
	used := s.used
	s.used = true
	s.mu.Unlock()
	if used {
		return errors.New("server: it was run or closed before")
	}
	s.loopback.Store(isLoopback(ln.Addr()))
	s.log.Info("serving", "address", ln.Addr().String(), "version", ThisBuild().Version, "origins", s.origins.String(),
		"insecure", s.config.Insecure, "demo", s.Demo())

	var demo sync.WaitGroup
	demoCtx, stopDemo := context.WithCancel(ctx)
	defer stopDemo()
	if s.Demo() {
		demo.Go(func() {
			runDemo(demoCtx, s.publish, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), s.log)
		})
	}

	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.conns.listener(ln)) }()
	var err error
	select {
	case <-ctx.Done():
		stopDemo()
		demo.Wait()
		s.drain()
		<-failed // http.ErrServerClosed, at once after a shutdown
	case err = <-failed:
		stopDemo()
		demo.Wait()
		err = fmt.Errorf("cannot serve on %s: %w", ln.Addr(), err)
		s.drain()
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
	sessions.Add(1)
	s.http.RegisterOnShutdown(func() {
		defer sessions.Done()
		_ = s.hub.Shutdown(ctx) // ctx is also judged below
	})
	err := s.http.Shutdown(ctx)
	sessions.Wait()
	if err == nil {
		err = s.conns.wait(ctx) // WebSockets that are still saying goodbye
	}
	_ = s.http.Close() // only after Shutdown failed is there something to close
	cut := s.conns.closeAll()
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
		s.log.Warn("stopped, with connections cut at the limit", "connections", cut)
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
	err := s.hub.Close()
	if s.listener != nil {
		err = errors.Join(err, s.listener.Close())
	}
	return err
}
