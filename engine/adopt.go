package engine

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/godwit-io/godwit/engine/internal/outbox"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/engine/internal/tlslink"
	"github.com/godwit-io/godwit/internal/responded"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Upgrade makes a WebSocket of a request that net/http has read, of Server.HTTP
// or of any other server; Admit is not asked. When the request may not become
// one, Upgrade has answered it and returns a *handshake.Fault; the handler only
// has to return. Other errors mean that an option is wrong (an *OptionError; the
// client got a 500), that the connection could not be taken over, ErrConnsMax
// among them, or that the handler has begun another response with WriteHeader or
// Write, which the client gets then.
//
// The connection lives on when the handler has returned, without a goroutine.
// OnOpen may be called before Upgrade returns, and earlier than what is done
// with its result; Admission has what the connection needs from the beginning.
// With Admission.Pending the Conn is a WebSocket only when that has been decided, and
// its methods that write return an error until then.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request, a Admission) (*Conn, error) {
	if responded.Already(w) {
		// Hijack would work, send that response, and leave us to write behind it.
		return nil, errResponded
	}
	return s.upgrade(w, r, func(*Request) Admission { return a }, false)
}

var errResponded = errors.New("engine: the handler has begun a response with WriteHeader or Write, so this cannot become a WebSocket: call Upgrade before, and give it what the response is to have in Admission.Header")

// errGiven is the error for a request that Admit gives to Server.HTTP.
var errGiven = errors.New("engine: the request is for HTTP")

// upgrade makes a WebSocket of a request if admit accepts it.
//
// With mayGive a handshake that is not in order may be for HTTP, too.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, admit func(*Request) Admission, mayGive bool) (*Conn, error) {
	if err := s.start(); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil, err
	}
	seen := &Request{http: r, secure: r.TLS != nil, remote: remoteOf(r), over: excessOf(r)}
	accepted, agreed, fault := s.check(&handshake.Request{
		Method: r.Method, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Host: r.Host,
		Secure: r.TLS != nil, Content: r.ContentLength != 0, Header: r.Header,
	}, seen, admit)
	if fault != nil && mayGive && s.isRefusedByHTTP(seen, &agreed, fault) {
		return nil, errGiven
	}
	if fault != nil {
		for name, values := range fault.Header {
			w.Header()[name] = values
		}
		contentType, body := s.refusal(seen, fault, &agreed.admission)
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(fault.Status)
		_, _ = w.Write(body) // on an error the client has gone
		return nil, fault
	}
	if agreed.admission.HTTP {
		return nil, errGiven
	}
	var response []byte
	var err error
	if agreed.admission.Pending != nil {
		agreed.pending, err = s.newPending(&accepted, &agreed.admission)
	} else {
		response, err = s.respond(make([]byte, 0, 512), &accepted, &agreed)
	}
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil, err
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot be upgraded to WebSocket", http.StatusInternalServerError)
		return nil, fmt.Errorf("websocket: cannot take over the connection: %w", err)
	}
	// A client may send frames right behind its request, and they may have been
	// read already.
	var early []byte
	if n := buffered.Reader.Buffered(); n > 0 {
		early = make([]byte, n)
		_, _ = buffered.Read(early) // they are in memory
	}
	return s.adopt(nc, early, response, &agreed)
}

func remoteOf(r *http.Request) netip.AddrPort {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{} // a Unix socket's
	}
	return a
}

// Adoption tells Adopt about a connection.
type Adoption struct {
	// Early has the bytes that were read behind the opening handshake. Adopt keeps it.
	Early []byte

	// Subprotocol and Compression are those of the handshake; a nil Compression is
	// none. It needs Options.Compression.
	Subprotocol string
	Compression *deflate.Params

	// Value, Handler and Limits are as in Admission.
	Value   any
	Handler Handler
	Limits  *Options
}

