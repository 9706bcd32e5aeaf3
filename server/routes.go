package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/handshake"
)

// ServeHTTP serves one request of any kind. Run and Serve call it; it is
// exported for tests and for servers that have a listener of another kind, for
// which Host is not guarded.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.shield(w, r, s.route) }

// shielded is serve with what every request has.
func (s *Server) shielded(serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.shield(w, r, serve) })
}

// shield has serve serve a request, which may panic, and logs it.
func (s *Server) shield(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	rec := &recorder{ResponseWriter: w}
	start := time.Now()
	defer func() {
		if v := recover(); v != nil {
			s.recovered(rec, r, v)
		}
		if s.log.Enabled(r.Context(), slog.LevelDebug) {
			s.log.DebugContext(r.Context(), "request", "id", requestID(r), "method", r.Method, "path", r.URL.Path,
				"status", rec.status, "remote", r.RemoteAddr, "client", s.edge.clientOfHTTP(r).String(), "took", time.Since(start).String())
		}
	}()
	h := w.Header()
	for name, values := range securityHeader {
		h[name] = values
	}
	serve(rec, r)
}

// shortTimeout is how long a request may take to arrive, and its answer to be taken,
// where neither is long: on net/http nothing else bounds them. Channels have times of
// their own.
const shortTimeout = 30 * time.Second

// securityHeader is sent with every response.
var securityHeader = http.Header{
	"X-Content-Type-Options": {"nosniff"},
	"Referrer-Policy":        {"same-origin"},
	// Only pages are documents, and they set their own.
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
}

// route decides by the path as it was sent. An http.ServeMux would redirect
// channel names that are not clean paths.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	isForeign := s.loopback.Load() && !hostAllowed(r.Host, s.origins) && !isProbe(r)
	if !isForeign && !isOverLimit(r) && s.serveElsewhere(w, r) {
		return
	}
	if !isForeign && !isOverLimit(r) && s.channels.Serves(r) {
		s.channels.ServeHTTP(w, r)
		return
	}
	other := s.foreignAt(r.URL.EscapedPath())
	if !isForeign && !isOverLimit(r) && other != nil && !other.isBrief {
		other.http.ServeHTTP(w, r)
		return
	}
	if handshake.IsUpgrade(r.Header) {
		// A proxy that has passed the request on may take what follows for a tunnel.
		w.Header().Set("Connection", "close")
	}
	control := http.NewResponseController(w)
	if r.ContentLength != 0 { // net/http reads what a handler leaves
		_ = control.SetReadDeadline(time.Now().Add(shortTimeout))
	}
	_ = control.SetWriteDeadline(time.Now().Add(shortTimeout)) // what has no deadlines never blocks
	switch {
	case isOverLimit(r):
		s.refuseOverLimit(w, r)
	case isForeign:
		s.refuseHost(w, r, s.Addr())
	case other != nil:
		other.http.ServeHTTP(w, r)
	case s.hasAdmin() && isForOperators(r.URL.Path):
		transport.ProblemNotFound.Write(w, quote(r.URL.Path)+" is served at the addresses of admin.listen, and not here")
	case s.serveOperations(w, r):
	case s.servePage(w, r):
	default:
		transport.ProblemNotFound.Write(w, s.notFound(r.URL.Path))
	}
}

// refuseHost refuses a request for a name that is not this machine's.
func (s *Server) refuseHost(w http.ResponseWriter, r *http.Request, address net.Addr) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	s.refusals.warnHost(scheme, r.Host)
	if r.ProtoMajor < 2 {
		// With HTTP/2 only the stream ends (RFC 9110 §15.5.20): others on the connection
		// may be for names of ours, and a client that is still sending the content would
		// find the connection closed and not read why.
		w.Header().Set("Connection", "close")
	}
	transport.ProblemHost.Write(w, fmt.Sprintf("this server listens on loopback and does not answer to %s; use %s://%s,"+
		" or allow the name with --origin (origins in the configuration file)", quote(r.Host), scheme, address))
}

// isProbe reports whether r asks how the process is without a name for it: balancers
// do that with HTTP/1.0. A browser, which the guard is about, always gives one.
func isProbe(r *http.Request) bool {
	return r.Host == "" && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz")
}

// refuseOverLimit answers a request over a connection above the limit, which is the
// last one on it.
func (s *Server) refuseOverLimit(w http.ResponseWriter, r *http.Request) {
	why := s.tooManyConnections(r)
	w.Header().Set("Connection", "close")
	if s.channels.Serves(r) {
		s.channels.Refuse(w, r, why)
		return
	}
	w.Header().Set("Retry-After", "5")
	transport.ProblemTooManyConnections.WithStatus(why.Status).Write(w, why.Reason)
}

// serveHealth says that the process is alive, to what restarts it otherwise.
func serveHealth(w http.ResponseWriter, r *http.Request) {
	if allowRead(w, r) {
		writeOK(w)
	}
}

// readinessTimeout is how long the broker may take to say how it is.
const readinessTimeout = 2 * time.Second

// serveReadiness says whether the server can serve, to what sends it traffic.
func (s *Server) serveReadiness(w http.ResponseWriter, r *http.Request) {
	if !allowRead(w, r) {
		return
	}
	if s.draining.Load() {
		w.Header().Set("Connection", "close")
		transport.ProblemShutdown.Write(w, "the server is going away; send new requests to another")
		return
	}
	if s.config.Broker.IsOn() {
		if why := s.away.unready(s.config.Broker.Away); why != "" {
			transport.ProblemBroker.Write(w, why)
			return
		}
		if !s.knowsOthers() {
			transport.ProblemBroker.Write(w, "this node does not know yet which others there are; send new requests to another")
			return
		}
		writeOK(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readinessTimeout)
	defer cancel()
	if err := s.hub.Health(ctx); err != nil {
		transport.ProblemBroker.Write(w, "the broker behind this server cannot be used; send new requests to another")
		return
	}
	writeOK(w)
}

func writeOK(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n") // an error says that the client has gone
}

func allowRead(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	transport.ProblemMethod.Write(w, quote(r.Method)+" is not a method of this resource; use GET or HEAD")
	return false
}

// recovered ends a request whose handler panicked; the process lives.
func (s *Server) recovered(rec *recorder, r *http.Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v) // a handler that ends its response early, on purpose
	}
	s.metrics.panics.Add(1)
	id := requestID(r)
	s.log.Error("handler panicked", "id", id, "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	switch {
	case rec.hijacked != nil:
		_ = rec.hijacked.Close()
	case rec.status != 0:
		panic(http.ErrAbortHandler) // half a response must not look like a whole one
	default:
		rec.Header().Set("Connection", "close")
		transport.ProblemInternal.Write(rec, "the server failed at this request; its log says how under the ID "+id)
	}
}

// recorder remembers what became of a response.
type recorder struct {
	http.ResponseWriter
	status   int // 0 while nothing was sent
	hijacked net.Conn
}

func (r *recorder) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols { // others announce a response to come
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// FlushError is how an http.ResponseController flushes.
func (r *recorder) FlushError() error {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return http.NewResponseController(r.ResponseWriter).Flush()
}

func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.hijacked, r.status = nc, http.StatusSwitchingProtocols
	}
	return nc, rw, err
}

// Unwrap lets an http.ResponseController find the rest.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// quote makes text of the peer fit for a detail: quoted, and cut when long.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
