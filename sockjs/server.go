package sockjs

import (
	"fmt"
	"net/http"

	"github.com/godwit-io/godwit/engine"
)

// Server serves SockJS at one base URL, or at many, see Options.Match. It is an
// http.Handler; Route and Admit are the same for an engine.Server. All methods are safe
// for concurrent use.
type Server struct {
	o       Options
	handler Handler
}

// New returns a Server whose sessions have the Handler h, unless Options.Decide gives
// them another. o may be nil. The error is an *OptionError in its chain.
func New(h Handler, o *Options) (*Server, error) {
	if o == nil {
		o = new(Options)
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sockjs: %w", err)
	}
	return &Server{o: options, handler: h}, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Serves reports whether a path, as it was sent, is below a base of the Server.
func (s *Server) Serves(path string) bool { return false }

// Route is for engine.Server.Route: it serves the request on the loop. The zero Route is
// for paths that the Server does not serve.
func (s *Server) Route(r *engine.Request) engine.Route { return engine.Route{} }

// Admit is for engine.Server.Admit: it decides about an opening handshake. A path that
// the Server does not serve is refused with 404.
func (s *Server) Admit(r *engine.Request) engine.Admission { return engine.Admission{Status: 404} }

// Close ends all sessions with 1001, refuses new ones, and waits until every OnClose has
// returned.
func (s *Server) Close() error { return nil }

// Stats returns the numbers of the Server.
func (s *Server) Stats() Stats { return Stats{} }

// publicID is the ID of a session.
func (s *Server) publicID(number uint64) string { return "" }
