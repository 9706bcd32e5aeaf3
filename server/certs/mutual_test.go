package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/certtest"
)

// shake has a client of one and a server of another prove their identities to each other.
func shake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			_, err = nc.Write([]byte("x")) // a client is refused after its own handshake
			nc.Close()
		}
		accepted <- err
	}()
	c, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	return errors.Join(err, <-accepted)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestMutualTrust(t *testing.T) {
	authority := certtest.NewAuthority(t)
	load := func(hosts ...string) *Mutual {
		pair := authority.Issue(t, nil, hosts...)
		m, err := LoadMutual(pair.Cert, pair.Key, authority.File, quiet())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one, other := load("one.example.com"), load("127.0.0.1")
	if err := shake(t, one.Client("127.0.0.1"), other.Server()); err != nil {
		t.Errorf("one does not trust the other: %v", err)
	}
	if err := shake(t, other.Client("one.example.com"), one.Server()); err != nil {
		t.Errorf("the other does not trust one: %v", err)
	}
	if err := shake(t, other.Client("two.example.com"), one.Server()); err == nil {
		t.Error("a certificate for one host is taken for another")
	}
}

// TestMutualRotates: other files have the next connections be made with them, and what cannot be used leaves
// those before.
func TestMutualRotates(t *testing.T) {
	before, after := certtest.NewAuthority(t), certtest.NewAuthority(t)
	dir := t.TempDir()
	cert, key, ca := filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "ca")
	put := func(path, from string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(path+".new", text, 0o600)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	old, renewed := before.Issue(t, nil, "a"), after.Issue(t, nil, "a")
	put(cert, old.Cert)
	put(key, old.Key)
	put(ca, before.File)
	m, err := LoadMutual(cert, key, ca, quiet())
	if err != nil {
		t.Fatal(err)
	}
	peer := func(of *certtest.Authority, trusts string) *Mutual {
		pair := of.Issue(t, nil, "a")
		p, err := LoadMutual(pair.Cert, pair.Key, of.File, quiet())
		if err == nil {
			p.ca = trusts
			p.lookAtAuthorities()
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := shake(t, peer(after, before.File).Client("a"), m.Server()); err == nil {
		t.Error("who is of the next authority is trusted before its time")
	}
	if err := os.WriteFile(ca, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.lookAtAuthorities()
	if err := shake(t, peer(before, before.File).Client("a"), m.Server()); err != nil {
		t.Errorf("a file that cannot be used has ended the trust there was: %v", err)
	}
	put(ca, after.File)
	m.lookAtAuthorities()
	if err := shake(t, peer(after, before.File).Client("a"), m.Server()); err != nil {
		t.Errorf("the next authority is not trusted: %v", err)
	}
	if err := shake(t, peer(before, before.File).Client("a"), m.Server()); err == nil {
		t.Error("the authority before is trusted still")
	}
	put(cert, renewed.Cert)
	put(key, renewed.Key)
	m.look()
	if err := shake(t, peer(after, after.File).Client("a"), m.Server()); err != nil {
		t.Errorf("the next certificate is not shown: %v", err)
	}
}

func TestMutualRefusesFiles(t *testing.T) {
	authority, other := certtest.NewAuthority(t), certtest.NewAuthority(t)
	well := authority.Issue(t, nil, "a")
	onlyServer := authority.Issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }, "a")
	for name, test := range map[string]struct {
		pair    certtest.Pair
		ca      string
		want    string
		isAbout bool // the authorities
	}{
		"no authorities":          {well, filepath.Join(t.TempDir(), "none"), "cannot be read", true},
		"a key as authorities":    {well, well.Key, "has no certificate in it", true},
		"of another authority":    {well, other.File, "no certificate that the others would take", false},
		"for servers alone":       {onlyServer, authority.File, "for clients", false},
		"a key that is another's": {certtest.Pair{Cert: well.Cert, Key: onlyServer.Key}, authority.File, "cannot be used", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadMutual(test.pair.Cert, test.pair.Key, test.ca, quiet())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("the error is %v, want %q", err, test.want)
			}
			if _, is := errors.AsType[*CAError](err); is != test.isAbout {
				t.Errorf("it is about the authorities: %v", is)
			}
		})
	}
}
