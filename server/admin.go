package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/transport"
)

// admin serves what is for operators at addresses of its own: metrics, profiles, how the
// process is, and the server API.
type admin struct {
	listeners []net.Listener
	http      *http.Server
	loopback  bool
	failed    chan error
	stopping  sync.Once
}

// profileTimeout is how long an answer may take there: a profile or a trace takes as long
// as it is told.
const profileTimeout = 10 * time.Minute

// listenAdmin binds Admin.Listen; mu is held.
func (s *Server) listenAdmin(ctx context.Context) error {
	if len(s.config.Admin.Listen) == 0 {
		return nil
	}
	listeners, err := s.listenEach(ctx, s.config.Admin.Listen)
	if err != nil {
		return explained{"admin.listen: " + strings.Replace(err.Error(), " with --listen", "", 1), err} // no flag is about it
	}
	a := &admin{listeners: listeners, loopback: addressesAre(isLoopback, listeners), failed: make(chan error, len(listeners))}
	a.http = &http.Server{
		Handler: s.shielded(s.routeAdmin), ReadHeaderTimeout: headerTimeout, WriteTimeout: profileTimeout, IdleTimeout: s.config.KeepaliveTimeout,
		MaxHeaderBytes: s.config.Limits.HeaderBytes, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.admin = a
	return nil
}

// AdminAddr is the first address of Admin.Listen that is bound, nil for none.
func (s *Server) AdminAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admin == nil {
		return nil
	}
	return s.admin.listeners[0].Addr()
}

// hasAdmin reports whether what is for operators has addresses of its own.
func (s *Server) hasAdmin() bool { return len(s.config.Admin.Listen) > 0 }

// start serves until stop.
func (a *admin) start(log *slog.Logger) {
	log.Info("serving metrics, profiles and the API", "address", addresses(a.listeners))
	if !addressesAre(isLocal, a.listeners) {
		log.Warn("everyone who can reach this address can read metrics and profiles", "address", addresses(a.listeners))
	}
	for _, ln := range a.listeners {
		go func() {
			err := a.http.Serve(ln)
			if !errors.Is(err, http.ErrServerClosed) {
				log.Error("an address of admin.listen is not served any more", "address", ln.Addr().String(), "error", err)
			}
			a.failed <- err
		}()
	}
}

// stop ends it, with the requests that are under way as long as ctx allows.
func (a *admin) stop(ctx context.Context) { a.stopping.Do(func() { a.end(ctx) }) }

func (a *admin) end(ctx context.Context) {
	if a.http.Shutdown(ctx) != nil {
		_ = a.http.Close()
	}
	for range a.listeners {
		<-a.failed
	}
}

// close releases the addresses of an admin that was not started.
func (a *admin) close() error { return closeAll(a.listeners) }

// routeAdmin serves a request at these addresses.
func (s *Server) routeAdmin(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case s.admin.loopback && !hostAllowed(r.Host, s.origins) && !isProbe(r):
		s.refuseHost(w, r, s.admin.listeners[0].Addr())
	case s.serveOperations(w, r):
	case path == "/debug/pprof/cmdline":
		pprof.Cmdline(w, r)
	case path == "/debug/pprof/profile":
		pprof.Profile(w, r)
	case path == "/debug/pprof/symbol":
		pprof.Symbol(w, r)
	case path == "/debug/pprof/trace":
		pprof.Trace(w, r)
	case strings.HasPrefix(path, "/debug/pprof/"):
		w.Header().Del("Content-Security-Policy") // the index is a document
		pprof.Index(w, r)
	default:
		transport.ProblemNotFound.Write(w, "nothing is served at "+quote(path)+
			" here; this address has /metrics, /healthz, /readyz, /debug/pprof/ and, with keys, /api/v1/")
	}
}

// serveOperations serves what operators ask for, and reports whether r was that.
func (s *Server) serveOperations(w http.ResponseWriter, r *http.Request) bool {
	switch path := r.URL.Path; {
	case path == "/healthz":
		serveHealth(w, r)
	case path == "/readyz":
		s.serveReadiness(w, r)
	case path == "/metrics":
		if allowRead(w, r) && s.allowOperator(w, r) {
			s.metrics.handler.ServeHTTP(w, r)
		}
	case isManagement(path):
		control := http.NewResponseController(w) // it has times of its own
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(time.Time{})
		s.api.ServeHTTP(w, r)
	default:
		return false
	}
	return true
}

// isForOperators reports whether path is served at the addresses of admin alone, where
// there are some.
func isForOperators(path string) bool {
	return path == "/metrics" || isManagement(path)
}
