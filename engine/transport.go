package engine

import (
	"crypto/tls"
	"net"
)

// receive reads into p; 0 bytes without an error is the end.
func (l *loop) receive(c *Conn, p []byte) (int, error) {
	if c.mode&secured != 0 {
		return l.receiveTLS(c, c.linkOf(), p)
	}
	if c.fd >= 0 {
		return l.system.Read(c.fd, p)
	}
	return c.stream().read(p)
}

// send writes what can be written of p at once.
func (l *loop) send(c *Conn, p []byte) (int, error) {
	if c.mode&secured != 0 {
		return l.sendTLS(c, c.linkOf(), p)
	}
	if c.fd >= 0 {
		return l.system.Write(c.fd, p)
	}
	return c.stream().write(p)
}

// shutdown ends the write side.
func (l *loop) shutdown(c *Conn) {
	if c.mode&secured != 0 {
		l.sayGoodbyeTLS(c, c.linkOf())
	}
	if c.fd >= 0 {
		l.system.Shutdown(c.fd)
		return
	}
	c.stream().shutdown()
}

// close ends the transport.
func (l *loop) close(c *Conn) {
	if c.mode&secured != 0 {
		l.sayGoodbyeTLS(c, c.linkOf())
		c.mode &^= secured
		c.setLink(nil) // its memory does not stay with a Conn that is kept
	}
	fd := c.fd
	if fd < 0 {
		c.stream().close()
		return
	}
	c.mu.Lock()
	c.fd = -1 // before the number can be another's, see LocalAddr
	c.mu.Unlock()
	l.system.Close(fd)
}

// watch tells the poller what c waits for. Streams tell the loop themselves.
func (l *loop) watch(c *Conn) {
	if c.mode&secured != 0 {
		l.watchTLS(c, c.linkOf())
		return
	}
	if c.fd >= 0 {
		l.poll.Watch(c.fd, c.slot, !c.paused(), c.mode&wantsWrite != 0)
		return
	}
	s := c.stream()
	if !c.paused() && s.isReadable() || c.mode&wantsWrite != 0 && s.isWritable() {
		s.tell()
	}
}

func isTLS(nc net.Conn) bool {
	_, ok := nc.(*tls.Conn)
	return ok
}
