package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/godwit-io/godwit/server/certs"
)

// tlsSource has the certificates. Its zero value is no TLS.
type tlsSource struct {
	config *tls.Config  // nil: none
	files  *certs.Files // nil: the others
	acme   *certs.ACME

	roots *x509.CertPool // tests: trusted in the authority's own certificate

	http     *http.Server // at port 80, for HTTP-01
	httpLn   []net.Listener
	managing context.CancelFunc
	stopping sync.Once
	running  sync.WaitGroup
}

// load reads the files of certificates, if there are some, so that what is wrong with
// them is known before anything else begins.
func (t *tlsSource) load(c *TLS, log *slog.Logger) error {
	if c.Cert == "" {
		return nil
	}
	pair, err := certs.Load(c.Cert, c.Key)
	if err != nil {
		return &SettingError{Key: "tls.cert", Text: err.Error()}
	}
	t.files = certs.NewFiles(pair, log)
	t.config = certs.Config(t.files)
	return nil
}

// loadTLS reads the files for clients and those for other nodes, if there are some.
func (s *Server) loadTLS(c *Config) (err error) {
	if c.Cluster.TLS.Cert != "" {
		if s.peerTLS, err = c.Cluster.TLS.load(s.log); err != nil {
			return err
		}
	}
	return s.tls.load(&c.TLS, s.log)
}

// listen binds what the authority asks at, if there is one. listeners are those of the
// server, and open binds an address that others are meant to reach.
func (t *tlsSource) listen(ctx context.Context, c *ACME, listeners []net.Listener, open func(context.Context, string) ([]net.Listener, error), log *slog.Logger) error {
	if len(c.Domains) == 0 {
		return nil
	}
	ln, err := open(ctx, c.HTTP)
	if err != nil {
		return err
	}
	o := certs.Authority{
		Domains: c.Domains, Email: c.Email, Directory: c.Directory, Storage: c.Storage, Logger: log,
		TLSPort: portOf(listeners), HTTPPort: portOf(ln), Roots: t.roots,
	}
	if t.acme, err = certs.NewACME(o); err != nil {
		return errors.Join(&SettingError{Key: "tls.acme.storage", Text: err.Error()}, closeAll(ln))
	}
	t.httpLn, t.config = ln, t.acme.Config()
	return nil
}

// portOf is the first port of TCP among listeners, 0 without any.
func portOf(listeners []net.Listener) int {
	for _, ln := range listeners {
		if tcp, ok := ln.Addr().(*net.TCPAddr); ok {
			return tcp.Port
		}
	}
	return 0
}

// start begins to look after the certificates.
func (t *tlsSource) start(log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	t.managing = cancel
	if t.files != nil {
		t.running.Go(func() { t.files.Watch(ctx) })
	}
	if t.acme == nil {
		return
	}
	t.http = &http.Server{
		Handler: t.acme.Handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: headerTimeout,
		MaxHeaderBytes: DefaultHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	t.http.SetKeepAlivesEnabled(false)
	for _, ln := range t.httpLn {
		t.running.Go(func() {
			if err := t.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				log.Error("HTTP-01 is not answered any more", "address", ln.Addr().String(), "error", err)
			}
		})
	}
	if err := t.acme.Manage(ctx); err != nil {
		log.Error("no certificates", "error", err)
	}
}

// stop ends that, also where start was not called.
func (t *tlsSource) stop() {
	t.stopping.Do(t.end)
}

func (t *tlsSource) end() {
	if t.managing != nil {
		t.managing()
	}
	if t.acme != nil {
		t.acme.Stop()
	}
	if t.http != nil {
		_ = t.http.Close()
	}
	_ = closeAll(t.httpLn)
	t.running.Wait()
}

// of is the configuration for a listener, nil for none. A socket file has no TLS: what
// connects there is on this machine, such as a proxy that has ended TLS itself.
func (t *tlsSource) of(ln net.Listener) *tls.Config {
	if ln.Addr().Network() == "unix" {
		return nil
	}
	return t.config
}

// expiries are until when certificates are valid.
func (t *tlsSource) expiries(domains []string) (all []certificateExpiry) {
	switch {
	case t.files != nil:
		all = append(all, certificateExpiry{t.files.Name(), t.files.NotAfter()})
	case t.acme != nil:
		for _, domain := range domains {
			if at := t.acme.NotAfter(domain); !at.IsZero() {
				all = append(all, certificateExpiry{domain, at})
			}
		}
	}
	return all
}

// expiries are until when the certificates of this node are valid.
func (s *Server) expiries(domains []string) []certificateExpiry {
	all := s.tls.expiries(domains)
	if m := s.peerTLS; m != nil && !slices.ContainsFunc(all, func(e certificateExpiry) bool { return e.domain == m.Name() }) {
		all = append(all, certificateExpiry{m.Name(), m.NotAfter()})
	}
	return all
}

// IsSecure reports whether the server speaks TLS.
func (s *Server) IsSecure() bool { return s.config.TLS.IsOn() }

// listenOpen listens at an address that other machines are meant to reach.
func (s *Server) listenOpen(ctx context.Context, address string) ([]net.Listener, error) {
	if taken := s.before.takeFor(ctx, address); taken != nil {
		return s.noteTaken(taken), nil
	}
	addrs, err := resolve(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	listeners, err := listenTCP(ctx, addrs)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s, for tls.acme.http: %w", address, explainTCP(err))
	}
	return s.note(address, false, listeners), nil
}
