package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/godwit-io/godwit/engine/internal/tlslink"
)

// DefaultTLSHandshakesMax is the default of Server.TLSHandshakesMax.
const DefaultTLSHandshakesMax = 1024

// The protocols of ALPN (RFC 7301, RFC 9113 §3.1).
const (
	protoHTTP1 = "http/1.1"
	protoHTTP2 = "h2"
)

// ListenAndServeTLS listens on a TCP address and serves TLS until Shutdown or
// Close, see ServeTLS.
func (s *Server) ListenAndServeTLS(address string, config *tls.Config) error {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return s.ServeTLS(ln, config)
}

// ServeTLS is Serve for connections that begin with TLS. The config needs a
// certificate, or one of GetCertificate and GetConfigForClient; session tickets,
// client certificates and everything else work as crypto/tls says. It is copied.
//
// Where Serve has loops do the I/O, they do it here, too: crypto/tls decrypts
// what a loop has read and encrypts what it sends. Only its handshakes need
// goroutines; no more than TLSHandshakesMax of them run at a time, the others
// wait, and each must be over, and its request have arrived, within
// HandshakeTimeout. While others wait, a handshake whose peer has kept it waiting
// for more than a second in all may be ended to make room, the slowest first.
//
// An empty NextProtos is "http/1.1", the protocol that WebSockets are opened
// with. If it has "h2", clients that choose that are served by Server.HTTP;
// without HTTP it is not offered. What GetConfigForClient returns is used as it is.
//
// Bytes that are encrypted already do not count in Conn.Buffered; they are 64 KiB at
// most. MessageBytesMax and QueueBytesMax, and the bytes in Stats, are of what
// is not encrypted.
func (s *Server) ServeTLS(ln net.Listener, config *tls.Config) error {
	if config == nil || len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil {
		ln.Close()
		return errors.New("engine: TLS needs a configuration with a certificate")
	}
	config = config.Clone()
	if s.HTTP == nil {
		config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(p string) bool { return p == protoHTTP2 })
	}
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{protoHTTP1}
	}
	return s.Serve(&secureListener{ln, config})
}

// secureListener is a listener whose connections begin with TLS. The loops look
// inside; any other code gets the connections of crypto/tls.
type secureListener struct {
	net.Listener
	config *tls.Config
}

func (ln *secureListener) Accept() (net.Conn, error) {
	nc, err := ln.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(nc, ln.config), nil
}

// unwrap returns the listener inside, and the configuration, nil if there is no
// TLS.
func unwrap(ln net.Listener) (net.Listener, *tls.Config) {
	if secure, ok := ln.(*secureListener); ok {
		return secure.Listener, secure.config
	}
	return ln, nil
}

// setLink makes k what c's transport is encrypted with.
func (c *Conn) setLink(k *tlslink.Link) {
	c.mu.Lock()
	c.needRare().link = k
	c.mu.Unlock()
}

// linkOf returns nil for a transport that is not TLS, or has ended.
func (c *Conn) linkOf() *tlslink.Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rareState(); r != nil {
		return r.link
	}
	return nil
}

// ConnectionState returns the state of the connection's TLS: the server name
// that was asked for, the client's certificates, the version and ciphers. It
// returns nil without TLS to this process, and after the connection has ended.
func (c *Conn) ConnectionState() *tls.ConnectionState {
	if k := c.linkOf(); k != nil {
		return stateOf(k.TLS())
	}
	if s := c.stream(); s != nil {
		return stateOf(s.nc)
	}
	return nil
}

func stateOf(nc net.Conn) *tls.ConnectionState {
	if secure, ok := nc.(*tls.Conn); ok {
		state := secure.ConnectionState()
		return &state
	}
	return nil
}
