package forward

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// NewToken returns a secret that nobody can guess.
func NewToken() string { return rand.Text() + rand.Text() }

// Bounds of a Gate.
const (
	headTimeout  = 10 * time.Second
	idleTimeout  = 2 * time.Minute
	strangersMax = 256 // connections over which nobody has shown the token yet
	warnInterval = time.Minute

	// strangerPatience is how long a stranger has before it makes room for another one, if there are
	// too many: nodes show the token as soon as they are connected, and many may come at once.
	strangerPatience = 3 * time.Second

	// refusedTimeout is how long a refused client may take for the rest of a request. It is read so
	// that the answer is not lost, which it is if the connection is closed before.
	refusedTimeout = 2 * time.Second
)

// Gate is where other nodes hand requests on to this one.
type Gate struct {
	token   string
	serve   http.Handler
	trust   *tls.Config // nil: none
	http    *http.Server
	log     *slog.Logger
	taken   atomic.Uint64
	refused atomic.Uint64
	warned  atomic.Int64 // when the log had a refusal last, in seconds

	serving sync.WaitGroup

	mu        sync.Mutex    // guards what follows
	patience  time.Duration // strangerPatience
	strangers []*visitor    // the oldest first
	fewer     chan struct{} // is told when one is a stranger no more
}

// NewGate returns a Gate that has serve serve the requests of nodes that show token. What
// serve sees of a request is as if its client had asked here: its RemoteAddr, whether it
// came over TLS (without a certificate or what else there is to know of that), and its
// fields. OriginOf says the rest. headerBytesMax is how large the head of a request of a
// client may be. trust is TLS for the nodes that connect, nil for none.
func NewGate(token string, serve http.Handler, headerBytesMax int, trust *tls.Config, log *slog.Logger) *Gate {
	g := &Gate{token: token, serve: serve, trust: trust, log: log, patience: strangerPatience, fewer: make(chan struct{}, 1)}
	g.http = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: headTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax + originBytesMax + 1<<10,
		ConnContext:       g.welcome,
		ConnState:         g.watch,
		ErrorLog:          stdlog.New(refusals{g}, "", 0),
	}
	return g
}

// refusals hear what net/http has to say of connections.
type refusals struct{ of *Gate }

// Write implements io.Writer.
func (r refusals) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		r.of.refused.Add(1)
		if isDue(&r.of.warned) {
			level = slog.LevelWarn
		}
	}
	r.of.log.Log(context.Background(), level, "a connection to the address for other nodes: "+string(bytes.TrimSpace(line)))
	return len(line), nil
}

// visitor is a connection to a Gate.
type visitor struct {
	net.Conn
	came time.Time
}

type visitorKey struct{}

func (g *Gate) welcome(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, visitorKey{}, below(nc))
}

// below is what a connection is without TLS.
func below(nc net.Conn) net.Conn {
	if secured, ok := nc.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return nc
}

// watch counts those that are no strangers any more because they are gone.
func (g *Gate) watch(nc net.Conn, state http.ConnState) {
	if v, ok := below(nc).(*visitor); ok && (state == http.StateClosed || state == http.StateHijacked) {
		g.know(v)
	}
}

func (g *Gate) know(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.strangers, v); i >= 0 {
		g.strangers = slices.Delete(g.strangers, i, i+1)
		select {
		case g.fewer <- struct{}{}:
		default:
		}
	}
}

// admit takes a stranger in. If there are too many, it waits until one is known, or the oldest
// has had its time.
func (g *Gate) admit(v *visitor) {
	for {
		g.mu.Lock()
		if len(g.strangers) < strangersMax {
			g.strangers = append(g.strangers, v)
			g.mu.Unlock()
			return
		}
		oldest, patience := g.strangers[0], g.patience
		g.mu.Unlock()
		left := time.Until(oldest.came.Add(patience))
		if left <= 0 {
			g.know(oldest)
			_ = oldest.Close() // its client has shown nothing
			continue
		}
		timer := time.NewTimer(left)
		select {
		case <-g.fewer:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// door accepts connections for a Gate.
type door struct {
	net.Listener
	gate *Gate
}

// Accept implements net.Listener.
func (d door) Accept() (net.Conn, error) {
	nc, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	v := &visitor{nc, time.Now()}
	d.gate.admit(v)
	if d.gate.trust != nil {
		return tls.Server(v, d.gate.trust), nil
	}
	return v, nil
}

// Serve serves the connections of ln, which it closes, until Close. It returns at once.
func (g *Gate) Serve(ln net.Listener) {
	g.serving.Go(func() {
		if err := g.http.Serve(door{ln, g}); err != http.ErrServerClosed {
			g.log.Error("requests that other nodes hand on are not served any more", "address", ln.Addr().String(), "error", err)
		}
	})
}

// Shutdown ends it, with the requests that are under way as long as ctx allows.
func (g *Gate) Shutdown(ctx context.Context) {
	if g.http.Shutdown(ctx) != nil {
		_ = g.http.Close() // there is nothing left to wait for
	}
	g.serving.Wait()
}

// ServeHTTP implements http.Handler.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	shown := r.Header.Values(FieldToken)
	if len(shown) != 1 || subtle.ConstantTimeCompare([]byte(shown[0]), []byte(g.token)) != 1 {
		g.refused.Add(1)
		level := slog.LevelDebug
		if isDue(&g.warned) {
			level = slog.LevelWarn
		}
		g.log.Log(r.Context(), level, "a request to the address for other nodes did not show the token of this one", "remote", r.RemoteAddr)
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusedTimeout)) // else it stays a stranger for ever
		w.Header().Set("Connection", "close")
		w.Header().Set(FieldToken, "unknown") // another node sees that the answer is not the protocol's
		http.Error(w, "This address is for the other nodes of a cluster.", http.StatusUnauthorized)
		return
	}
	origins := r.Header.Values(FieldOrigin)
	if len(origins) != 1 {
		http.Error(w, errOrigin.Error(), http.StatusBadRequest)
		return
	}
	origin, err := ParseOrigin(origins[0])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if v, ok := r.Context().Value(visitorKey{}).(*visitor); ok {
		g.know(v)
	}
	g.taken.Add(1)
	r = withOrigin(r, origin)
	r.Header.Del(FieldToken)
	r.Header.Del(FieldOrigin)
	r.RemoteAddr, r.TLS = origin.Peer, nil
	if origin.IsSecure {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	}
	g.serve.ServeHTTP(w, r)
}

// Counts returns how many requests were let in, and refused.
func (g *Gate) Counts() (taken, refused uint64) { return g.taken.Load(), g.refused.Load() }
