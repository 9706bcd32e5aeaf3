package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// proxies are what stands before Godwit in these tests: the configuration of
// docs/interoperability.md with other addresses and timeouts.
var proxies = []struct {
	name  string
	start func(t *testing.T, backend string, timeout time.Duration) *proxy
}{
	{"nginx", nginxFor},
	{"haproxy", haproxyFor},
}

// How long proxies wait for a connection that is silent.
const (
	// proxyTimeout is what the configurations say. It ends nothing in a test that does
	// not wait for that, however busy the machine is.
	proxyTimeout = 75 * time.Second

	// proxyTimeoutShort takes its place where a test waits until it is over.
	proxyTimeoutShort = 4 * time.Second
)

// proxy is a running proxy that ends TLS.
type proxy struct {
	host    string // and port
	tls     *tls.Config
	program string
	args    []string
	cmd     *exec.Cmd
	said    bytes.Buffer
}

func nginxFor(t *testing.T, backend string, timeout time.Duration) *proxy {
	t.Helper()
	return nginxBefore(t, timeout, backend)
}

// nginxBefore is nginx before several backends, which it asks in turn.
func nginxBefore(t *testing.T, timeout time.Duration, backends ...string) *proxy {
	t.Helper()
	// In Debian it is where an ordinary user does not look.
	name := program(t, "nginx", "/usr/sbin/nginx")
	p, dir := newProxy(t, name), t.TempDir()
	cert, key := p.certify(t)
	write(t, dir, "cert.pem", cert)
	write(t, dir, "key.pem", key)
	write(t, dir, "nginx.conf", adapt(t, "testdata/nginx/nginx.conf"))
	write(t, dir, "godwit.conf", adapt(t, "testdata/nginx/godwit.conf",
		"server 127.0.0.1:8000;", "server "+strings.Join(backends, "; server ")+";",
		"listen 443 ssl http2;", "listen "+p.host+" ssl http2;",
		"/etc/ssl/realtime.example.com.pem", "cert.pem",
		"/etc/ssl/realtime.example.com.key", "key.pem",
		"proxy_read_timeout 75s;", "proxy_read_timeout "+inSeconds(timeout)+";",
		"proxy_send_timeout 75s;", "proxy_send_timeout "+inSeconds(timeout)+";",
	))
	p.args = []string{"-p", dir, "-e", "stderr", "-c", "nginx.conf"}
	p.start(t)
	return p
}

func haproxyFor(t *testing.T, backend string, timeout time.Duration) *proxy {
	t.Helper()
	return haproxyBefore(t, timeout, backend)
}

// haproxyBefore is HAProxy before several backends, which it asks in turn.
func haproxyBefore(t *testing.T, timeout time.Duration, backends ...string) *proxy {
	t.Helper()
	lines := "balance roundrobin"
	for i, b := range backends {
		lines += fmt.Sprintf("\n    server godwit%d %s", i+1, b)
	}
	name := program(t, "haproxy", "/usr/sbin/haproxy")
	p, dir := newProxy(t, name), t.TempDir()
	cert, key := p.certify(t)
	both := write(t, dir, "both.pem", cert+key)
	config := write(t, dir, "haproxy.cfg", adapt(t, "testdata/haproxy/haproxy.cfg",
		"server godwit 127.0.0.1:8000", lines,
		"bind :443 ssl crt /etc/haproxy/realtime.example.com.pem", "bind "+p.host+" ssl crt "+both,
		"timeout client 75s", "timeout client "+inSeconds(timeout),
		"timeout server 75s", "timeout server "+inSeconds(timeout),
		"timeout tunnel 75s", "timeout tunnel "+inSeconds(timeout),
	))
	p.args = []string{"-db", "-f", config}
	p.start(t)
	return p
}

// inSeconds is a time for configurations, which do not take 1m15s.
func inSeconds(d time.Duration) string { return fmt.Sprintf("%.0fs", d.Seconds()) }

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// adapt reads a configuration and changes in it what a test must: pairs of old
// and new, each old one there exactly once.
func adapt(t *testing.T, path string, pairs ...string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(pairs); i += 2 {
		if n := strings.Count(text, pairs[i]); n != 1 {
			t.Fatalf("%s has %q %d times", path, pairs[i], n)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// newProxy chooses a port: these programs cannot do that themselves.
func newProxy(t *testing.T, name string) *proxy {
	t.Helper()
	p := &proxy{host: holdPort(t), program: name}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.said.String())
		}
	})
	return p
}

// certify makes a certificate that p.tls trusts.
func (p *proxy) certify(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "realtime.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"realtime.example.com"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p.tls = &tls.Config{RootCAs: x509.NewCertPool()}
	p.tls.RootCAs.AddCert(parsed)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// start starts the program and waits until it listens.
func (p *proxy) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(p.program, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range patience / (5 * time.Millisecond) {
		nc, err := net.Dial("tcp", p.host)
		if err == nil {
			nc.Close()
			return
		}
		<-tick.C
	}
	t.Fatalf("%s does not listen", p.program)
}

// stop ends it without a word to anyone.
func (p *proxy) stop() {
	if p.cmd != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// client speaks HTTP to the proxy, over HTTP/2 if asked to.
func (p *proxy) client(t *testing.T, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: p.tls.Clone(), ForceAttemptHTTP2: http2}
	if !http2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
