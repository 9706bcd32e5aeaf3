package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine/internal/httphead"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/engine/internal/tlslink"
	"github.com/godwit-io/godwit/engine/internal/workers"
	"github.com/godwit-io/godwit/internal/proxyproto"
	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The defaults of Server.
const (
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultHeadBytesMax     = httphead.BytesMax
	DefaultConnsMax         = 1 << 20
	DefaultStallAfter       = time.Second
	DefaultShedAfter        = 5 * time.Second
)

var (
	errClosed  = fmt.Errorf("the connection was closed here: %w", net.ErrClosed)
	errTimeout = errors.New("engine: the peer took too long")
)

// Server serves WebSockets and, with Route and HTTP, other requests. The zero value with a Handler works; the fields must
// not be changed once it serves. All methods are safe for concurrent use.
//
// Among the numbers and durations zero means the default, and NoLimit that there is
// no limit. A negative one is refused: everything that would begin to serve returns
// an *OptionError in its chain.
type Server struct {
	// Handler is what happens on the connections. It is required.
	Handler Handler

	// HTTP serves, on the same port, every request that does not ask for a WebSocket
	// and that Route does not want, and those that Admit gives it. Keep-alive and
	// pipelining work. Nil: they are answered with 426, or with what else is wrong
	// with them as an opening handshake.
	//
	// Deadlines are those of the connection: HandshakeTimeout for a head, BodyTimeout
	// for its content, WriteTimeout for each part of a response, 16 KiB of it, that
	// the client must take, KeepAliveTimeout for the next request. A handler can set
	// others with http.ResponseController. A response ends the connection if the
	// request asked for a WebSocket, or had both Content-Length and Transfer-Encoding:
	// a proxy may see another request behind it than there is. A client that is still
	// sending then is read for up to CloseTimeout, so that it gets the response.
	HTTP http.Handler

	Options

	// Loops is how many loops there are, each of them a goroutine that keeps a
	// core busy at most. Default: runtime.GOMAXPROCS.
	Loops int

	// Origins admits pages of other origins, see handshake.ParseOrigins. Nil
	// admits the same origin only. Requests without an Origin header do not come
	// from a page and are always admitted.
	Origins *handshake.Origins

	// Subprotocols are those the server speaks, the preferred one first. The
	// first of them that the client offers too is chosen.
	Subprotocols []string

	// SelectSubprotocol, if not nil, chooses instead: one of offered, or "" for
	// none. It is called only when something was offered.
	SelectSubprotocol func(offered []string) string

	// Admit, if not nil, decides about an opening handshake that is in order: by
	// its path, its cookies, its address. It runs on the loop and must not block;
	// give what needs time to HTTP, and call Upgrade there.
	Admit func(r *Request) Admission

	// Route, if not nil, decides about each request that is no opening handshake
	// and that the loop understands completely: it is HTTP/1.1 for a path, and has
	// no content or one Content-Length, and neither Transfer-Encoding nor Expect nor
	// Upgrade. A Responder serves it on the loop, with little memory and no
	// goroutine, and then the connection's next request. Any other request is for
	// HTTP, with the rest of its connection.
	//
	// It runs on the loop and must not block. Its Request has the same rules as
	// that of Admit.
	Route func(r *Request) Route

	// Refuse, if not nil, makes the bodies of the engine's own refusals: of malformed
	// heads and handshakes, when the server is full, overloaded or closing, after a
	// handler has panicked, and of refusals of Admit without a Body. The Fault has the
	// status and what was wrong, and must not be modified. r is the request, with the
	// rules that it has for Admit, and nil when the fault is not about one whose head
	// is known. It may be called at the same time on several loops and must not
	// block. Default: the reason as plain text.
	Refuse func(r *Request, f *handshake.Fault) (contentType string, body []byte)

	// HTTPRefuses, if not nil, reports whether HTTP answers an opening handshake that is not
	// in order, instead of the engine with f: for paths of protocols that say how it is
	// refused. r and f have the rules that they have for Refuse, and r is never nil. HTTP sees the
	// request as it came, and the connection ends behind its response.
	HTTPRefuses func(r *Request, f *handshake.Fault) bool

	// HandshakeTimeout is how long the head of a request may take to arrive, TLS
	// before the first included. Default 10 seconds.
	HandshakeTimeout time.Duration

	// HeadBytesMax is how long the head of a request may be; it may have 100 fields.
	// It is answered with 431 beyond either. Default 16 KiB.
	HeadBytesMax int

	// BodyTimeout is how long the content of a request may take to arrive. A request
	// for a Responder is answered with 408 then; a handler of HTTP finds an error when
	// it reads on, and may allow more with http.ResponseController.SetReadDeadline.
	// Default 30 seconds.
	BodyTimeout time.Duration

	// KeepAliveTimeout is how long a connection may wait for its next request, after one
	// that a Responder or HTTP has served. Default 620 seconds, which is longer than
	// common balancers wait: the side that sends requests should end a connection, or
	// one of them may get lost.
	KeepAliveTimeout time.Duration

	// TLSHandshakesMax is how many handshakes of TLS may be under way at a time,
	// each of them a goroutine, see ServeTLS. Default 1024.
	TLSHandshakesMax int

	// ConnsMax is how many connections there may be, those of HTTP included. Up to 64
	// more at a time are told that there are too many: an opening handshake gets 503
	// with a Retry-After of 5 seconds, before Admit sees it, and Route and HTTP can
	// ask IsOverLimit; the connection ends behind its first response. Those beyond are
	// closed at once.
	// Default 1,048,576; the limit of the system's descriptors is mostly lower.
	ConnsMax int

	// Addresses, if not nil, counts the connections that Serve accepts by the address of
	// their clients, and limits them. One that it refuses is told so as those above
	// ConnsMax are, with 429, among the same 64.
	Addresses AddressCounter

	// ProxyHeader, if not nil, is asked about each connection that Serve accepts, by the
	// address of its peer, which is the zero value on a Unix socket. If it returns true,
	// a header of the PROXY protocol, version 1 or 2, must come first, before TLS, and
	// within HandshakeTimeout. The address in it is then the client's, for
	// everything that asks for it; a header that has none leaves that of the peer. A
	// connection without a header, or with a malformed one, ends, and the log says so.
	//
	// A peer that may send the header may claim any address: return true for proxies only.
	// It is called on the loops, must not block, and must not panic.
	ProxyHeader func(peer netip.AddrPort) bool

	// Pace spreads the goodbyes of Shutdown over this time, so that the clients
	// do not all come back at the same moment. Default: all at once.
	Pace time.Duration

	// Workers is how many calls of Blocking handlers may run at the same time;
	// more wait, in order. Each is a goroutine, and there are no more of them than
	// calls. Default 256.
	Workers int

	// StallAfter is how long a callback may hold up a loop before it is reported
	// in the log, by the name of its Handler, and how long calls may wait when all
	// Workers are busy. Default 1 second; NoLimit: never.
	StallAfter time.Duration

	// ShedAfter is when the server has more to do than it can. Once everything that
	// arrives has had to wait longer than that, twice in a row and on every loop,
	// opening handshakes are answered with 503 and a Retry-After of 5 to 14 seconds,
	// before Admit sees them, until a loop keeps up; those of Upgrade, too, and
	// requests for a Responder. One callback that blocks is no reason, and
	// connections that exist, requests for HTTP and Adopt go on. Default 5 seconds; NoLimit: never.
	ShedAfter time.Duration

	// Log gets what an operator should know. Default: slog.Default.
	Log *slog.Logger

	streams bool          // tests: no descriptors, also where there are some
	kernel  *socket.Calls // tests: faults; nil for the system

	once       sync.Once
	startErr   error
	settings   *settings
	numbers    numbers
	shared     atomic.Pointer[sharedLimits]
	loops      []*loop
	pool       *workers.Pool
	next       atomic.Uint32   // the loop that gets the next connection
	web        *web            // nil without HTTP
	goroutines sync.WaitGroup  // of the server, but for those of pool
	places     *tlslink.Places // for handshakes of TLS
	overload   overload
	stop       chan struct{}
	closing    atomic.Bool
	leaving    atomic.Bool  // nothing is accepted any more, see StopAccepting
	count      atomic.Int64 // connections of all loops and of HTTP, but for those above the limit
	overLimit  atomic.Int64 // connections above the limit, which are told so
	date       atomic.Pointer[dateText]

	strangers    atomic.Int64 // a header of the PROXY protocol was missing or malformed; as acceptFailed
	acceptFailed atomic.Int64 // when connections could not be accepted, the last time, on the clock of a loop; 0: never

	mu         sync.Mutex // guards what follows
	listeners  map[net.Listener]struct{}
	onShutdown []func()
	empty      chan struct{} // closed when there are no connections; nil while nobody waits
	closed     bool
}

