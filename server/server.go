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

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/hub/cluster/roster"
	"github.com/godwit-io/godwit/hub/relay"
	"github.com/godwit-io/godwit/server/bridge"
	"github.com/godwit-io/godwit/server/certs"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/server/guard"
	"github.com/godwit-io/godwit/server/handover"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/systemd"
	"github.com/godwit-io/godwit/server/tracing"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/handshake"
)

// headerTimeout is for the header of a request to arrive. Streams have a heartbeat
// and a write timeout of their own, so there is no general write timeout.
const headerTimeout = 10 * time.Second

// Server is a whole Godwit server. Create it with New, then call Run; or Listen
// first, to know the address before it serves. It serves once.
type Server struct {
	config    Config // as it began
	began     time.Time
	current   atomic.Pointer[Config] // as it is
	level     slog.LevelVar
	reloading sync.Mutex        // held by a reload
	methods   map[string]func() // those that the application answers, by pattern, and what ends that; guarded by reloading
	log       *slog.Logger
	origins   *handshake.Origins
	broker    hub.Broker
	local     *relay.Broker // the broker, if it is in this process; else nil
	disk      *disk         // its directory; nil for none
	diskSyncs diskSyncs
	hub       *hub.Hub
	channels  *transport.Transport
	pages
	metrics              *metrics
	front                front
	edge                 *edge
	inherited            func() (*systemd.Sockets, error)
	tls                  tlsSource
	peerTLS              *certs.Mutual // towards other nodes; nil: none
	admin                *admin        // nil: what is for operators is beside the channels
	guard                *guard.Guard
	members              *teller
	tracer               *tracing.Tracer // nil if nothing is traced
	flight               *flight.Recorder
	api                  http.Handler // the server API
	refusals             refusals
	apps                 *app.Apps
	pusher               *pusher.Server // nil if it is off
	node                 *cluster.Node  // nil: there are no others
	users                *tally         // connections of users; nil if there are no other nodes
	bridges              *bridge.Bridges
	configured, followed []*bridge.Spec           // bridges of the Config, and of Follow; guarded by reloading
	calling              *methodsElsewhere        // calls on other nodes; nil if there are none
	tallies              []*tally                 // all that nodes add up
	catching             []*catchingUp            // what is asked of other nodes when something was missed
	away                 away                     // since when the broker is
	healthInterval       time.Duration            // of asking the broker how it is
	askTimeout           time.Duration            // for the answers of other nodes; 0: what hub/cluster takes
	foreign              []foreign                // protocols of others
	keyed                []func(path string) bool // whose clients show the key of an app, if there are any

	nodes *nodes // nil: there are no others

	roster atomic.Pointer[roster.Roster] // the members of channels through other nodes; nil: there are none

	mu        sync.Mutex // guards what follows
	listeners []net.Listener
	bindings  []handover.Socket // all that were bound, also for operators and authorities
	before    *predecessor      // nil: this process takes nobody's place
	used      bool              // Serve or Close was called
	serves    bool              // it accepts connections

	upgrading  sync.Mutex                // held by HandOver
	handedOver atomic.Pointer[successor] // nil until another process has taken over
	links      []link                    // to such processes, where they have nothing to say to each other; guarded by mu
	replaced   chan struct{}             // closed then
	pid        pidFile

	loopback atomic.Bool // guard the Host header
	draining atomic.Bool
	delay    drainDelay
}

// New returns a Server for c, which it checks: the error is a *SettingError that
// says what would be right. It opens nothing yet. A Server that is not going to
// Run must be closed.
func New(c Config) (*Server, error) { return newServer(c, func(*Server) {}) }

// newServer is New, with a call of prepare before anything is made.
func newServer(c Config, prepare func(*Server)) (*Server, error) {
	c, err := c.normalize()
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, began: time.Now(), log: c.Logger, inherited: inherited, delay: drainDelay{skipped: make(chan struct{})}, replaced: make(chan struct{}), pid: pidFile(c.PIDFile), healthInterval: healthInterval}
	s.pages = s.newPages()
	s.current.Store(&c)
	s.edge = newEdge(&c)
	s.level.Set(levelOf(c.Log))
	if s.log == nil {
		s.log = newLogger(os.Stderr, c.Log.Format, &s.level)
	}
	s.refusals.log = s.log
	s.diskSyncs = newDiskSyncs()
	prepare(s)
	if s.origins, err = handshake.ParseOrigins(c.Origins); err != nil {
		return nil, err // normalize has parsed them one by one
	}

	if err := s.loadTLS(&c); err != nil {
		return nil, c.located(err)
	}
	if err := s.makeBroker(); err != nil {
		return nil, c.located(err)
	}
	var loops *engineCollector
	if c.Driver == driverEngine {
		front := s.newLoopFront()
		s.front = front
		loops = &engineCollector{front.engine.Stats, front.engine.SharedStats}
	} else {
		s.front = s.newHTTPFront()
	}
	s.metrics = newMetrics(func() hub.Stats { return s.hub.Stats() }, s.brokerStats, s.front.counts, loops)
	if s.tracer, err = s.newTracer(&c.Tracing); err != nil {
		return nil, err
	}
	bridges, err := c.resolveBridges()
	if err != nil {
		s.closeTracer()
		return nil, c.located(err)
	}
	trust, err := s.newSettings(&c, nil)
	if err != nil {
		s.closeTracer()
		return nil, c.located(err)
	}
	s.flight = flight.New(*c.Flight.Bytes)
	s.metrics.watchFlight(s.flight.Stats)
	apps, err := c.resolveApps()
	if err == nil {
		s.apps, err = app.New(apps)
	}
	if err != nil {
		s.closeTracer()
		closeSettings(context.Background(), trust)
		return nil, c.located(err)
	}
	s.metrics.watchApps(s.apps)
	s.guard = guard.New(guard.Options{Address: s.edge.clientOf, Keyed: s.isKeyed, Refused: s.metrics.refused, RefusedTo: s.recordRefusal, Limited: s.metrics.rateLimited, Verified: s.metrics.verified, UserCounted: s.countUser, UserElsewhere: s.userElsewhere}, trust)
	s.members = &teller{guard: s.guard, members: make(map[string]int)}
	s.metrics.watchCertificates(func() []certificateExpiry { return s.expiries(c.TLS.ACME.Domains) })
	s.metrics.watchHooks(func() hooks.Stats { return s.guard.Settings().Hooks.Stats() })
	s.metrics.watchCluster(s)
	s.metrics.watchPresence(s)
	s.metrics.watchForwards(s)
	s.metrics.watchDisk(s)
	s.metrics.watchBridges(func() []bridge.Report { return s.bridges.Reports() })
	if err = s.serveHub(s.broker); err == nil {
		s.makeBridges(bridges)
		err = s.serveAPI()
	}
	if err != nil {
		s.abandon(trust)
		return nil, c.located(err)
	}
	if s.node != nil {
		s.node.Begin() // everything that others ask and tell has a handler
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
	if err := s.openData(ctx); err != nil {
		return err
	}
	listeners, err := s.listenEach(ctx, s.config.Listen)
	if err != nil {
		return err
	}
	return s.listenBeside(ctx, listeners)
}

