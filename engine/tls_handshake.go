package engine

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"

	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/ws/handshake"
)

const (
	// feedBytesMax is how much may wait for a handshake to take it. What comes
	// behind stays with the system.
	feedBytesMax = 32 << 10

	recordHeaderBytes = 5
	recordBytesMax    = 16 << 10 // RFC 8446 §5.1: of a record before it is encrypted
	recordHandshake   = 22       // RFC 8446 §5.1: the content type of a ClientHello
)

// shakeHands makes the handshake. It survives a callback of the application's
// tls.Config that panics, but not one that ends the goroutine; it has done its
// part then, too.
func (k *link) shakeHands() {
	k.mu.Lock()
	s := k.shake
	aborted := s.aborted
	k.mu.Unlock()
	if aborted {
		return
	}
	var err error
	returned := false
	defer func() {
		if r := recover(); !returned {
			err = &panicError{reasonOf(r)}
			k.conn.loop.server.log().Error("engine: a callback of the TLS configuration panicked; its connection is closed",
				"remote", fmt.Sprint(k.RemoteAddr()), "panic", fmt.Sprint(reasonOf(r)), "stack", string(debug.Stack()))
		}
		s.cancel()
		k.mu.Lock()
		if s.evicted {
			err = errEvicted
		}
		s.done, s.err = true, err
		k.mu.Unlock()
		k.tell()
	}()
	err = k.tls.HandshakeContext(s.ctx)
	returned = true
}

// feed brings the handshake what has arrived. The error is that of receive.
func (l *loop) feed(c *Conn, k *link) (int, error) {
	k.mu.Lock()
	room := feedBytesMax - len(k.in)
	k.mu.Unlock()
	if room <= 0 {
		return 0, io.ErrUnexpectedEOF // it is not watched, so what the poller reports is that the peer has gone
	}
	n, err := l.system.Read(c.fd, l.ciphertext()[:room])
	if err != nil || n == 0 {
		return n, err
	}
	k.mu.Lock()
	k.in = append(k.in, l.ciphertext()[:n]...)
	s := k.shake
	begins := !s.asked && beginsHandshake(k.in)
	s.asked = s.asked || begins
	stranger := !s.asked && k.in[0] != recordHandshake
	s.more.Signal()
	k.mu.Unlock()
	switch {
	case stranger:
		l.refuseStranger(c, k)
		return 0, socket.ErrAgain
	case begins:
		l.server.askHandshake(k)
	}
	l.watchHandshake(c, k)
	return 0, socket.ErrAgain
}

// beginsHandshake reports whether b has a whole record of a handshake, or one
// that is not worth waiting for: crypto/tls will say what is wrong with it.
func beginsHandshake(b []byte) bool {
	if b[0] != recordHandshake || len(b) < recordHeaderBytes {
		return false
	}
	length := int(b[3])<<8 | int(b[4])
	return length > recordBytesMax || len(b) >= recordHeaderBytes+length
}

var notTLS = &handshake.Fault{Status: 400, Reason: "this port expects TLS: use https or wss",
	Header: handshake.Header{"Connection": {"close"}}}

// refuseStranger answers who does not speak TLS in the language of HTTP, which
// is most likely what it speaks.
func (l *loop) refuseStranger(c *Conn, k *link) {
	k.abort()
	c.mode &^= secured
	c.setLink(nil)
	l.refuse(c, "", notTLS)
}

// watchHandshake has the poller watch for what the handshake can use.
func (l *loop) watchHandshake(c *Conn, k *link) {
	k.mu.Lock()
	writing, full := len(k.out) > 0, len(k.in) >= feedBytesMax
	k.mu.Unlock()
	if writing != k.writing || full != k.full {
		k.writing, k.full = writing, full
		l.watch(c)
	}
}

// attend does what a handshake has asked the loop for.
func (l *loop) attend(c *Conn, k *link) {
	if c.state != stateHead {
		return // the last bytes of a handshake that failed
	}
	k.mu.Lock()
	done, err := k.shake.done, k.shake.err
	k.mu.Unlock()
	sent := l.push(c, k, false)
	l.watchHandshake(c, k)
	switch {
	case k.broken != nil:
		l.finish(c, abnormal(k.broken), false)
		l.release(c)
	case !done:
	case err != nil:
		l.failHandshake(c, err, sent)
	case sent:
		l.established(c, k)
	}
}

// failHandshake ends a connection whose handshake failed, with the alert that
// says so under way.
func (l *loop) failHandshake(c *Conn, err error, sent bool) {
	l.tally.Refused++
	if _, ok := errors.AsType[*panicError](err); ok {
		l.tally.Panics++
	} else {
		l.server.log().Debug("engine: a TLS handshake failed", "remote", fmt.Sprint(c.RemoteAddr()), "error", err)
	}
	l.finish(c, abnormal(err), true)
	if !sent || err == errEvicted {
		l.release(c)
		return
	}
	l.flush(c)
}

// established lets a connection go on over TLS.
func (l *loop) established(c *Conn, k *link) {
	k.mu.Lock()
	k.shake = nil
	k.in = slices.Clip(k.in)
	k.mu.Unlock()
	k.more = true // it may have come with the end of the handshake
	if k.full || k.writing {
		k.full, k.writing = false, false
		l.watch(c)
	}
	if l.server.web != nil && k.tls.ConnectionState().NegotiatedProtocol == protoHTTP2 {
		l.forward(c, nil)
		return
	}
	l.read(c)
}
