package conformance

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
)

// target is the server under test.
type target struct {
	addr   string // host:port to dial
	host   string // the Host field
	uri    string
	origin string // of the server's own pages
	tls    *tls.Config
}

// parseTarget reads the URL of a server. ws and http mean the same, and so do
// wss and https.
func parseTarget(raw string, config *tls.Config) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	secure := u.Scheme == "wss" || u.Scheme == "https"
	if !secure && u.Scheme != "ws" && u.Scheme != "http" || u.Hostname() == "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("conformance: the URL of a server begins with ws:// or wss://, has a host and neither user nor fragment; got %.200q", raw)
	}
	t := &target{host: u.Host, uri: u.RequestURI(), origin: "http://" + u.Host}
	port := u.Port()
	if port == "" {
		port = "80"
		if secure {
			port = "443"
		}
	}
	t.addr = net.JoinHostPort(u.Hostname(), port)
	if secure {
		t.origin = "https://" + u.Host
		t.tls = config.Clone()
		if t.tls == nil {
			t.tls = &tls.Config{}
		}
		if t.tls.ServerName == "" {
			t.tls.ServerName = u.Hostname()
		}
		t.tls.NextProtos = []string{"http/1.1"}
	}
	return t, nil
}

func (t *target) dial(ctx context.Context) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", t.addr)
	if err != nil || t.tls == nil {
		return nc, err
	}
	secure := tls.Client(nc, t.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return secure, nil
}

// dial connects to the server, in place of the connection there was. The case
// is over if it fails.
func (s *session) dial() bool {
	s.detach()
	nc, err := s.suite.target.dial(s.ctx)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			s.suite.gone.Store(true)
		}
		s.fail("cannot connect: %s", describeEnd(err))
		return false
	}
	s.attach(nc, bufio.NewReaderSize(nc, 16<<10))
	return true
}
