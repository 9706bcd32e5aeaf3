package engine

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
)

// forwarded is a connection that Server.HTTP has. It keeps its place among the
// server's until it is closed, by net/http or by a handler that has taken it over:
//
//	loop ── forward ──► net/http ── Hijack ──► handler
//	 ▲                                            │
//	 └────────────── Upgrade, Adopt ──────────────┘
type forwarded struct {
	net.Conn
	web *web

	mu    sync.Mutex // guards early
	early []byte     // was read before, and comes first

	http2     bool // net/http has Conn itself, as it wants to see that it is TLS
	overLimit bool // it was accepted to be told that there are too many
}

// served returns what net/http is given.
func (f *forwarded) served() net.Conn {
	if f.http2 {
		return f.Conn
	}
	return f
}

// Read implements net.Conn.
func (f *forwarded) Read(p []byte) (int, error) {
	f.mu.Lock()
	if len(f.early) > 0 {
		n := copy(p, f.early)
		if f.early = f.early[n:]; len(f.early) == 0 {
			f.early = nil
		}
		f.mu.Unlock()
		return n, nil
	}
	f.mu.Unlock()
	return f.Conn.Read(p)
}

// CloseWrite is what net/http looks for to let a last response arrive.
func (f *forwarded) CloseWrite() error {
	if nc, ok := f.Conn.(interface{ CloseWrite() error }); ok {
		return nc.CloseWrite()
	}
	return nil
}

// ReadFrom lets a file go from the kernel to the socket.
func (f *forwarded) ReadFrom(r io.Reader) (int64, error) { return io.Copy(f.Conn, r) }

// Close implements net.Conn.
func (f *forwarded) Close() error {
	counted := f.web.forget(f)
	err := f.Conn.Close()
	if counted {
		f.web.owner.leave(f.overLimit)
	}
	return err
}

// cut ends the connection at once.
func (f *forwarded) cut() {
	if !f.web.forget(f) {
		return
	}
	nc := f.Conn
	if left, ok := nc.(*leftConn); ok {
		nc = left.Conn
	}
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn() // a goodbye would wait for a peer that does not read
	}
	nc.Close()
	f.web.owner.leave(f.overLimit)
}

// giveTo takes the connection from HTTP for s, and reports whether it has a place
// there already.
func (f *forwarded) giveTo(s *Server) bool {
	counted := f.web.forget(f)
	if counted && (f.web.owner != s || f.overLimit) {
		f.web.owner.leave(f.overLimit)
		return false
	}
	return counted
}

// tlsState returns what is known of the connection's TLS, nil without. net/http does
// not see it.
func (f *forwarded) tlsState() *tls.ConnectionState {
	nc := f.Conn
	if left, ok := nc.(*leftConn); ok {
		nc = left.Conn
	}
	return stateOf(nc)
}

// take gives a connection to net/http.
func (w *web) take(f *forwarded) {
	w.mu.Lock()
	w.conns[f.served()] = f
	w.mu.Unlock()
	w.queue.put(f)
}

// find returns what is known of a connection of net/http's, nil for none.
func (w *web) find(nc net.Conn) *forwarded {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns[nc]
}

// forget reports whether f was known.
func (w *web) forget(f *forwarded) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, known := w.conns[f.served()]
	delete(w.conns, f.served())
	return known
}

// len returns how many connections HTTP has, those included that handlers have
// taken over.
func (w *web) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// cut ends every connection at once.
func (w *web) cut() {
	w.mu.Lock()
	all := slices.Collect(maps.Values(w.conns))
	w.mu.Unlock()
	for _, f := range all {
		f.cut()
	}
}

// note is told by net/http how far a connection has come. What net/http has itself
// does not tell when it is closed.
func (w *web) note(nc net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	if f := w.find(nc); f != nil && w.forget(f) {
		w.owner.leave(f.overLimit)
	}
}

// forwardedKey is the key of a request's connection in its context.
type forwardedKey struct{}

func (w *web) connContext(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, forwardedKey{}, w.find(nc))
}

// forwardedOf returns the connection of a request, nil if it came another way.
func forwardedOf(r *http.Request) *forwarded {
	f, _ := r.Context().Value(forwardedKey{}).(*forwarded)
	return f
}