// listenBeside binds what is needed beside listeners, and notes all of them; mu is held.
// It closes them after an error.
func (s *Server) listenBeside(ctx context.Context, listeners []net.Listener) error {
	if err := s.tls.listen(ctx, &s.config.TLS.ACME, listeners, s.listenOpen, s.log); err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	if err := s.listenAdmin(ctx); err != nil {
		s.tls.stop()
		return errors.Join(err, closeAll(listeners))
	}
	if err := s.listenNodes(ctx); err != nil {
		s.tls.stop()
		return errors.Join(err, closeAll(listeners))
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

// Config is what the server runs with: its Config with the defaults filled in, and
// what Reload has changed.
func (s *Server) Config() Config { return *s.current.Load() }

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
	err := s.openData(ctx)
	if err != nil {
		err = errors.Join(err, ln.Close())
	} else {
		err = s.listenBeside(ctx, s.note(ln.Addr().String(), false, []net.Listener{ln}))
	}
	s.mu.Unlock()
	if err != nil {
		return errors.Join(err, s.Close())
	}
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
	s.beginApps()
	if s.before != nil {
		if err := s.load(ctx); err != nil {
			return errors.Join(err, s.release())
		}
	}
	s.log.Info("serving", "address", addresses(listeners), "version", ThisBuild().Version, "origins", s.origins.String(),
		"tls", s.IsSecure(), "insecure", s.config.Insecure, "demo", s.Demo())
	if !s.Local() && !s.config.IsProtected() {
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
			failed <- fmt.Errorf("cannot serve on %s: %w", ln.Addr(), s.front.serve(ln, s.tls.of(ln)))
		}()
	}
	s.tls.start(s.log)
	defer s.tls.stop()
	if s.admin != nil {
		s.admin.start(s.log)
	}
	s.startNodes()
	stopWatching := s.watchBroker()
	defer stopWatching()
	s.begin()
	defer s.pid.remove()
	if s.before == nil { // or else the process before tells, which the manager knows
		s.tellManager(systemd.Ready)
	}
	left := len(listeners)
	var err error
	select {
	case <-ctx.Done():
		s.tellManager(systemd.Stopping)
		s.delayDrain()
	case err = <-failed:
		left--
	case <-s.replaced:
	}
	stopDemo()
	demo.Wait()
	if next := s.handedOver.Load(); next != nil {
		s.retire(ctx, next)
	}
	s.drain()
	for range left {
		<-failed // it was shut down
	}
	return err
}

// begin notes that the server serves.
func (s *Server) begin() {
	s.mu.Lock()
	s.serves = true
	s.mu.Unlock()
	if s.node != nil {
		s.node.SetState(cluster.StateServing)
	}
	s.bridges.Start()
	if err := s.pid.write(); err != nil {
		s.log.Error("cannot write the file of the process ID", "error", err)
	}
}

func (s *Server) publish(ctx context.Context, m hub.Message) error {
	_, _, err := s.hub.Publish(ctx, m)
	return err
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
	return s.releaseLocked()
}

// release closes what New and Listen took.
func (s *Server) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.releaseLocked()
}

func (s *Server) releaseLocked() error {
	s.closeBridges()
	s.closeForeign()
	s.leaveCluster(context.Background())
	closeSettings(context.Background(), s.guard.Settings())
	s.closeTracer()
	s.tls.stop()
	var admin, before error
	if s.admin != nil {
		admin = s.admin.close()
	}
	if s.before != nil {
		s.before.offer.Close()
		before = s.before.conn.Close()
		if errors.Is(before, net.ErrClosed) {
			before = nil
		}
	}
	return errors.Join(s.hub.Close(), closeAll(s.listeners), admin, before, s.closeNodes())
}

// tellManager tells systemd, where it has started this process.
func (s *Server) tellManager(states ...string) {
	if err := systemd.Notify(os.Getenv("NOTIFY_SOCKET"), states...); err != nil {
		s.log.Warn(err.Error())
	}
}
