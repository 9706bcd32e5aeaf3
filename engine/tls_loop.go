package engine

import (
	"github.com/godwit-io/godwit/engine/internal/outbox"
	"github.com/godwit-io/godwit/engine/internal/tlslink"
)

// wire is how l does the I/O of c's link. Its memory exists when there is TLS.
func (l *loop) wire(c *Conn) tlslink.Wire {
	if l.ciphertext == nil {
		l.ciphertext = tlslink.NewMemory(receiveBytes)
	}
	return tlslink.Wire{Calls: l.system, FD: c.fd, Memory: l.ciphertext}
}

// receiveTLS is receive for TLS.
func (l *loop) receiveTLS(c *Conn, k *tlslink.Link, p []byte) (int, error) {
	switch {
	case c.state == stateLast:
		return l.system.Read(c.fd, p) // nothing wants to know what it says
	case k.IsShaking():
		return l.feed(c, k)
	}
	n, err := k.Receive(l.wire(c), p)
	l.noteMoved(c, k)
	if k.IsWaiting() {
		// The system has not taken what tls had to answer.
		switch {
		case c.state != stateOpen && c.state != stateExchange:
			k.Break(tlslink.ErrNotTaken) // nothing was sent yet that could be in the way
			return 0, tlslink.ErrNotTaken
		case !c.isBlocked():
			l.block(c, outbox.Get(), 0)
		}
	}
	return n, err
}

// sendTLS is send for TLS. What it accepts is encrypted; busy says whether all
// of that has been taken by the system.
func (l *loop) sendTLS(c *Conn, k *tlslink.Link, p []byte) (int, error) {
	n, err := k.Send(l.wire(c), p)
	l.noteMoved(c, k)
	return n, err
}

// push sends what tls wrote, and reports whether nothing of it waits.
func (l *loop) push(c *Conn, k *tlslink.Link) bool {
	done := k.Push(l.wire(c))
	l.noteMoved(c, k)
	return done
}

// noteMoved notes whether the peer takes what it is sent.
func (l *loop) noteMoved(c *Conn, k *tlslink.Link) {
	if !k.HasMoved() {
		return
	}
	c.mu.Lock()
	if c.out != nil {
		c.out.Since = l.now
	}
	c.mu.Unlock()
}

// resumeTLS sends what tls has, now that there is room, and reports whether there
// is room for more.
func (l *loop) resumeTLS(c *Conn) bool {
	k := c.linkOf()
	if k.IsShaking() {
		l.attend(c, k)
		return false
	}
	return l.push(c, k)
}

// visitTLS does what was posted for the transport of c.
func (l *loop) visitTLS(c *Conn) {
	k := c.linkOf()
	switch {
	case k.IsShaking():
		l.attend(c, k)
	case k.HasMore() && !c.paused():
		l.read(c)
	}
}

// watchTLS tells the poller what c waits for.
func (l *loop) watchTLS(c *Conn, k *tlslink.Link) {
	read, write := k.Wants()
	l.poll.Watch(c.fd, c.slot, !c.paused() && read, c.mode&wantsWrite != 0 || write)
	if k.HasMore() && !c.paused() {
		linkOwner{c}.Tell()
	}
}

// sayGoodbyeTLS ends the side of c that sends, if that can still be.
func (l *loop) sayGoodbyeTLS(c *Conn, k *tlslink.Link) {
	if k.IsShaking() {
		k.Abort()
		l.server.places.Forget(k)
		return
	}
	k.SayGoodbye(l.wire(c))
	l.noteMoved(c, k)
}
