package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/ws/handshake"
)

// web is the HTTP server behind the loops. It gets connections with a request that is
// for neither a WebSocket nor a Responder, and the bytes that were read of them.
type web struct {
	owner  *Server
	server *http.Server
	queue  *handoff

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]*forwarded
	ended bool // all were cut
}

func newWeb(s *Server) *web {
	w := &web{owner: s, queue: &handoff{ready: make(chan struct{}, 1), done: make(chan struct{})}, conns: make(map[net.Conn]*forwarded)}
	w.server = &http.Server{
		Handler:           &webHandler{s},
		ReadHeaderTimeout: s.numbers.handshakeTimeout,
		IdleTimeout:       s.numbers.keepAliveTimeout,
		// net/http adds 4 KiB of its own to what it is told, and takes 0 for 1 MiB.
		MaxHeaderBytes: max(1, s.numbers.headBytesMax-4<<10),
		HTTP2: &http.HTTP2Config{ // it has no forwarded around its connections
			WriteByteTimeout: s.settings.WriteTimeout,
			SendPingTimeout:  s.settings.PingInterval,
			PingTimeout:      s.settings.PingTimeout,
		},
		ConnContext: w.connContext,
		ConnState:   w.note,
		ErrorLog:    slog.NewLogLogger(s.log().Handler(), slog.LevelDebug), // what peers did wrong
	}
	return w
}

func (w *web) serve() { _ = w.server.Serve(w.queue) } // it returns when it is shut down

func (w *web) shutdown(ctx context.Context) error {
	_ = w.queue.Close() // also if serve has not come to it yet
	err := w.server.Shutdown(ctx)
	if err != nil {
		w.close()
	}
	return err
}

func (w *web) close() {
	_ = w.queue.Close()
	w.cut() // before net/http says goodbye to each, which may wait
	_ = w.server.Close()
}

// webHandler serves the requests of these connections. A later one may ask for a
// WebSocket, and is treated as if it had come first.
type webHandler struct{ server *Server }

func (h *webHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := forwardedOf(r)
	if f != nil && r.TLS == nil {
		r.TLS = f.tlsState()
	}
	upgrade := handshake.IsUpgrade(r.Header)
	last := f != nil && f.last || upgrade && r.ProtoMajor == 1 || h.server.leaving.Load() && !upgrade
	if last {
		w.Header().Set("Connection", "close")
	}
	if r.ContentLength != 0 {
		// net/http takes it back at the end of the content. An error is of a connection
		// that has ended.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.server.numbers.bodyTimeout))
	} else if f != nil && !last {
		f.owe(false)
	}
	if upgrade {
		_, err := h.server.upgrade(w, r, h.server.Admit, true)
		if wrong, ok := errors.AsType[*OptionError](err); ok {
			h.server.log().Error("engine: Admit returned what cannot be", "error", wrong)
		}
		if !errors.Is(err, errGiven) {
			return
		}
	}
	h.server.HTTP.ServeHTTP(w, r)
}

// forward gives a connection to HTTP, with p, which was read of it and begins with a
// request. With last set that request is the connection's last.
func (l *loop) forward(c *Conn, p []byte, last bool) {
	early := append([]byte(nil), p...)
	l.tally.HTTP++
	k := c.linkOf()
	var nc net.Conn
	if s := c.streamOf(); s != nil {
		nc = l.surrender(c, s)
	} else {
		fd := c.fd
		l.poll.Remove(fd)
		l.detach(c)
		c.mu.Lock()
		c.fd = -1
		c.mu.Unlock()
		keepAlive(fd) // package net asks after 15 seconds, and would give up much later
		var err error
		if nc, err = socket.NetConn(fd); err != nil {
			l.server.log().Error("engine: cannot give a connection to HTTP", "error", err)
		}
	}
	l.open.Add(-1)
	seat := c.seat()
	if nc == nil {
		l.server.leave(seat)
		return
	}
	if k != nil {
		k.Give(nc)
		nc = k.TLS()
	}
	w := l.server.web
	w.take(&forwarded{Conn: nc, web: w, early: early, http2: len(early) == 0, seat: seat, told: c.told(), last: last || seat.over != within})
}

