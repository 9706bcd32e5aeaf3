package engine

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
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

	mu    sync.Mutex // guards what follows
	early []byte     // was read before, and comes first
	timed bool       // a handler has said until when may be written
	owing bool       // the client may still be sending a request that is answered

	http2 bool     // net/http has Conn itself, as it wants to see that it is TLS
	seat  seat     // that it keeps
	told  net.Addr // the client's address as a proxy has said it; nil: that of Conn
	last  bool     // the connection ends behind the first response
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

// RemoteAddr implements net.Conn.
func (f *forwarded) RemoteAddr() net.Addr {
	if f.told != nil {
		return f.told
	}
	return f.Conn.RemoteAddr()
}

// CloseWrite is what net/http looks for to let a last response arrive.
func (f *forwarded) CloseWrite() error {
	if nc, ok := f.Conn.(interface{ CloseWrite() error }); ok {
		return nc.CloseWrite()
	}
	return nil
}

// Write implements net.Conn. The client must take each part of p within WriteTimeout,
// unless the handler has said otherwise.
func (f *forwarded) Write(p []byte) (n int, err error) {
	for {
		f.beginPart()
		part := p[n:min(n+forwardedPartBytes, len(p))]
		k, err := f.Conn.Write(part)
		if n += k; err != nil || n == len(p) {
			return n, err
		}
	}
}

// ReadFrom lets a file go from the kernel to the socket, in parts like those of
// Write.
func (f *forwarded) ReadFrom(r io.Reader) (n int64, err error) {
	all, ok := r.(*io.LimitedReader)
	if !ok {
		all = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	for all.N > 0 {
		f.beginPart()
		part := io.LimitedReader{R: all.R, N: min(all.N, forwardedPartBytes)} // package net sends a file behind one of these, not two
		k, err := io.Copy(f.Conn, &part)
		n, all.N = n+k, all.N-k
		if err != nil || part.N > 0 {
			return n, err
		}
	}
	return n, nil
}

// forwardedPartBytes is how much the client must take within WriteTimeout.
const forwardedPartBytes = 16 << 10

// beginPart gives the client time for what is written next.
func (f *forwarded) beginPart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.timed {
		_ = f.Conn.SetWriteDeadline(time.Now().Add(f.web.owner.settings.WriteTimeout)) // the write says what is wrong
	}
}

// SetWriteDeadline implements net.Conn, for handlers; the zero time is WriteTimeout
// again.
func (f *forwarded) SetWriteDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timed = !t.IsZero()
	return f.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (f *forwarded) SetDeadline(t time.Time) error {
	if err := f.SetWriteDeadline(t); err != nil {
		return err
	}
	return f.Conn.SetReadDeadline(t)
}

// Close implements net.Conn. A client that is still sending would not get the answer
// if what it sends met a closed connection, so that is dropped for a while.
func (f *forwarded) Close() error {
	if f.begunLingering() {
		return nil
	}
	counted := f.web.forget(f)
	err := f.Conn.Close()
	if counted {
		f.web.owner.leave(f.seat)
	}
	return err
}

// begunLingering reports whether the connection is closed later.
func (f *forwarded) begunLingering() bool {
	f.mu.Lock()
	owing := f.owing
	f.owing = false
	f.mu.Unlock()
	return owing && f.web.begin(f.linger)
}

// linger ends this side of the connection, and then the whole when the client has
// ended its, or has had its time.
func (f *forwarded) linger() {
	_ = f.CloseWrite() // the client learns of the end when we close, at the latest
	_ = f.Conn.SetReadDeadline(time.Now().Add(f.web.owner.settings.CloseTimeout))
	_, _ = io.CopyN(io.Discard, f, lingerBytesMax) // an error is its end
	_ = f.Close()
}

// owe notes whether the client may still be sending a request.
func (f *forwarded) owe(owing bool) {
	f.mu.Lock()
	f.owing = owing
	f.mu.Unlock()
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
	f.web.owner.leave(f.seat)
}

// giveTo takes the connection from HTTP for s, and reports whether it has a place
// there already.
func (f *forwarded) giveTo(s *Server) bool {
	counted := f.web.forget(f)
	if counted && (f.web.owner != s || f.seat.over != within) {
		f.web.owner.leave(f.seat)
		return false
	}
	return counted
}

// tlsState returns the state of the connection's TLS, nil without. net/http does
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

// find returns the state of a connection of net/http's, nil for none.
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

// begin runs f in a goroutine of the server, unless all connections were cut.
func (w *web) begin(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.owner.goroutines.Go(f)
	}
	return !w.ended
}

// cut ends every connection at once.
func (w *web) cut() {
	w.mu.Lock()
	w.ended = true
	all := slices.Collect(maps.Values(w.conns))
	w.mu.Unlock()
	for _, f := range all {
		f.cut()
	}
}

// note is told by net/http how far a connection has come.
func (w *web) note(nc net.Conn, state http.ConnState) {
	f := w.find(nc)
	if f == nil {
		return
	}
	switch state {
	case http.StateActive: // net/http may find that the request is none
		f.owe(true)
	case http.StateIdle:
		f.owe(false)
	case http.StateHijacked: // a handler has the connection, with its deadlines
		f.mu.Lock()
		f.owing, f.timed = false, true
		f.mu.Unlock()
	case http.StateClosed:
		if f.http2 && w.forget(f) { // any other is told by Close
			w.owner.leave(f.seat)
		}
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
