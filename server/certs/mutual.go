package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Mutual is how programs that are each other's peers prove their identity: each has a certificate, and
// authorities that those of the others have to be of. All methods are safe for concurrent use.
type Mutual struct {
	*Files
	log *slog.Logger
	ca  string

	authorities atomic.Pointer[authorities]

	mu     sync.Mutex // guards what follows
	failed *stamp     // of a file that could not be used; nil: it could
}

// authorities are what a file of them has had in it.
type authorities struct {
	stamp stamp
	pool  *x509.CertPool
}

// CAError says that a file of authorities cannot be used.
type CAError struct{ Problem string }

func (e *CAError) Error() string { return e.Problem }

// LoadMutual reads a certificate, its key, and the authorities of the others, all PEM files. The
// certificate has to be of one of them, for servers and for clients: the others have the same. The
// error is a *CAError if it is about the authorities.
func LoadMutual(cert, key, ca string, log *slog.Logger) (*Mutual, error) {
	all, err := loadAuthorities(ca)
	if err != nil {
		return nil, err
	}
	pair, err := Load(cert, key)
	if err != nil {
		return nil, err
	}
	if err := all.verify(pair); err != nil {
		return nil, err
	}
	m := &Mutual{Files: NewFiles(pair, log), log: log, ca: ca}
	m.authorities.Store(all)
	return m, nil
}

func loadAuthorities(path string) (*authorities, error) {
	s, err := stampOf(path)
	if err != nil {
		return nil, &CAError{err.Error()}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, &CAError{fmt.Sprintf("%s cannot be read: %v", path, err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, &CAError{path + " has no certificate in it; it has to be a PEM file with those of the authorities"}
	}
	return &authorities{s, pool}, nil
}

// verify looks whether others will take a pair. Whether it is valid now is said elsewhere.
func (a *authorities) verify(p *Pair) error {
	between := x509.NewCertPool()
	for _, der := range p.certificate.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	for use, name := range map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "servers", x509.ExtKeyUsageClientAuth: "clients"} {
		o := x509.VerifyOptions{Roots: a.pool, Intermediates: between, CurrentTime: p.certificate.Leaf.NotAfter, KeyUsages: []x509.ExtKeyUsage{use}}
		if _, err := p.certificate.Leaf.Verify(o); err != nil {
			return fmt.Errorf("%s is no certificate that the others would take, for %s and by the authorities that this one trusts: %w", p.cert, name, err)
		}
	}
	return nil
}

// Server is for programs that accept connections. A client without a certificate of an authority is refused.
func (m *Mutual) Server() *tls.Config {
	config := m.base()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := m.base()
		now.ClientAuth, now.ClientCAs = tls.RequireAndVerifyClientCert, m.authorities.Load().pool
		return now, nil
	}
	return config
}

// Client is for a connection to host, a name or an IP address that the certificate there has to be
// for.
func (m *Mutual) Client(host string) *tls.Config {
	config := m.base()
	config.ServerName, config.RootCAs = host, m.authorities.Load().pool
	return config
}

// base has no sessions to resume: they would outlive an authority that is trusted no more.
func (m *Mutual) base() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
		GetCertificate:         m.GetCertificate,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return m.GetCertificate(nil)
		},
	}
}

// Watch is that of Files, for the authorities, too.
func (m *Mutual) Watch(ctx context.Context) {
	var authorities sync.WaitGroup
	defer authorities.Wait()
	authorities.Go(func() {
		ticker := time.NewTicker(PollInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				m.lookAtAuthorities()
			case <-ctx.Done():
				return
			}
		}
	})
	m.Files.Watch(ctx)
}

// lookAtAuthorities loads them if their file has changed.
func (m *Mutual) lookAtAuthorities() {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := stampOf(m.ca)
	if err == nil && s == m.authorities.Load().stamp {
		m.failed = nil
		return
	}
	next, err := loadAuthorities(m.ca)
	if err == nil {
		m.failed = nil
		m.authorities.Store(next)
		m.log.Info("authorities in use", "file", m.ca)
		return
	}
	if m.failed == nil || s != *m.failed {
		m.failed = &s
		m.log.Error("the file of the authorities has changed and cannot be used; those before stay in use", "error", err)
	}
}
