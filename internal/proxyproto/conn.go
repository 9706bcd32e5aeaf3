package proxyproto

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Conn is a connection that begins with a header, for code that reads net.Conns. The
// header is read by the first call of Read, RemoteAddr or Told, which wait for it. All
// methods are as safe for concurrent use as those of the connection inside.
type Conn struct {
	net.Conn
	timeout time.Duration
	once    sync.Once
	told    netip.AddrPort
	err     error

	mu   sync.Mutex // guards what follows
	rest []byte     // was read behind the header
}

// NewConn returns a Conn of nc, on which the header must arrive within timeout from
// the first call that needs it. After an error every Read returns that.
func NewConn(nc net.Conn, timeout time.Duration) *Conn { return &Conn{Conn: nc, timeout: timeout} }

// Told returns the client's address as the header has it, the zero value if it has
// none, or what was wrong with it.
func (c *Conn) Told() (netip.AddrPort, error) {
	c.once.Do(func() {
		if err := c.read(); err != nil {
			c.err = fmt.Errorf("from %s: %w", c.Conn.RemoteAddr(), err)
		}
	})
	return c.told, c.err
}

func (c *Conn) read() error {
	_ = c.Conn.SetReadDeadline(time.Now().Add(c.timeout)) // without it the read says what is wrong
	defer func() { _ = c.Conn.SetReadDeadline(time.Time{}) }()
	b := make([]byte, 0, 512)
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, BytesMax-len(b))...)[:len(b)]
		}
		n, err := c.Conn.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		h, length, wrong := Parse(b)
		switch {
		case wrong != nil && len(b) > 0:
			c.complain(b)
			return wrong
		case length > 0:
			c.told = h.Source
			c.rest = b[length:]
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return fmt.Errorf("the header of the PROXY protocol did not arrive: %w", err)
		}
	}
}

// Expected is what a client should know that does not begin with a header.
const Expected = "this port expects a header of the PROXY protocol, version 1 or 2, at the beginning of each connection of a proxy"

// IsText reports whether b, which is no header, looks like the beginning of a request in
// text, as those of HTTP/1 are.
func IsText(b []byte) bool { return len(b) > 0 && b[0] >= 'A' && b[0] <= 'Z' }

// complaint is what a client of HTTP/1 is told.
const complaint = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" + Expected + "\n"

// complain tells a client that has begun with b and not with a header, if it speaks HTTP.
func (c *Conn) complain(b []byte) {
	if IsText(b) {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(time.Second)) // the connection ends anyway
		_, _ = io.WriteString(c.Conn, complaint)
	}
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if _, err := c.Told(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.rest = nil
		}
		c.mu.Unlock()
		return n, nil
	}
	c.mu.Unlock()
	return c.Conn.Read(p)
}

// RemoteAddr returns the address that was told, or that of the connection itself.
func (c *Conn) RemoteAddr() net.Addr {
	if told, err := c.Told(); err == nil && told.IsValid() {
		return net.TCPAddrFromAddrPort(told)
	}
	return c.Conn.RemoteAddr()
}

// CloseWrite is what net/http looks for to let a last response arrive.
func (c *Conn) CloseWrite() error {
	if nc, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return nc.CloseWrite()
	}
	return nil
}