// surrender takes the transport from a stream. Its reader mostly waits to be
// resumed, as its last bytes are those being handed over. It may be reading, though,
// after a request that a loop has served; the bytes of that read then come first.
func (l *loop) surrender(c *Conn, s *stream) net.Conn {
	l.detach(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.waiting && len(s.in) == 0 && s.inErr == nil {
		s.resumeReader()
		return s.nc
	}
	left := make(chan struct{})
	s.left = left
	s.resumeReader() // if it waits, it has bytes that were not looked at yet
	return &leftConn{Conn: s.nc, stream: s, left: left}
}

// leftConn is the transport of a stream whose reader was at work.
type leftConn struct {
	net.Conn
	stream *stream
	left   chan struct{} // closed when the reader has ended
	taken  bool          // everything that the reader has brought was read; belongs to the goroutine that reads
}

func (c *leftConn) Read(p []byte) (int, error) {
	if c.taken {
		return c.Conn.Read(p)
	}
	s := c.stream
	<-c.left // a deadline ends the reader's read, too
	s.mu.Lock()
	n, err := copy(p, s.in), s.inErr
	s.in = s.in[n:]
	c.taken = len(s.in) == 0
	s.mu.Unlock()
	switch {
	case !c.taken:
		return n, nil
	case n == 0 && err == nil:
		return c.Conn.Read(p)
	}
	return n, err
}

// CloseWrite is what net/http looks for to let a last response arrive.
func (c *leftConn) CloseWrite() error {
	if nc, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return nc.CloseWrite()
	}
	return nil
}

// hasChosenHTTP2 waits for the TLS handshake, if there is one, and reports whether the
// peer has chosen HTTP/2. An error of the handshake comes again with the first read.
func (s *stream) hasChosenHTTP2() bool {
	secure, ok := s.nc.(*tls.Conn)
	return ok && s.loop.server.web != nil && secure.Handshake() == nil && secure.ConnectionState().NegotiatedProtocol == protoHTTP2
}

// surrenderHTTP2 gives HTTP the transport of a stream of which nothing was read. The
// stream has no reader any more.
func (l *loop) surrenderHTTP2(c *Conn, s *stream) {
	if c.state != stateHead {
		return // the connection was closed meanwhile
	}
	l.detach(c)
	l.tally.HTTP++
	l.open.Add(-1)
	w, seat := l.server.web, c.seat()
	w.take(&forwarded{Conn: s.nc, web: w, http2: true, seat: seat, last: seat.over != within})
}

// handoff is the listener of web: it accepts the connections that the loops put into
// it, without waiting.
type handoff struct {
	mu     sync.Mutex // guards what follows
	queue  []*forwarded
	closed bool

	ready chan struct{} // capacity 1: the queue is not empty
	done  chan struct{}
}

func (h *handoff) put(f *forwarded) {
	h.mu.Lock()
	closed := h.closed
	if !closed {
		h.queue = append(h.queue, f)
	}
	h.mu.Unlock()
	if closed {
		f.cut()
		return
	}
	select {
	case h.ready <- struct{}{}:
	default:
	}
}

func (h *handoff) Accept() (net.Conn, error) {
	for {
		h.mu.Lock()
		if len(h.queue) > 0 {
			f := h.queue[0]
			h.queue[0] = nil
			if h.queue = h.queue[1:]; len(h.queue) == 0 {
				h.queue = nil
			}
			h.mu.Unlock()
			return f.served(), nil
		}
		h.mu.Unlock()
		select {
		case <-h.ready:
		case <-h.done:
			return nil, net.ErrClosed
		}
	}
}

func (h *handoff) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	close(h.done)
	for _, f := range h.queue {
		f.cut()
	}
	h.queue = nil
	return nil
}

func (h *handoff) Addr() net.Addr { return &net.UnixAddr{Name: "engine", Net: "unix"} }
