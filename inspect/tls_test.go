package inspect

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serial atomic.Int64

// issue makes a certificate signed by a, or by itself if a is nil. The template
// may be changed before that.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) (*authority, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: "example.test"}, DNSNames: []string{"example.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	change(template)
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	chain := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &authority{t, cert, key}, chain
}

// ca makes the template that of an authority.
func ca(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject, c.DNSNames, c.IsCA = pkix.Name{CommonName: name}, nil, true
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
	}
}

// named leads the names example.test and a.b.example.test to the loopback address.
func named(o *Options) *Options {
	o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return o
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	root, _ := (*authority)(nil).issue(t, ca("Test Root"))
	middle, middleChain := root.issue(t, ca("Test Intermediate"))
	expiredMiddle, expiredChain := root.issue(t, func(c *x509.Certificate) {
		ca("Old Intermediate")(c)
		c.NotBefore, c.NotAfter = time.Now().Add(-72*time.Hour), time.Now().Add(-time.Hour)
	})
	other, _ := (*authority)(nil).issue(t, ca("Other Root"))
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	same := func(*x509.Certificate) {}
	for _, c := range []struct {
		name   string
		issuer *authority
		send   []tls.Certificate // intermediates
		change func(*x509.Certificate)
		host   string
		want   string
		says   string
	}{
		{name: "trusted", issuer: root, change: same, want: "tls-ok handshake-ok"},
		{name: "with its intermediate", issuer: middle, send: []tls.Certificate{middleChain}, change: same, want: "tls-ok handshake-ok"},
		{name: "expired", issuer: root, change: func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-100*24*time.Hour), time.Now().Add(-72*time.Hour-time.Minute)
		}, want: "cert-expired", says: "3 days ago"},
		{name: "not yet valid", issuer: root, change: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, want: "cert-not-yet-valid"},
		{name: "expires soon", issuer: root, change: func(c *x509.Certificate) {
			c.NotAfter = time.Now().Add(5 * 24 * time.Hour)
			c.NotBefore = time.Now().Add(-85 * 24 * time.Hour)
		}, want: "cert-expires-soon tls-ok", says: "in 4 days"},
		{name: "other name", issuer: root, change: func(c *x509.Certificate) { c.DNSNames = []string{"www.example.test"} }, want: "cert-wrong-name", says: "www.example.test"},
		{name: "wildcard too shallow", issuer: root, change: func(c *x509.Certificate) { c.DNSNames = []string{"*.example.test"} }, host: "a.b.example.test", want: "cert-wrong-name", says: "one label only"},
		{name: "address", issuer: root, change: same, host: "127.0.0.1", want: "cert-wrong-name", says: "the address 127.0.0.1"},
		{name: "common name only", issuer: root, change: func(c *x509.Certificate) { c.DNSNames = nil }, want: "cert-wrong-name", says: "in its subject only"},
		{name: "self-signed", change: same, want: "cert-self-signed"},
		{name: "no intermediate", issuer: middle, change: func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.test/i.crt"} }, want: "cert-incomplete-chain", says: "Test Intermediate"},
		{name: "other root", issuer: other, change: same, want: "cert-unknown-authority", says: "Other Root"},
		{name: "expired intermediate", issuer: expiredMiddle, send: []tls.Certificate{expiredChain}, change: same, want: "cert-expired", says: "Old Intermediate"},
		{name: "not for servers", issuer: root, change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, want: "cert-untrusted"},
		{name: "all at once", issuer: other, change: func(c *x509.Certificate) {
			c.DNSNames, c.NotBefore, c.NotAfter = []string{"else.test"}, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}, want: "cert-expired cert-wrong-name cert-unknown-authority"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, chain := c.issuer.issue(t, c.change)
			for _, s := range c.send {
				chain.Certificate = append(chain.Certificate, s.Certificate...)
			}
			address := listen(t, &tls.Config{Certificates: []tls.Certificate{chain}}, false, frames(""))
			_, port, _ := net.SplitHostPort(address)
			if c.host == "" {
				c.host = "example.test"
			}
			o := named(direct())
			o.Roots = roots
			o.Pings = NoPings
			r := look(t, "wss://"+net.JoinHostPort(c.host, port), o)
			ids := strings.Fields(c.want)
			wants(t, r, ids...)
			if f := finding(r, ids[0]); !strings.Contains(f.Means+f.Do, c.says) {
				t.Errorf("%q does not say %q", f.Means+f.Do, c.says)
			}
			trusted := finding(r, "tls-ok").ID != ""
			if r.Works != trusted || r.Exchanges[0].TLS == nil || r.Exchanges[0].TLS.Trusted != trusted {
				t.Errorf("works %v, trusted %v", r.Works, trusted)
			}
			if trusted {
				return
			}
			if f := finding(r, ids[0]); !strings.Contains(f.Do, "--insecure") {
				t.Errorf("%q does not say how to go on", f.Do)
			}
			// Insecure goes on, and says so.
			o.Insecure = true
			r = look(t, "wss://"+net.JoinHostPort(c.host, port), o)
			wants(t, r, append(ids, "handshake-ok")...)
			if f := finding(r, ids[0]); f.Grade != Warning || !strings.Contains(f.Means, "--insecure") || strings.Contains(f.Do, "--insecure") || !r.Works {
				t.Errorf("insecure: %v %q, works %v", f.Grade, f.Means, r.Works)
			}
		})
	}
}

