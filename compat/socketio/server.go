package socketio

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport"
)

// Server speaks Socket.IO with any number of clients, on the channels of a Transport. It is
// made by New. All methods are safe for concurrent use.
type Server struct {
	channels *transport.Transport
	engine   *engineio.Server
	settings settings
	legacy   settings // of clients that cannot go on where they were
	limits   packet.Limits
	records  *records // nil without recovery
	backend  Backend
	options  Options
	files    *files
}

// New returns a Server for the channels of t. A nil o has the default of everything. The
// error is an *OptionError or a *RuleError.
func New(t *transport.Transport, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{channels: t, options: options, backend: options.Backend}
	if s.limits, err = options.Limits.WithDefaults(); err != nil {
		return nil, within("Limits", err)
	}
	rules, err := newRules(options.Rules)
	if err != nil {
		return nil, err
	}
	s.settings = settings{
		main: options.Main, forms: newForms(options.Main, options.Recovery > 0), rules: rules, routed: options.BackendEvents,
		isEcho: options.Echo, asksConnect: options.AsksConnect, describe: describe(t.Describe),
	}
	s.legacy = s.settings
	if options.Recovery > 0 {
		s.records = newRecords(options.Recovery, options.RecordsMax)
		s.legacy.forms = newForms(options.Main, false)
	}
	if s.files, err = newFiles(options.Engine.Path, options.ClientDir); err != nil {
		return nil, err
	}
	options.Engine.Allow = s.allow
	if s.engine, err = engineio.New(handler{s}, &options.Engine); err != nil {
		s.files.close()
		return nil, within("Engine", err)
	}
	return s, nil
}

// Serves reports whether path, percent-encoded, is the Server's: that of Engine.IO, or of a
// file of the client.
func (s *Server) Serves(path string) bool { return s.engine.Serves(path) || s.files.serves(path) }

// ServesFile reports whether path is the path of a file of the client. Such a request
// has no deadlines but its own.
func (s *Server) ServesFile(path string) bool { return s.files.serves(path) }

// ServeHTTP serves a request that net/http has read, for a path that Serves is about.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.files.serves(r.URL.EscapedPath()) {
		s.files.ServeHTTP(w, r)
		return
	}
	s.engine.ServeHTTP(w, r)
}

// Route serves a request on an event loop. Files and paths that are not the Server's get the
// zero Route.
func (s *Server) Route(r *engine.Request) engine.Route { return s.engine.Route(r) }

// Admit decides about an opening handshake on an event loop, at a path of Engine.IO.
func (s *Server) Admit(r *engine.Request) engine.Admission {
	if s.files.serves(r.Path()) {
		return engine.Admission{HTTP: true}
	}
	return s.engine.Admit(r)
}

// SessionOf returns the SID that the query of a request for Engine.IO names, "" for a
// request that begins a session, and whether that session is here. See
// engineio.Options.SIDPrefix.
func (s *Server) SessionOf(query string) (sid string, isHere bool) { return s.engine.SessionOf(query) }

// Stats returns the figures of Engine.IO, as they are now.
func (s *Server) Stats() engineio.Stats { return s.engine.Stats() }

// Len returns how many clients there are.
func (s *Server) Len() int { return s.engine.Len() }

// Shutdown ends the server in good order, see engineio.Server.Shutdown: clients come back
// by themselves.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.forgetAll()
	return s.engine.Shutdown(ctx)
}

// Close ends the server and every client at once.
func (s *Server) Close() error {
	defer s.forgetAll()
	return s.engine.Close()
}

func (s *Server) forgetAll() {
	if s.records != nil {
		s.records.close()
	}
	s.files.close()
}

// asks reports whether the Backend is asked about clients.
func (s *Server) asks() bool { return s.settings.asksConnect }

// arrival is the knowledge of a client from its handshake.
type arrival struct {
	visit       *transport.Visit
	lapse       *time.Timer // ends the visit if no session comes of the handshake
	excludesOwn bool
	address     string
	query       string
	fields      [][2]string
}

// arriveTimeout is how long after it was let in a client may take to be there.
const arriveTimeout = 30 * time.Second

// allow decides about a handshake. It is refused when there are too many clients: those
// come back by themselves. A verdict about a client is told where it joins a namespace,
// because a client that is refused here would try for ever.
func (s *Server) allow(r *engineio.Request, decide func(engineio.Verdict)) {
	if ok, after := s.channels.AdmitSession(Transport); !ok {
		decide(tooMany(after))
		return
	}
	var head *transport.Request
	if h := r.HTTP(); h != nil {
		head = s.channels.RequestOf(h)
	} else {
		head = s.channels.RequestOfLoop(r.Engine(), r.Transport() == engineio.WebSocket)
	}
	a := &arrival{excludesOwn: r.Query().Get("self") == "0"}
	if s.options.Backend != nil {
		a.address = addressText(s.options.Address(head))
		a.query = strings.Clone(head.Query())
		a.fields = pick(head, s.options.Forward)
	}
	a.visit = s.channels.Visit(head)
	a.visit.Then(func(err error) {
		if refusal, ok := err.(*access.Refusal); ok && !transport.IsRefusal(err) {
			a.visit.Leave()
			decide(tooMany(refusal.RetryAfter))
			return
		}
		a.lapse = time.AfterFunc(arriveTimeout, a.visit.Leave)
		decide(engineio.Verdict{Value: a, Abandoned: func() {
			a.lapse.Stop()
			a.visit.Leave()
		}})
	})
}

// tooMany refuses a handshake that may be tried again.
func tooMany(after time.Duration) engineio.Verdict {
	return engineio.Verdict{
		Status: http.StatusServiceUnavailable, Message: "Too many clients at once",
		Header: http.Header{"Retry-After": {secondsText(after)}},
	}
}

// pick copies the fields of a request that the Backend is given: cookies only if they
// count.
func pick(r *transport.Request, names []string) (fields [][2]string) {
	for _, name := range names {
		if strings.EqualFold(name, "Cookie") && !r.AdmitsCookies() {
			continue
		}
		for _, value := range r.Values(name) {
			fields = append(fields, [2]string{name, strings.Clone(value)})
		}
	}
	return slices.Clip(fields)
}
