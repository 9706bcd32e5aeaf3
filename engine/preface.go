package engine

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/engine/internal/tlslink"
	"github.com/godwit-io/godwit/internal/proxyproto"
	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/handshake"
)

// preface is a header of the PROXY protocol that arrives in front of a connection, see
// Server.ProxyHeader.
type preface struct {
	config *tls.Config // of what comes behind it, nil for no TLS
	b      []byte      // has arrived of it
}

// readPreface takes what has arrived in front of a connection, and lets it begin when
// the header is whole.
func (l *loop) readPreface(c *Conn) {
	p := c.rareState().preface
	n, err := l.system.Read(c.fd, l.in[:proxyproto.BytesMax])
	switch {
	case err == socket.ErrAgain:
		return
	case err == nil && n == 0:
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		l.finish(c, abnormal(err), false)
		l.release(c)
		return
	}
	l.tally.BytesIn += uint64(n)
	b := l.in[:n]
	if len(p.b) > 0 {
		p.b = append(p.b, b...)
		b = p.b
	}
	header, used, err := proxyproto.Parse(b)
	switch {
	case err != nil:
		l.refusePreface(c, b, err)
		return
	case used == 0:
		if len(p.b) == 0 {
			p.b = append(p.b, b...)
		}
		return
	}
	c.rareState().preface = nil
	c.mode &^= expectsProxy
	if header.Source.IsValid() {
		c.peer = socket.AddressOf(header.Source)
		c.mode |= toldByProxy
	}
	if !l.countAddress(c) {
		return
	}
	rest := b[used:]
	if p.config != nil {
		k := tlslink.New(linkOwner{c}, p.config)
		c.mode |= secured
		c.setLink(k)
		if len(rest) > 0 {
			_, _ = l.fed(c, k, k.Begin(rest)) // it says that there is nothing to read
		}
		return
	}
	if len(rest) > 0 {
		l.takeHead(c, rest)
	}
}

// countAddress counts c by its address, and reports false if that has ended it.
func (l *loop) countAddress(c *Conn) bool {
	if l.server.Addresses == nil {
		return true
	}
	c.mu.Lock()
	flags := c.flags
	c.mu.Unlock()
	flags, ok := l.enterAddress(c.peer.AddrPort().Addr(), flags)
	if !ok {
		l.finish(c, abnormal(l.server.tooManyConns(aboveAddress)), false)
		l.release(c)
		return false
	}
	c.mu.Lock()
	c.flags |= flags & (overLimit | overAddress | addressed)
	c.mu.Unlock()
	return true
}

// refusePreface ends a connection that does not begin as it must.
func (l *loop) refusePreface(c *Conn, b []byte, err error) {
	l.server.noteStranger(l.now, c.peer.NetAddr(), err)
	c.rareState().preface = nil
	c.mode &^= expectsProxy
	if proxyproto.IsText(b) { // it is most likely HTTP
		l.refuse(c, "", &handshake.Fault{Status: http.StatusBadRequest, Reason: proxyproto.Expected, Header: handshake.Header{"Connection": {"close"}}})
		return
	}
	l.noteRefusal(c)
	l.finish(c, abnormal(err), false)
	l.release(c)
}

// noteStranger logs that a connection has not begun as it must, once until none has
// for a while.
func (s *Server) noteStranger(now wsproto.Time, peer net.Addr, err error) {
	last := s.strangers.Swap(int64(now))
	if last != 0 && now-wsproto.Time(last) <= wsproto.Time(acceptCalm) {
		return
	}
	s.log().Warn("engine: refused a connection of a proxy", "peer", fmt.Sprint(peer), "error", err,
		"hint", "have the proxy send the header (send-proxy or send-proxy-v2 in HAProxy), or do not expect it from this address")
}

// introduce waits for the header of a stream. An error in it comes again with the first
// read.
func (s *stream) introduce() {
	told, err := s.proxied.Told()
	s.loop.do(func() { // a loop that has ended has closed the stream
		c := s.conn
		switch {
		case c.state != stateHead:
		case err != nil:
			s.loop.server.noteStranger(s.loop.now, s.proxied.Conn.RemoteAddr(), err)
		default:
			if !told.IsValid() {
				told = addrPortOf(s.proxied.Conn.RemoteAddr())
			}
			c.peer = socket.AddressOf(told)
			s.loop.countAddress(c)
		}
	})
}

// told returns the address that a proxy has said, nil if none has, or if the transport
// knows it.
func (c *Conn) told() net.Addr {
	if c.mode&toldByProxy == 0 {
		return nil
	}
	return c.peer.NetAddr()
}