// Adopt takes a connection over whose opening handshake has been answered. The
// server owns nc from then on, also after an error, which is ErrServerClosed,
// ErrConnsMax, or says what was wrong with a.
//
// On Linux the loop takes the descriptor of a *net.TCPConn or *net.UnixConn, and
// closes nc, which lives no longer than this call. A wrapper of one that leaves
// its bytes alone can say so with a method Socket() net.Conn that returns it. A
// *tls.Conn goes back to a loop if it came from one, by ServeTLS and Server.HTTP;
// for any other, goroutines do the I/O.
func (s *Server) Adopt(nc net.Conn, a Adoption) (*Conn, error) {
	err := s.start()
	if err == nil && a.Compression != nil && s.settings.compression == nil {
		err = errors.New("engine: a connection with compression needs Options.Compression")
	}
	var limits *settings
	if err == nil {
		limits, err = s.limits(a.Limits)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	agreed := &agreement{subprotocol: a.Subprotocol, settings: limits, admission: Admission{Value: a.Value, Handler: a.Handler}}
	if a.Compression != nil {
		agreed.compressed, agreed.compression = true, *a.Compression
	}
	return s.adopt(nc, a.Early, nil, agreed)
}

// adopt gives nc to a loop. first is sent before anything else.
func (s *Server) adopt(nc net.Conn, early, first []byte, a *agreement) (*Conn, error) {
	_ = nc.SetDeadline(time.Time{})
	if s.closing.Load() {
		nc.Close()
		return nil, ErrServerClosed
	}
	peer := nc.RemoteAddr()
	counted, flags, mode := false, flags(0), mode(0)
	if f, ok := nc.(*forwarded); ok {
		early = append(early, f.early...)
		counted, nc = f.giveTo(s), f.Conn
		if counted && f.seat.address.IsValid() {
			flags = addressed
		}
		if f.told != nil {
			mode = toldByProxy
		}
	}
	if left, ok := nc.(*leftConn); ok && left.taken {
		nc = left.Conn
	}
	if !counted && !s.enter() {
		nc.Close()
		return nil, ErrConnsMax
	}
	l := s.pick()
	c := l.newConn(-1, socket.AddressOf(addrPortOf(peer)), flags)
	c.mode = mode
	if a.pending == nil {
		l.applyAgreement(c, a)
	}
	fd, ok := int32(-1), false
	var k *tlslink.Link
	if !s.streams {
		if k = tlslink.Of(nc); k != nil {
			nc = k.Socket()
		}
		fd, ok = socket.Take(nc)
	}
	if ok && k != nil {
		k.TakeBack(linkOwner{c})
		c.mode |= secured
		c.setLink(k)
	} else if k != nil {
		nc = k.TLS()
	}
	join := func() {
		// It is the first task that knows c, so c was not visited before.
		l.open.Add(1)
		l.insert(c)
		if ok {
			c.mu.Lock()
			c.fd = fd
			c.mu.Unlock()
			if err := l.poll.Add(fd, c.slot); err != nil {
				l.server.log().Error("engine: cannot watch a connection", "error", err)
				l.release(c)
				return
			}
		} else {
			c.mu.Lock()
			c.needRare().stream = newStream(l, c, nc, nil)
			c.mu.Unlock()
		}
		if l.stopping {
			l.abandon(c)
			return
		}
		if a.pending != nil {
			l.joinPending(c, a, early)
			return
		}
		l.join(c, first, early)
	}
	if !l.do(join) {
		s.leave(c.seat())
		if ok {
			socket.System.Close(fd)
		} else {
			nc.Close()
		}
		return nil, ErrServerClosed
	}
	return c, nil
}

// joinPending makes the opening handshake of an adopted connection wait.
func (l *loop) joinPending(c *Conn, a *agreement, early []byte) {
	defer l.recoverPanic(c)
	l.begin(c)
	l.suspendHandshake(c, a.pending, &a.admission, early)
	l.current.Store(nil)
}

// join begins the life of an adopted connection.
func (l *loop) join(c *Conn, first, early []byte) {
	defer l.recoverPanic(c)
	l.begin(c)
	if len(first) > 0 {
		// What was written since Adopt returned goes behind it.
		c.mu.Lock()
		o := outbox.Get()
		o.Bytes = append(o.Bytes, first...)
		if c.out != nil {
			o.Append(c.out)
			c.out.Recycle()
		}
		c.out = o
		c.queued += len(first)
		c.mu.Unlock()
	}
	l.tally.Accepted++
	l.openWebSocket(c, early)
	l.current.Store(nil)
}
