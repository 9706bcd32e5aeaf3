package tlslink

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Owner is the connection that a link belongs to. Its methods may be called from
// any goroutine, and by the application's tls.Config.
type Owner interface {
	// Tell has the loop look at the connection, see Link.
	Tell()

	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// Link is what a tls.Conn takes for its network connection. Nothing in it waits
// for the network, except for net/http:
//
//	            handshake             established          net/http
//	Read     waits for the loop    what there is, or    waits for the socket
//	         to bring something    errLater
//	Write    out, and the loop     out, and the loop    the socket
//	         is told               sends it at once
//
// A tls.Conn takes a temporary error of Read for "not now", and any error of
// Write for the end. So Write never fails before the connection has ended.
//
// The loop calls everything that takes a Wire, and every method that is said to be the loop's.
type Link struct {
	owner Owner
	tls   *tls.Conn

	mu     sync.Mutex // guards what follows, up to the loop's fields; never held while the owner is called
	in     []byte     // has arrived and was not taken by tls
	out    []byte     // is to be sent
	shake  *shake     // nil when the handshake is over
	socket net.Conn   // net/http has the connection
	record record     // where in is

	// The loop's own.
	more    bool  // tls may have something that was not asked for yet
	end     error // comes after that
	broken  error // nothing can be sent any more
	writing bool  // the poller watches for room to write out
	full    bool  // the poller does not watch for reading: the handshake has enough
	moved   bool  // the peer took something, see HasMoved
}

// errLater makes tls.Conn.Read return, and go on when it is called again.
var errLater net.Error = laterError{}

type laterError struct{}

func (laterError) Error() string   { return "nothing has arrived" }
func (laterError) Timeout() bool   { return false }
func (laterError) Temporary() bool { return true }

// New makes a link that begins with a handshake as the server.
func New(owner Owner, config *tls.Config) *Link {
	k := &Link{owner: owner}
	k.tls = tls.Server(k, config)
	k.shake = newShake(k)
	return k
}

// Of returns the link of a tls.Conn that a loop has had, or nil.
func Of(nc net.Conn) *Link {
	if secure, ok := nc.(*tls.Conn); ok {
		if k, ok := secure.NetConn().(*Link); ok {
			return k
		}
	}
	return nil
}

// TLS returns the tls.Conn whose network connection k is.
func (k *Link) TLS() *tls.Conn { return k.tls }

// Read is called by tls.
func (k *Link) Read(p []byte) (int, error) {
	k.mu.Lock()
	for len(k.in) == 0 {
		switch {
		case k.socket != nil:
			socket := k.socket
			k.mu.Unlock()
			return socket.Read(p)
		case k.shake == nil:
			k.mu.Unlock()
			return 0, errLater
		case k.shake.aborted:
			k.mu.Unlock()
			return 0, net.ErrClosed
		}
		k.shake.await(time.Now())
	}
	n := k.record.cut(p, k.in)
	if k.in = k.in[n:]; len(k.in) == 0 {
		k.in = nil
	}
	room := k.shake != nil && len(k.in) == 0
	k.mu.Unlock()
	if room {
		k.owner.Tell()
	}
	return n, nil
}

// Write is called by tls.
func (k *Link) Write(p []byte) (int, error) {
	k.mu.Lock()
	if socket := k.socket; socket != nil {
		k.mu.Unlock()
		return socket.Write(p)
	}
	if k.shake != nil && k.shake.aborted {
		k.mu.Unlock()
		return 0, net.ErrClosed
	}
	k.out = append(k.out, p...)
	shaking := k.shake != nil
	k.mu.Unlock()
	if shaking {
		k.owner.Tell()
	}
	return len(p), nil
}

// Close is called by tls for net/http. The loop closes its descriptor itself.
func (k *Link) Close() error {
	if socket := k.Socket(); socket != nil {
		return socket.Close()
	}
	return nil
}

// Socket returns the socket that net/http uses, nil when a loop has the
// connection.
func (k *Link) Socket() net.Conn {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.socket
}

// LocalAddr implements net.Conn.
func (k *Link) LocalAddr() net.Addr {
	if socket := k.Socket(); socket != nil {
		return socket.LocalAddr()
	}
	return k.owner.LocalAddr()
}

// RemoteAddr implements net.Conn.
func (k *Link) RemoteAddr() net.Addr { return k.owner.RemoteAddr() }

// SetDeadline is for net/http, as are the other two; the loop has its own deadlines.
func (k *Link) SetDeadline(t time.Time) error {
	if socket := k.Socket(); socket != nil {
		return socket.SetDeadline(t)
	}
	return nil
}

// SetReadDeadline implements net.Conn.
func (k *Link) SetReadDeadline(t time.Time) error {
	if socket := k.Socket(); socket != nil {
		return socket.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline implements net.Conn.
func (k *Link) SetWriteDeadline(t time.Time) error {
	if socket := k.Socket(); socket != nil {
		return socket.SetWriteDeadline(t)
	}
	return nil
}

// IsShaking reports whether the handshake is not over.
func (k *Link) IsShaking() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shake != nil
}

// IsWaiting reports whether something is to be sent.
func (k *Link) IsWaiting() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.out) > 0
}

// isDrained reports whether tls has been given whole records and nothing is left.
func (k *Link) isDrained() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.in) == 0 && k.record.head == 0 && !k.record.lost
}

// lend gives tls memory to write to, which push takes back.
func (k *Link) lend(b []byte) {
	k.mu.Lock()
	k.out = b[:0]
	k.mu.Unlock()
}

// Give lets net/http have the connection, on socket.
func (k *Link) Give(socket net.Conn) {
	k.mu.Lock()
	k.in = append([]byte(nil), k.in...) // it may be the loop's memory
	k.socket = socket
	k.mu.Unlock()
}

// TakeBack makes k, which net/http has had, the owner's. Its socket has been taken.
func (k *Link) TakeBack(owner Owner) {
	k.mu.Lock()
	k.owner, k.socket, k.more = owner, nil, true
	k.record.lost = true
	k.mu.Unlock()
}