func TestTLSFailures(t *testing.T) {
	t.Parallel()
	root, _ := (*authority)(nil).issue(t, ca("Test Root"))
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	_, chain := root.issue(t, func(*x509.Certificate) {})
	config := func(change func(*tls.Config)) *tls.Config {
		c := &tls.Config{Certificates: []tls.Certificate{chain}}
		change(c)
		return c
	}
	same := func(*tls.Config) {}
	for _, c := range []struct {
		name   string
		scheme string
		config *tls.Config
		raw    bool
		serve  func(*peer)
		want   string
		says   string
	}{
		{"http at wss", "wss", nil, true, func(p *peer) {
			first, _ := p.br.Peek(1)
			if len(first) > 0 && first[0] == 22 { // a web server's answer to a ClientHello
				p.say("HTTP/1.1 400 Bad Request\r\n\r\n")
				return
			}
			page("404 Not Found", "")(p)
		}, "tls-plain-http", "configure TLS at that port"},
		{"an http server that hangs up on TLS", "wss", nil, true, func(p *peer) {
			if first, _ := p.br.Peek(1); len(first) > 0 && first[0] != 22 {
				page("404 Not Found", "")(p)
			}
		}, "tls-plain-http", "ended the connection when TLS began"},
		{"ssh at wss", "wss", nil, true, func(p *peer) { p.say("SSH-2.0-x\r\n"); p.idle() }, "tls-not-tls", "SSH-2"},
		{"hangs up on TLS", "wss", nil, true, func(p *peer) { p.br.Peek(1) }, "tls-closed", ""},
		{"garbage in TLS", "wss", nil, true, func(p *peer) { p.br.Peek(1); p.say("\x16\x03\x03\x00\x04\x63\x00\x00\x00"); p.idle() }, "tls-failed", ""},
		{"old TLS", "wss", config(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), false, frames(""), "tls-old-version", ""},
		{"h2 only", "wss", config(func(c *tls.Config) {
			c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				if slices.Contains(hello.SupportedProtos, "h2") {
					return config(func(c *tls.Config) { c.NextProtos = []string{"h2"} }), nil
				}
				return config(func(c *tls.Config) { c.NextProtos = []string{"other"} }), nil
			}
		}), false, frames(""), "tls-http2-only", "insists on HTTP/2"},
		{"client certificate", "wss", config(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), false, frames(""), "tls-client-certificate", ""},
		{"client certificate, TLS 1.2", "wss", config(func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 }), false, frames(""), "tls-client-certificate", ""},
		{"unknown name", "wss", nil, true, func(p *peer) { p.br.Peek(1); p.say("\x15\x03\x03\x00\x02\x02\x70"); p.idle() }, "tls-unknown-name", ""},
		{"refused", "wss", nil, true, func(p *peer) { p.br.Peek(1); p.say("\x15\x03\x03\x00\x02\x02\x28"); p.idle() }, "tls-refused", "handshake failure"},
		{"https at ws", "ws", config(same), false, frames(""), "response-tls", "where a WebSocket opens"},
		{"https at ws, in words", "ws", nil, true, func(p *peer) {
			first, _ := p.br.Peek(1)
			if len(first) > 0 && first[0] != 22 {
				page("400 Bad Request", "The plain HTTP request was sent to HTTPS port", "Server: nginx")(p)
				return
			}
			p.Conn = tls.Server(&buffered{p.Conn, p}, config(same))
			p.hangUpTLS()
		}, "response-tls", "it wants TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, c.config, c.raw, c.serve)
			_, port, _ := net.SplitHostPort(address)
			o := named(direct())
			o.Roots = roots
			r := look(t, c.scheme+"://example.test:"+port, o)
			wants(t, r, c.want)
			if f := finding(r, c.want); !strings.Contains(f.Means+f.Do, c.says) || r.Works {
				t.Errorf("%q does not say %q", f.Means+f.Do, c.says)
			}
		})
	}
}

func TestTLSTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := look(t, "wss://example.test", virtual(direct(), true, func(p *peer) { p.idle() }))
		wants(t, r, "tls-timeout")
		if took := time.Since(began); took != 15*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// buffered is a connection whose first bytes were looked at.
type buffered struct {
	net.Conn
	p *peer
}

func (b *buffered) Read(p []byte) (int, error) { return b.p.br.Read(p) }

// hangUpTLS makes the TLS handshake and ends after the request.
func (p *peer) hangUpTLS() { _, _ = p.Conn.Read(make([]byte, 4096)) }

// A guessed scheme is corrected by what answers.
func TestGuess(t *testing.T) {
	t.Parallel()
	_, chain := (*authority)(nil).issue(t, func(*x509.Certificate) {})
	secure := listen(t, &tls.Config{Certificates: []tls.Certificate{chain}}, false, frames(""))
	plain := listen(t, nil, false, frames(""))
	o := direct()
	o.Insecure = true
	r := look(t, secure, o)
	wants(t, r, "scheme-guessed", "scheme-wrong-guess", "handshake-ok")
	if !strings.HasPrefix(r.URL, "wss://") || len(r.Exchanges) != 2 {
		t.Errorf("%s after %d exchanges", r.URL, len(r.Exchanges))
	}
	r = look(t, plain+"/path?q=1", o)
	wants(t, r, "scheme-guessed", "handshake-ok")
	if r.URL != "ws://"+plain+"/path?q=1" {
		t.Error(r.URL)
	}
	r = look(t, "http://"+plain, o)
	wants(t, r, "scheme-http", "handshake-ok")
}
