package conformance

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/godwit-io/godwit/internal/redact"
)

// target is the server under test.
type target struct {
	addr   string // host:port to dial
	host   string // the Host field
	uri    string
	origin string // of the server's own pages
	shown  string // the URL, fit for a report
	tls    *tls.Config

	connect dialer
}

// dialer makes connections, as net.Dialer.DialContext does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// ErrURL is in the chain of RunServer's error when the URL cannot be that of a server.
var ErrURL = errors.New("conformance: the URL of a server begins with ws:// or wss://, has a host and neither user nor fragment")

// parseTarget reads the URL of a server. ws and http mean the same, and so do
// wss and https.
func parseTarget(raw string, config *tls.Config) (*target, error) {
	u, err := url.Parse(raw)
	shown := redact.Text(raw)
	if err != nil && shown == raw {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	secure := err == nil && (u.Scheme == "wss" || u.Scheme == "https")
	if err != nil || !secure && u.Scheme != "ws" && u.Scheme != "http" || u.Hostname() == "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%w: got %.200q", ErrURL, shown)
	}
	t := &target{host: u.Host, uri: u.RequestURI(), origin: "http://" + u.Host, shown: redact.URL(u)}
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

// secrets replaces what a log of requests to t with the fields of header must not
// show. Nil if there is nothing.
func (t *target) secrets(header http.Header) *strings.Replacer {
	var pairs []string
	path, query, _ := strings.Cut(t.uri, "?")
	if shown := redact.Query(query); shown != query {
		pairs = append(pairs, showHead(t.uri), path+"?"+shown)
	}
	for name, values := range header {
		if !redact.IsSecretName(name) && name != "Cookie" {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, name+": "+showHead(v), name+": "+redact.Hidden)
		}
	}
	if pairs == nil {
		return nil
	}
	return strings.NewReplacer(pairs...)
}

func (t *target) dial(ctx context.Context) (net.Conn, error) {
	nc, err := t.connect(ctx, "tcp", t.addr)
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