// sharedLimits are settings made last, and of what.
type sharedLimits struct {
	of       *Options
	settings *settings
}

// limits returns the settings for o, those of s for nil. The error wraps an
// *OptionError.
func (s *Server) limits(o *Options) (*settings, error) {
	if o == nil {
		return s.settings, nil
	}
	if last := s.shared.Load(); last != nil && last.of == o {
		return last.settings, nil
	}
	made, err := newSettings(*o)
	if err != nil {
		return nil, err
	}
	made.compression = s.settings.compression
	if made.compression != nil && made.MessageBytesMax != s.settings.MessageBytesMax {
		inflated := *made.compression
		inflated.MessageBytesMax = made.MessageBytesMax
		made.compression = &inflated
	}
	s.shared.Store(&sharedLimits{o, made})
	return made, nil
}

func (s *Server) compression() bool { return s.settings.compression != nil }

func (s *Server) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.Default()
}

// start makes the loops, once.
func (s *Server) start() error {
	s.once.Do(func() { s.startErr = s.launch() })
	return s.startErr
}

func (s *Server) launch() error {
	if s.Handler == nil {
		return errors.New("engine: a Server needs a Handler")
	}
	if err := s.resolve(); err != nil {
		return err
	}
	s.stop = make(chan struct{})
	s.pool = workers.New(s.numbers.workers)
	s.places = s.newPlaces()
	for i := range s.numbers.loops {
		l, err := newLoop(s, i)
		if err != nil {
			for _, l := range s.loops {
				l.poll.Close()
			}
			s.loops = nil
			return fmt.Errorf("engine: cannot make a poller: %w", err)
		}
		s.loops = append(s.loops, l)
	}
	for _, l := range s.loops {
		s.goroutines.Go(l.run)
	}
	if s.HTTP != nil {
		s.web = newWeb(s)
		s.goroutines.Go(s.web.serve)
	}
	if after := s.numbers.stallAfter; after < driver.Forever {
		s.goroutines.Go(func() { s.watch(after) })
	}
	return nil
}

