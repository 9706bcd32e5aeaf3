package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/settle"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// front accepts connections, counts them, and has their requests answered.
type front interface {
	// serve serves the connections of ln until shutdown, or returns why it cannot. They
	// begin with TLS if secure is not nil, which is the same for all.
	serve(ln net.Listener, secure *tls.Config) error

	counts() connectionCounts

	// stopAccepting stops accepting, and leaves everything else as it is: connections are
	// told with their next response that it is the last.
	stopAccepting()

	// shutdown stops accepting, has end end what goes on, and waits for the
	// connections to end as long as ctx allows. It returns how many were cut then.
	shutdown(ctx context.Context, end func()) (cut int)
}

// connectionCounts are figures of a front.
type connectionCounts struct {
	open    int
	refused uint64 // because there were too many
	failed  uint64 // could not be accepted: there was no descriptor left, for example
}

// loopFront has event loops at the front: they serve the channels, and leave other
// requests to net/http.
type loopFront struct {
	engine *engine.Server
	came   *arrivals
}

// arrivals counts connections by address, and has memory given back when many have come.
type arrivals struct {
	engine.AddressCounter
	settler settle.Settler
}

// Enter implements engine.AddressCounter.
func (a *arrivals) Enter(client netip.Addr) bool {
	a.settler.Opened()
	return a.AddressCounter.Enter(client)
}

func (s *Server) newLoopFront() *loopFront {
	came := &arrivals{AddressCounter: s.edge}
	return &loopFront{came: came, engine: &engine.Server{
		Handler:          engine.NopHandler{},
		HTTP:             s,
		Route:            s.routeOnLoop,
		Admit:            s.admitOnLoop,
		Refuse:           func(r *engine.Request, f *handshake.Fault) (string, []byte) { return s.channels.Problem(r, f) },
		Options:          engine.Options{MessageBytesMax: int64(s.config.Limits.PublicationBytes), Compression: s.compression()},
		Origins:          s.origins,
		Subprotocols:     transport.Subprotocols(),
		ConnsMax:         s.config.Limits.Connections,
		Addresses:        came,
		ProxyHeader:      s.edge.proxyHeader(),
		HeadBytesMax:     s.config.Limits.HeaderBytes,
		HandshakeTimeout: headerTimeout,
		KeepAliveTimeout: s.config.KeepaliveTimeout,
		Log:              s.log,
	}}
}

// CompressionBytesMin is the shortest message that is sent compressed. A shorter one
// is a packet with or without, and less than half of it would be saved.
const CompressionBytesMin = 512

// compression is what is agreed to about compression, nil for none. No message refers
// to an earlier one: what goes to many is compressed once for all, and a connection
// keeps no memory for it.
func (s *Server) compression() *deflate.Options {
	if !*s.config.Compression {
		return nil
	}
	return &deflate.Options{
		ServerNoContextTakeover: true, ClientNoContextTakeover: true,
		ThresholdBytes: CompressionBytesMin, MessageBytesMax: int64(s.config.Limits.PublicationBytes),
	}
}

// routeOnLoop leaves what the guards refuse to net/http.
func (s *Server) routeOnLoop(r *engine.Request) engine.Route {
	if s.loopback.Load() && !hostAllowed(r.Host(), s.origins) {
		return engine.Route{}
	}
	if s.isElsewhereOnLoop(r) {
		return engine.Route{}
	}
	if f := s.foreignAt(r.Path()); f != nil {
		if f.route == nil || r.Fault() != nil { // net/http has the answer to one that is too many
			return engine.Route{}
		}
		return f.route(r)
	}
	return s.channels.Route(r)
}

func (s *Server) admitOnLoop(r *engine.Request) engine.Admission {
	if s.loopback.Load() && !hostAllowed(r.Host(), s.origins) {
		return engine.Admission{HTTP: true}
	}
	if s.isElsewhereOnLoop(r) {
		return engine.Admission{HTTP: true}
	}
	if f := s.foreignAt(r.Path()); f != nil {
		if f.admit == nil {
			return engine.Admission{HTTP: true}
		}
		return f.admit(r)
	}
	return s.channels.Admit(r)
}

func (f *loopFront) serve(ln net.Listener, secure *tls.Config) error {
	if secure != nil {
		return f.engine.ServeTLS(ln, secure)
	}
	return f.engine.Serve(ln)
}

