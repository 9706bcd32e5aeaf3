package engine

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// link is what a tls.Conn takes for its network connection. Nothing in it waits
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
type link struct {
	conn *Conn
	tls  *tls.Conn

	mu     sync.Mutex // guards what follows, up to the loop's fields; never held with a Conn's
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
}

// errLater makes tls.Conn.Read return, and go on when it is called again.
var errLater net.Error = laterError{}

type laterError struct{}

func (laterError) Error() string   { return "nothing has arrived" }
func (laterError) Timeout() bool   { return false }
func (laterError) Temporary() bool { return true }

func newLink(c *Conn, config *tls.Config) *link {
	k := &link{conn: c}
	k.tls = tls.Server(k, config)
	k.shake = newShake(k)
	return k
}

// Read is called by tls.
func (k *link) Read(p []byte) (int, error) {
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
		k.shake.awaits(time.Now())
	}
	n := k.record.cut(p, k.in)
	if k.in = k.in[n:]; len(k.in) == 0 {
		k.in = nil
	}
	room := k.shake != nil && len(k.in) == 0
	k.mu.Unlock()
	if room {
		k.tell()
	}
	return n, nil
}

// Write is called by tls.
func (k *link) Write(p []byte) (int, error) {
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
		k.tell()
	}
	return len(p), nil
}

// record follows the records of TLS in what is read (RFC 8446 §5.1). A tls.Conn
// keeps the largest buffer that it has ever read into, and it reads as much as
// there is. So it is given one record at a time: what an idle connection keeps depends
// on the largest that it has seen, and not on how many small ones came at once.
type record struct {
	head int  // bytes of the header that were given
	left int  // bytes of the record that were not, when the header was
	lost bool // net/http has read in between: it is not known any more
}

// cut copies from in what may be given.
func (r *record) cut(p, in []byte) int {
	if r.lost {
		return copy(p, in)
	}
	if r.head < recordHeaderBytes {
		n := copy(p, in[:min(len(in), recordHeaderBytes-r.head)])
		for _, b := range in[:n] {
			if r.head++; r.head > recordHeaderBytes-2 {
				r.left = r.left<<8 | int(b)
			}
		}
		if r.head < recordHeaderBytes {
			return n
		}
		return n + r.body(p[n:], in[n:])
	}
	return r.body(p, in)
}

func (r *record) body(p, in []byte) int {
	n := copy(p, in[:min(len(in), r.left)])
	r.left -= n
	r.next()
	return n
}

// next begins with another record if this one is over.
func (r *record) next() {
	if r.head == recordHeaderBytes && r.left == 0 {
		r.head = 0
	}
}

// tell has the loop look at the connection.
func (k *link) tell() {
	k.conn.mu.Lock()
	k.conn.unlockAndPost()
}

// Close is called by tls for net/http. The loop closes its descriptor itself.
func (k *link) Close() error {
	if socket := k.owner(); socket != nil {
		return socket.Close()
	}
	return nil
}

// owner returns the socket that net/http uses, nil when a loop has the
// connection.
func (k *link) owner() net.Conn {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.socket
}

// LocalAddr and RemoteAddr may be called by the application's tls.Config.
func (k *link) LocalAddr() net.Addr {
	if socket := k.owner(); socket != nil {
		return socket.LocalAddr()
	}
	return k.conn.LocalAddr()
}

func (k *link) RemoteAddr() net.Addr { return k.conn.peer.NetAddr() }

// The deadlines are those of net/http; the loop has its own.
func (k *link) SetDeadline(t time.Time) error {
	if socket := k.owner(); socket != nil {
		return socket.SetDeadline(t)
	}
	return nil
}

func (k *link) SetReadDeadline(t time.Time) error {
	if socket := k.owner(); socket != nil {
		return socket.SetReadDeadline(t)
	}
	return nil
}

func (k *link) SetWriteDeadline(t time.Time) error {
	if socket := k.owner(); socket != nil {
		return socket.SetWriteDeadline(t)
	}
	return nil
}

// shaking reports whether the handshake is not over.
func (k *link) shaking() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shake != nil
}

// waiting reports whether something is to be sent.
func (k *link) waiting() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.out) > 0
}

// drained reports whether tls has been given whole records and nothing is left.
func (k *link) drained() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.in) == 0 && k.record.head == 0 && !k.record.lost
}

// lend gives tls memory to write to, which push takes back.
func (k *link) lend(b []byte) {
	k.mu.Lock()
	k.out = b[:0]
	k.mu.Unlock()
}

// give lets net/http have the connection, on socket.
func (k *link) give(socket net.Conn) {
	k.mu.Lock()
	k.in = append([]byte(nil), k.in...) // it may be the loop's memory
	k.socket = socket
	k.mu.Unlock()
}

// takeBack makes k, which net/http has had, c's. Its socket has been taken.
func (k *link) takeBack(c *Conn) {
	k.mu.Lock()
	k.conn, k.socket, k.more = c, nil, true
	k.record.lost = true
	k.mu.Unlock()
}

// shake is what a link has during its handshake.
type shake struct {
	more    sync.Cond // in has grown, or aborted is set; its lock is the link's mu
	ctx     context.Context
	cancel  context.CancelFunc
	asked   bool // it is under way, or waits for its turn
	aborted bool
	done    bool
	err     error // of the handshake that is done

	// How long the peer has kept it waiting, see handshakes.
	waited  time.Duration
	since   time.Time // it waits; zero while it does not
	evicted bool      // it was ended for that
}

func newShake(k *link) *shake {
	s := &shake{more: sync.Cond{L: &k.mu}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// awaits waits for something to arrive, or the end; mu is held.
func (s *shake) awaits(now time.Time) {
	s.since = now
	s.more.Wait()
	s.waited += time.Since(s.since)
	s.since = time.Time{}
}

// abort ends a handshake that is not over.
func (k *link) abort() {
	k.mu.Lock()
	s := k.shake
	if s != nil {
		s.aborted = true
		s.more.Broadcast()
	}
	k.mu.Unlock()
	if s != nil {
		s.cancel()
	}
}