// ListenAndServe listens on a TCP address and serves until Shutdown or Close.
func (s *Server) ListenAndServe(address string) error {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return s.Serve(ln)
}

// Serve serves the connections of ln until Shutdown or Close, and then returns
// ErrServerClosed. It may be called for several listeners. The server owns ln.
//
// On Linux a TCP or Unix listener of package net is served by the loops
// themselves; for any other, such as one of crypto/tls, goroutines do the I/O.
// ServeTLS is the way to have TLS on the loops.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	if err := s.start(); err != nil {
		return err
	}
	if !s.track(ln) {
		return ErrServerClosed
	}
	defer s.untrack(ln)
	ok, err := s.acceptOnLoops(ln)
	switch {
	case err != nil && s.leaving.Load():
		return ErrServerClosed // ln was closed under us
	case err != nil:
		return err
	case ok:
		<-s.stop
		return ErrServerClosed
	}
	return s.acceptStreams(ln)
}

func (s *Server) track(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving.Load() {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
	}
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) untrack(ln net.Listener) {
	s.mu.Lock()
	delete(s.listeners, ln)
	s.mu.Unlock()
}

// acceptStreams serves a listener that the loops cannot watch.
func (s *Server) acceptStreams(ln net.Listener) error {
	var backoff time.Duration
	inside, config := unwrap(ln)
	for {
		nc, err := inside.Accept()
		switch {
		case s.closing.Load():
			if err == nil {
				nc.Close()
			}
			return ErrServerClosed
		case err != nil && s.leaving.Load():
			<-s.stop
			return ErrServerClosed
		case err != nil && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF)):
			return fmt.Errorf("engine: %w", err)
		case err != nil:
			first := s.loops[0]
			s.noteAcceptError(first.clock(), err)
			first.do(func() { first.tally.AcceptErrors++ })
			backoff = min(max(2*backoff, acceptBackoffMin), acceptBackoffMax)
			select {
			case <-time.After(backoff):
			case <-s.stop:
				return ErrServerClosed
			}
			continue
		}
		backoff = 0
		var proxied *proxyproto.Conn
		if s.ProxyHeader != nil && s.ProxyHeader(addrPortOf(nc.RemoteAddr())) {
			proxied = proxyproto.NewConn(nc, s.numbers.handshakeTimeout)
			nc = proxied
		}
		if config != nil {
			nc = tls.Server(nc, config)
		}
		l := s.pick()
		if !l.do(func() { l.acceptStream(nc, proxied) }) {
			nc.Close()
			return ErrServerClosed
		}
	}
}

const (
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// pick chooses the loop for a connection: of those that do not lag the one with
// the fewest.
func (s *Server) pick() *loop {
	first := int(s.next.Add(1))
	best := s.loops[first%len(s.loops)]
	for i := 1; i < len(s.loops); i++ {
		if l := s.loops[(first+i)%len(s.loops)]; l.isBetter(best, 0) {
			best = l
		}
	}
	return best
}

// acceptStream begins a connection whose I/O goroutines do. A header of the PROXY
// protocol comes first if proxied, which is inside nc, is not nil.
func (l *loop) acceptStream(nc net.Conn, proxied *proxyproto.Conn) {
	if l.stopping {
		nc.Close()
		return
	}
	flags, ok := l.enter()
	if !ok {
		nc.Close()
		return
	}
	var peer socket.Address
	if proxied == nil && l.server.Addresses != nil {
		peer = socket.AddressOf(addrPortOf(nc.RemoteAddr()))
		if flags, ok = l.enterAddress(peer.AddrPort().Addr(), flags); !ok {
			nc.Close()
			l.server.leave(seat{})
			return
		}
	}
	c := l.newConn(-1, peer, flags)
	r := c.needRare() // nobody else knows c yet
	l.awaitHead(c)
	r.stream = newStream(l, c, nc, proxied)
}

// awaitHead waits for the head of the first request.
func (l *loop) awaitHead(c *Conn) {
	l.open.Add(1)
	l.insert(c)
	l.wheel.Set(c, l.clock()+wsproto.Time(l.server.numbers.handshakeTimeout))
}
