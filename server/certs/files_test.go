package certs_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/server/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// make a certificate for name and its key, as PEM.
func certify(t *testing.T, name string, from, to time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

func TestFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		now := time.Now()
		make := func(name string) ([]byte, []byte) { return certify(t, name, now.Add(-time.Hour), now.Add(time.Hour)) }
		c1, k1 := make("one.example")
		write(t, certFile, c1)
		write(t, keyFile, k1)
		pair, err := certs.Load(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		var log logBuffer
		files := certs.NewFiles(pair, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { files.Watch(ctx) })
		<-time.After(time.Second)
		expect := func(name string, complaints int) {
			t.Helper()
			<-time.After(certs.PollInterval)
			synctest.Wait()
			c, err := files.GetCertificate(nil)
			if err != nil || c.Leaf.DNSNames[0] != name {
				t.Errorf("%v, %v, want %s", c.Leaf.DNSNames, err, name)
			}
			if n := log.count("have changed and cannot be used"); n != complaints {
				t.Errorf("%d complaints, want %d: %s", n, complaints, log.b.String())
			}
		}
		expect("one.example", 0)
		c2, k2 := make("two.example")
		write(t, certFile, c2) // and its key a moment later
		expect("one.example", 0)
		write(t, keyFile, k2)
		expect("two.example", 0)

		write(t, keyFile, k1) // for good
		expect("two.example", 0)
		expect("two.example", 1)
		expect("two.example", 1)
		write(t, certFile, c1)
		expect("one.example", 1)

		if err := os.Remove(certFile); err != nil {
			t.Fatal(err)
		}
		expect("one.example", 1)
		expect("one.example", 2)
		expect("one.example", 2)
		old, oldKey := certify(t, "old.example", now.Add(-2*time.Hour), now.Add(-time.Hour))
		write(t, certFile, old)
		write(t, keyFile, oldKey)
		expect("one.example", 2)
		expect("one.example", 3)

		// A link that is made to lead elsewhere, with files of the same time and size.
		three, four := filepath.Join(dir, "3"), filepath.Join(dir, "4")
		c3, k3 := make("three.example")
		c4, k4 := make("fours.example")
		for path, pair := range map[string][2][]byte{three: {c3, k3}, four: {c4, k4}} {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(path, "c"), pair[0])
			write(t, filepath.Join(path, "k"), pair[1])
			for _, name := range []string{"c", "k"} {
				if err := os.Chtimes(filepath.Join(path, name), now, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		current := filepath.Join(dir, "current")
		link := func(to string) {
			if err := os.Symlink(to, current+".new"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(current+".new", current); err != nil {
				t.Fatal(err)
			}
		}
		link(three)
		if pair, err = certs.Load(filepath.Join(current, "c"), filepath.Join(current, "k")); err != nil {
			t.Fatal(err)
		}
		files.Use(pair)
		expect("three.example", 3)
		link(four)
		expect("fours.example", 3)
		cancel()
		watching.Wait()
	})
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	now := time.Now()
	c1, k1 := certify(t, "one.example", now, now.Add(time.Hour))
	_, k2 := certify(t, "two.example", now, now.Add(time.Hour))
	for name, b := range map[string][]byte{"c1": c1, "k1": k1, "k2": k2, "empty": nil, "text": []byte("hello")} {
		write(t, path(name), b)
	}
	for _, tt := range [][3]string{
		{"c1", "k2", "does not match"}, {"k1", "c1", "cannot be used"}, {"empty", "k1", "cannot be used"}, {"c1", "text", "cannot be used"},
		{"none", "k1", "none cannot be read: no such file"}, {"c1", "none", "none cannot be read: no such file"},
	} {
		if p, err := certs.Load(path(tt[0]), path(tt[1])); err == nil || !strings.Contains(err.Error(), tt[2]) || strings.Contains(err.Error(), "PRIVATE KEY--") {
			t.Errorf("%v: %v, %v", tt, p, err)
		}
	}
}
