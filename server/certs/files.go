package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// PollInterval is how often files are looked at.
const PollInterval = 5 * time.Second

// Files are a certificate and its key in two PEM files. All methods are safe for concurrent
// use.
type Files struct {
	log  *slog.Logger
	pair atomic.Pointer[Pair]

	mu     sync.Mutex // guards what follows
	failed *stamp     // of files that could not be used; nil: they could
	told   bool       // and that was logged
}

// Pair is what two files have had in them.
type Pair struct {
	cert, key   string
	stamp       stamp
	certificate *tls.Certificate
}

// stamp is by what a change is noticed: a file is written anew, or another has its name.
type stamp [2]struct {
	at   time.Time
	size int64
	file string // what tells files apart
}

// Load reads a certificate, with those behind it that lead to the authority's, and its
// key. The error says which of the files is wrong, and how.
func Load(cert, key string) (*Pair, error) {
	s, err := stampOf(cert, key)
	if err != nil {
		return nil, err
	}
	certificate, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s with the key %s cannot be used: %w", cert, key, err)
	}
	return &Pair{cert, key, s, &certificate}, nil
}

func stampOf(paths ...string) (s stamp, err error) {
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			if e, ok := errors.AsType[*fs.PathError](err); ok {
				err = fmt.Errorf("%s cannot be read: %w", path, e.Err)
			}
			return s, err
		}
		s[i].at, s[i].size, s[i].file = info.ModTime(), info.Size(), identify(info)
	}
	return s, nil
}

// NotAfter is when the certificate expires.
func (p *Pair) NotAfter() time.Time { return p.certificate.Leaf.NotAfter }

// isValid reports whether it is neither too early nor too late for the certificate.
func (p *Pair) isValid(now time.Time) bool {
	return !now.Before(p.certificate.Leaf.NotBefore) && !now.After(p.NotAfter())
}

// NewFiles returns Files that begin with a pair.
func NewFiles(p *Pair, log *slog.Logger) *Files {
	f := &Files{log: log}
	f.Use(p)
	return f
}

// Use has new connections be shown p.
func (f *Files) Use(p *Pair) {
	f.pair.Store(p)
	leaf := p.certificate.Leaf
	f.log.Info("certificate in use", "file", p.cert, "names", leaf.DNSNames, "not_after", leaf.NotAfter.UTC().Format(time.RFC3339))
	if !p.isValid(time.Now()) {
		f.log.Warn("the certificate is not valid now, so clients will refuse it", "file", p.cert,
			"not_before", leaf.NotBefore.UTC().Format(time.RFC3339), "not_after", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
}

// NotAfter is when the certificate that is shown expires.
func (f *Files) NotAfter() time.Time { return f.pair.Load().NotAfter() }

// Name is what the certificate that is shown is for: its first name.
func (f *Files) Name() string {
	leaf := f.pair.Load().certificate.Leaf
	if len(leaf.DNSNames) > 0 {
		return leaf.DNSNames[0]
	}
	return leaf.Subject.CommonName
}

// GetCertificate is for tls.Config.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.pair.Load().certificate, nil
}

// Watch looks every PollInterval whether the files have changed, until ctx ends. A pair
// that cannot be used leaves the one before in use. That is logged once, when the files have been as they are for
// an interval: they are rarely written both at once.
//
// Polling sees what notices of the file system miss: links that are made to lead
// elsewhere, as in volumes of Kubernetes, and file systems of other machines.
func (f *Files) Watch(ctx context.Context) {
	ticker := time.NewTicker(PollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f.look()
		case <-ctx.Done():
			return
		}
	}
}

// look loads the files if they have changed.
func (f *Files) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.pair.Load()
	s, err := stampOf(now.cert, now.key)
	if err == nil && s == now.stamp {
		f.failed, f.told = nil, false
		return
	}
	var next *Pair
	if err == nil {
		next, err = Load(now.cert, now.key)
	}
	if err == nil && !next.isValid(time.Now()) && now.isValid(time.Now()) {
		err = fmt.Errorf("%s has a certificate that is valid from %s to %s", now.cert, next.certificate.Leaf.NotBefore.UTC().Format(time.RFC3339), next.NotAfter().UTC().Format(time.RFC3339))
	}
	switch {
	case err == nil:
		f.failed, f.told = nil, false
		f.Use(next)
	case f.failed == nil || s != *f.failed:
		f.failed, f.told = &s, false
	case !f.told:
		f.told = true
		f.log.Error("the files of the certificate have changed and cannot be used; the one before stays in use", "error", err,
			"not_after", now.NotAfter().UTC().Format(time.RFC3339))
	}
}
