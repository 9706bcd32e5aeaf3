package engineio

import (
	"context"
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/engine"
)

// Server speaks Engine.IO with any number of clients. It is made by New. All methods are
// safe for concurrent use.
type Server struct {
	handler Handler
	options Options
}

// New returns a Server whose sessions are given to h. A nil o has the default of everything.
// The error is an *OptionError.
func New(h Handler, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{handler: h, options: options}, nil
}

// Serves reports whether path is the server's, with or without its last slash. It is the
// path as it was sent, percent-encoded.
func (s *Server) Serves(path string) bool {
	return path == s.options.Path || path+"/" == s.options.Path && strings.HasSuffix(s.options.Path, "/")
}

// ServeHTTP serves a request that net/http has read, at whatever path. A request that
// waits, for messages or as a WebSocket, keeps its goroutine.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Route serves a request on an event loop, see engine.Server.Route. A request for another
// path than the server's gets the zero Route.
func (s *Server) Route(r *engine.Request) engine.Route { return engine.Route{} }

// Admit decides about an opening handshake on an event loop, see engine.Server.Admit. One
// at another path than the server's is refused with 404; ask Serves before if
// there is something else.
func (s *Server) Admit(r *engine.Request) engine.Admission { return engine.Admission{} }

// Len returns how many sessions there are.
func (s *Server) Len() int { return 0 }

// Stats returns the figures of the server, as they are now.
func (s *Server) Stats() Stats { return Stats{} }

// Shutdown ends the server in good order: handshakes are refused with 503 from now on, and
// every session is closed as by Socket.Close, with 1001 and ReasonShuttingDown. It waits
// until all have ended. When ctx ends first, what is left is cut off, and ctx's
// error returned.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// Close ends the server and every session at once.
func (s *Server) Close() error { return nil }

// Stats are figures of a Server, counted since it began where they are not momentary.
type Stats struct {
	Polling   int // sessions over polling now
	WebSocket int // sessions on a WebSocket now

	Opened         uint64 // sessions
	Upgraded       uint64 // sessions that went from polling to a WebSocket
	UpgradesFailed uint64 // WebSockets that were opened for that, in vain
	Refused        uint64 // requests answered with an error of the protocol, those with an unknown sid included
	UnknownSID     uint64 // of these

	Closed map[Reason]uint64 // sessions that have ended, by reason
}
