package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// ACMEProtocol is what an authority asks for in a handshake for TLS-ALPN-01 (RFC 8737 §6.2).
const ACMEProtocol = "acme-tls/1"

// Authority says how certificates are had from one.
type Authority struct {
	Domains   []string // the names; at least one
	Email     string   // where the authority may write to; may be empty
	Directory string   // the URL of the authority; needed

	// Storage is a directory for keys, certificates and the account. It must stay:
	// authorities limit how many certificates they issue. Servers that share it get
	// one certificate together.
	Storage string

	// TLSPort and HTTPPort are where this process listens for what comes to ports 443 and
	// 80 of the names. 0 is these ports themselves.
	TLSPort, HTTPPort int

	// Roots are trusted in the authority's own certificate. Nil: those of the system.
	Roots *x509.CertPool

	Logger *slog.Logger // needed
}

// ACME are certificates of an authority (RFC 8555), which are renewed before they expire.
// The authority sees that the names lead here by HTTP-01, which Handler answers, or
// TLS-ALPN-01, which handshakes with Config answer. All methods are safe for concurrent
// use.
type ACME struct {
	o      Authority
	cache  *certmagic.Cache
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
	stop   sync.Once
}

// NewACME returns an ACME that has asked for nothing yet. Stop ends it. The error says that
// Storage cannot be used.
func NewACME(o Authority) (*ACME, error) {
	if len(o.Domains) == 0 || o.Directory == "" || o.Storage == "" || o.Logger == nil {
		return nil, errors.New("certs: ACME needs Domains, Directory, Storage and Logger")
	}
	if err := checkStorage(o.Storage); err != nil {
		return nil, err
	}
	a := &ACME{o: o}
	logger := zap.New(&slogCore{handler: o.Logger.Handler()})
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil },
		Logger:           logger,
	})
	a.config = certmagic.New(a.cache, certmagic.Config{
		Storage:           &certmagic.FileStorage{Path: o.Storage},
		DefaultServerName: o.Domains[0], // for clients that ask by address
		Logger:            logger,
	})
	a.issuer = certmagic.NewACMEIssuer(a.config, certmagic.ACMEIssuer{
		CA: o.Directory, Email: o.Email, Agreed: true, TrustedRoots: o.Roots,
		AltTLSALPNPort: o.TLSPort, AltHTTPPort: o.HTTPPort, Logger: logger,
	})
	a.config.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

// checkStorage makes the directory, and a file in it.
func checkStorage(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%s cannot be made, for keys and certificates: %w", dir, err)
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written to, for keys and certificates: %w", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Config is how a server speaks TLS with the certificates.
func (a *ACME) Config() *tls.Config { return Config(a.config, ACMEProtocol) }

// Manage gets missing certificates, and renews, until ctx ends or Stop is called. It returns at
// once; what fails is logged and tried again, later each time.
func (a *ACME) Manage(ctx context.Context) error {
	if err := a.config.ManageAsync(ctx, a.o.Domains); err != nil {
		return fmt.Errorf("cannot get certificates for %s: %w", strings.Join(a.o.Domains, ", "), err)
	}
	return nil
}

// Stop ends the renewal.
func (a *ACME) Stop() { a.stop.Do(a.cache.Stop) }

// NotAfter is when the certificate for a domain expires, the zero time if there is none
// yet.
func (a *ACME) NotAfter(domain string) (latest time.Time) {
	for _, c := range a.cache.AllMatchingCertificates(domain) {
		if c.Leaf != nil && c.Leaf.NotAfter.After(latest) {
			latest = c.Leaf.NotAfter
		}
	}
	return latest
}

// Handler answers the authority at port 80, and redirects anybody else to https.
func (a *ACME) Handler() http.Handler {
	return a.issuer.HTTPChallengeHandler(http.HandlerFunc(a.redirect))
}

func (a *ACME) redirect(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	for _, domain := range a.o.Domains {
		if strings.EqualFold(domain, host) {
			http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
			return
		}
	}
	http.Error(w, "this server answers to "+strings.Join(a.o.Domains, ", ")+", by https", http.StatusMisdirectedRequest)
}
