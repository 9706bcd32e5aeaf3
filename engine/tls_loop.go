package engine

import (
	"errors"
	"io"
)

const (
	// sealBytes is how much is encrypted before it is offered to the system. No
	// more than that, encrypted, waits outside the queue.
	sealBytes = 64 << 10

	// sealedBytesMax is the most that may wait encrypted: with it, what tls had
	// to answer while the peer took nothing.
	sealedBytesMax = 256 << 10
)

var errNotTaken = errors.New("engine: the peer asks over TLS and does not take the answers")

// ciphers is a loop's memory for ciphertext. It exists when there is TLS.
type ciphers struct {
	in  []byte // receive buffer
	out []byte // what is being sent
}

// ciphertext is the receive buffer of what is encrypted.
func (l *loop) ciphertext() []byte { return l.needCiphers().in }

func (l *loop) needCiphers() *ciphers {
	if l.ciphers == nil {
		l.ciphers = &ciphers{in: make([]byte, receiveBytes)}
	}
	return l.ciphers
}

// receiveTLS is receive for TLS.
func (l *loop) receiveTLS(c *Conn, k *link, p []byte) (int, error) {
	switch {
	case c.state == stateLast:
		return l.system.read(c.fd, p) // nobody wants to know what it says
	case k.shaking():
		return l.feed(c, k)
	}
	if k.more {
		if n, err := l.decrypt(c, k, p); err != errAgain {
			return n, err
		}
	}
	in := l.ciphertext()
	n, err := l.system.read(c.fd, in)
	if err != nil || n == 0 {
		return n, err
	}
	k.mu.Lock()
	k.in = in[:n]
	k.mu.Unlock()
	return l.decrypt(c, k, p)
}

// decrypt reads what tls has, until p is full. 0 bytes without an error is the
// end.
func (l *loop) decrypt(c *Conn, k *link, p []byte) (n int, err error) {
	k.more = false
	if err = k.end; err == nil {
		if !k.waiting() {
			k.lend(l.needCiphers().out) // reading may write: alerts, KeyUpdate
		}
		for n < len(p) && err == nil {
			var m int
			m, err = k.tls.Read(p[n:])
			n += m
			if m > 0 && n < len(p) && err == nil && k.drained() {
				err = errLater // as tls would find out
			}
		}
	}
	if !l.push(c, k, true) {
		l.holdsBack(c, k)
	}
	switch {
	case k.broken == errNotTaken:
		return 0, k.broken
	case err == errLater && n == 0:
		return 0, errAgain
	case err == errLater:
		return n, nil
	case n > 0:
		// There may be more, or it ended: that is for the next turn.
		k.end, k.more = err, true
		k.mu.Lock()
		k.in = append([]byte(nil), k.in...) // it was the loop's memory
		k.mu.Unlock()
		k.tell()
		return n, nil
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return 0, nil // close_notify: the same as the end of the transport
	}
	return 0, err
}

// holdsBack waits for the system to take what tls had to answer.
func (l *loop) holdsBack(c *Conn, k *link) {
	switch {
	case c.state != stateOpen && c.state != stateExchange:
		k.broken = errNotTaken // nothing was sent yet that could be in the way
	case !c.isBlocked():
		l.block(c, outboxes.Get().(*outbox), 0)
	}
}

// sendTLS is send for TLS. What it accepts is encrypted; busy says whether all
// of that has been taken by the system.
func (l *loop) sendTLS(c *Conn, k *link, p []byte) (int, error) {
	if !l.push(c, k, false) {
		return 0, errAgain
	}
	sent := 0
	for sent < len(p) {
		piece := p[sent:min(sent+sealBytes, len(p))]
		k.lend(l.needCiphers().out)
		if _, err := k.tls.Write(piece); err != nil {
			return sent, err
		}
		sent += len(piece)
		if !l.push(c, k, true) {
			break
		}
	}
	return sent, k.broken
}

// push sends what tls wrote, and reports whether nothing of it waits. lent says
// that it is in the loop's memory.
func (l *loop) push(c *Conn, k *link, lent bool) bool {
	k.mu.Lock()
	out := k.out
	k.out = nil // a handshake may go on writing
	k.mu.Unlock()
	if len(out) == 0 {
		return true
	}
	n, err := 0, k.broken
	if err == nil {
		n, err = l.system.write(c.fd, out)
	}
	if lent && cap(out) <= 2*sealBytes {
		l.ciphers.out = out[:0]
	}
	if err != nil && err != errAgain {
		k.broken = err
		return true // nothing waits
	}
	if n > 0 {
		c.moved(l)
	}
	rest := out[n:]
	if len(rest) == 0 {
		return true
	}
	if len(rest) > sealedBytesMax {
		k.broken = errNotTaken
		return true
	}
	if lent {
		rest = append([]byte(nil), rest...)
	}
	k.mu.Lock()
	k.out = append(rest, k.out...)
	k.mu.Unlock()
	return false
}

// moved notes that the peer takes what it is sent.
func (c *Conn) moved(l *loop) {
	c.mu.Lock()
	if c.out != nil {
		c.out.since = l.now
	}
	c.mu.Unlock()
}

// drains sends what tls has, now that there is room, and reports whether there
// is room for more.
func (l *loop) drains(c *Conn) bool {
	k := c.linkOf()
	if k.shaking() {
		l.attend(c, k)
		return false
	}
	return l.push(c, k, false)
}

// visitTLS does what was posted for the transport of c.
func (l *loop) visitTLS(c *Conn) {
	k := c.linkOf()
	switch {
	case k.shaking():
		l.attend(c, k)
	case k.more && !c.paused():
		l.read(c)
	}
}

// watchTLS tells the poller what c waits for.
func (l *loop) watchTLS(c *Conn, k *link) {
	l.poll.watch(c.fd, c.slot, !c.paused() && !k.full, c.mode&wantsWrite != 0 || k.writing)
	if k.more && !c.paused() {
		k.tell()
	}
}

// sayGoodbyeTLS sends close_notify, if that can still be: RFC 8446 §6.1 wants it
// before the transport ends.
func (l *loop) sayGoodbyeTLS(c *Conn, k *link) {
	if k.shaking() {
		k.abort()
		l.server.handshakes.forget(k)
		return
	}
	if !k.waiting() {
		k.lend(l.needCiphers().out)
	}
	_ = k.tls.CloseWrite() // the peer learns of the end from the transport, too
	l.push(c, k, true)
}