func (f *loopFront) stopAccepting() { f.engine.StopAccepting() }

func (f *loopFront) counts() connectionCounts {
	counts := connectionCounts{open: f.engine.Len()}
	for _, s := range f.engine.Stats() {
		counts.refused += s.OverLimit + s.OverAddress
		counts.failed += s.AcceptErrors
	}
	return counts
}

func (f *loopFront) shutdown(ctx context.Context, end func()) (cut int) {
	f.engine.RegisterOnShutdown(end)
	left := make(chan int, 1)
	limited, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		left <- f.engine.Len() // before they are cut
		cancel()
	})
	_ = f.engine.Shutdown(limited) // an error says that ctx has ended
	_ = f.engine.Close()
	f.came.settler.Stop()
	if !stop() {
		cut = <-left
	}
	return cut
}

// httpFront has net/http at the front, where there is no poller, or by choice.
type httpFront struct {
	http    *http.Server
	conns   *connections
	leaving atomic.Bool
	serving sync.WaitGroup // calls of serve; added to under mu

	mu        sync.Mutex // guards what follows
	listeners []net.Listener
}

func (s *Server) newHTTPFront() *httpFront {
	conns := newConnections(s.config.Limits.Connections, s.edge, s.log)
	f := &httpFront{conns: conns}
	f.http = &http.Server{
		Handler:           f.sayLast(s),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       s.config.KeepaliveTimeout,
		// net/http adds 4 KiB of its own to what it is told, and takes 0 for 1 MiB.
		MaxHeaderBytes: max(1, s.config.Limits.HeaderBytes-4<<10),
		ConnContext:    conns.connContext,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what peers did wrong
	}
	return f
}

// sayLast tells clients that the connection ends, when nothing is accepted any more.
func (f *httpFront) sayLast(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.leaving.Load() && !handshake.IsUpgrade(r.Header) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (f *httpFront) serve(ln net.Listener, secure *tls.Config) error {
	f.mu.Lock()
	f.listeners = append(f.listeners, ln)
	f.serving.Add(1)
	f.mu.Unlock()
	defer f.serving.Done()
	ln = f.conns.listener(ln)
	if secure != nil {
		ln = tls.NewListener(ln, secure) // net/http sees HTTP/2 in what was agreed on
	}
	return f.http.Serve(ln)
}

func (f *httpFront) stopAccepting() {
	f.leaving.Store(true)
	f.mu.Lock()
	_ = closeAll(f.listeners) // Serve returns with an error that nobody waits for yet
	f.mu.Unlock()
	f.serving.Wait() // what was accepted is counted then
}

func (f *httpFront) counts() connectionCounts { return f.conns.counts() }

func (f *httpFront) shutdown(ctx context.Context, end func()) (cut int) {
	// Ending what goes on ends the requests that Shutdown waits for.
	var ending sync.WaitGroup
	ending.Add(1)
	f.http.RegisterOnShutdown(func() {
		defer ending.Done()
		end()
	})
	err := f.http.Shutdown(ctx)
	ending.Wait()
	if err == nil {
		err = f.conns.wait(ctx) // WebSockets that are still saying goodbye
	}
	cut = f.conns.closeAll()
	_ = f.http.Close() // only after Shutdown failed is there something to close
	if err == nil {
		return 0
	}
	return cut
}

// isOverLimit reports whether r came over a connection that is only there to be told
// that there are too many.
func isOverLimit(r *http.Request) bool { return engine.IsOverLimit(r) || excessOf(r) != within }

// tooManyConnections is why a request over such a connection is refused.
func (s *Server) tooManyConnections(r *http.Request) *handshake.Fault {
	f := engine.FaultOf(r)
	if f != nil && f.Rule == engine.RuleAddresses || excessOf(r) == aboveAddress {
		return &handshake.Fault{
			Status: http.StatusTooManyRequests, Rule: engine.RuleAddresses,
			Reason: "there are too many connections from this address, which may have " + strconv.Itoa(s.edge.addressMax) + "; close some of them, or try again later",
			Header: handshake.Header{"Retry-After": {"5"}},
		}
	}
	return &handshake.Fault{
		Status: http.StatusServiceUnavailable, Rule: engine.RuleConnsMax,
		Reason: "this server is limited to " + strconv.Itoa(s.config.Limits.Connections) + " connections at once; try again later",
		Header: handshake.Header{"Retry-After": {"5"}},
	}
}
