package server

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
)

// certificate is a certificate for loopback, in files, and a configuration that trusts it.
func certificate(t *testing.T) (TLS, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	roots := x509.NewCertPool()
	for path, block := range map[string]*pem.Block{c.Cert: {Type: "CERTIFICATE", Bytes: der}, c.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if block.Type == "CERTIFICATE" {
			roots.AppendCertsFromPEM(pem.EncodeToMemory(block))
		}
	}
	return c, &tls.Config{RootCAs: roots}
}

// httpsClient is a client that trusts config, with HTTP/2 or without.
func httpsClient(t *testing.T, config *tls.Config, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config.Clone(), Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// What works in plain works over TLS, by HTTP/1.1 on loops and by HTTP/2: pages, streams,
// long polls and publications; WebSockets by HTTP/1.1; and all of them end with 1001 or
// their stream when the server does.
func TestTLS(t *testing.T) {
	files, trust := certificate(t)
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			s := start(t, Config{Driver: driver, TLS: files})
			address := strings.TrimPrefix(s.url, "http://")
			base := "https://" + address
			conn, _, err := ws.Dial(t.Context(), "wss://"+address+"/channels/c", &ws.DialOptions{TLSConfig: trust})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			type stream struct {
				lines *bufio.Scanner
				body  io.Closer
			}
			var streams []stream
			sent := 0
			for _, http2 := range []bool{false, true} {
				client := httpsClient(t, trust, http2)
				ask := func(method, path, body string, header ...string) *http.Response {
					t.Helper()
					q, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					for i := 0; i < len(header); i += 2 {
						q.Header.Set(header[i], header[i+1])
					}
					p, err := client.Do(q)
					if err != nil {
						t.Fatal(err)
					}
					if p.ProtoMajor == 2 != http2 || p.TLS == nil || p.TLS.Version < tls.VersionTLS12 {
						t.Errorf("%s %s: %s", method, path, p.Proto)
					}
					return p
				}
				events := ask("GET", "/channels/c", "", "Accept", "text/event-stream")
				if events.StatusCode != 200 {
					t.Fatal(events.Status)
				}
				streams = append(streams, stream{bufio.NewScanner(events.Body), events.Body})
				polled := make(chan string, 1)
				go func() {
					p := ask("GET", "/channels/c", "", "Accept", "application/json", "Prefer", "wait=30")
					defer p.Body.Close()
					b, _ := io.ReadAll(p.Body)
					polled <- string(b)
				}()
				s.await(t, func() bool { return s.hub.Stats().Sessions["longpoll"] == 1 })
				text := fmt.Sprint("hello ", sent)
				if p := ask("POST", "/channels/c", text, "Content-Type", "text/plain"); p.StatusCode != http.StatusCreated {
					t.Error(p.Status)
				} else {
					p.Body.Close()
				}
				sent++
				for _, st := range streams {
					for st.lines.Scan() && st.lines.Text() != "data: "+text {
					}
					if st.lines.Text() != "data: "+text {
						t.Errorf("a stream has ended: %v", st.lines.Err())
					}
				}
				if _, b, err := conn.Read(t.Context()); err != nil || string(b) != text {
					t.Errorf("%q, %v", b, err)
				}
				if page := <-polled; !strings.Contains(page, text) {
					t.Errorf("%q", page)
				}
				for path, want := range map[string]string{"/channels/c?last=1": text, "/metrics": "godwit_", "/healthz": "ok"} {
					p := ask("GET", path, "", "Accept", "application/json")
					if b, _ := io.ReadAll(p.Body); !strings.Contains(string(b), want) {
						t.Errorf("%s: %q", path, b)
					}
					p.Body.Close()
				}
				big := ask("POST", "/channels/c", strings.Repeat("x", DefaultPublicationBytes+1), "Content-Type", "text/plain")
				if big.StatusCode != http.StatusRequestEntityTooLarge {
					t.Error(big.Status)
				}
				big.Body.Close()
			}
			// A client that speaks plain HTTP is told what is wrong.
			plain, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(plain, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if b, _ := io.ReadAll(plain); !strings.HasPrefix(string(b), "HTTP/1.") || !strings.Contains(string(b), " 400 ") || !strings.Contains(strings.ToLower(string(b)), "https") {
				t.Errorf("%q", b)
			}
			plain.Close()
			if nc, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trust.RootCAs, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
				nc.Close()
				t.Error("TLS 1.1 was agreed on")
			}
			go s.stop()
			if _, _, err := conn.Read(t.Context()); ws.CloseStatus(err) != ws.StatusGoingAway {
				t.Error(err)
			}
			for _, st := range streams {
				for st.lines.Scan() {
				}
				if err := st.lines.Err(); err != nil {
					t.Errorf("a stream was cut: %v", err)
				}
				st.body.Close()
			}
		})
	}
}

// await waits until something holds that the server does by itself.
func (r *running) await(t *testing.T, holds func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-limit:
			t.Fatal("it does not come to hold")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestTLSFilesAreChecked(t *testing.T) {
	files, _ := certificate(t)
	_, err := New(Config{TLS: TLS{Cert: files.Cert, Key: files.Cert}})
	if err == nil || !strings.Contains(err.Error(), "tls.cert: "+files.Cert) {
		t.Error(err)
	}
}

// through opens a connection that begins with header, and sends request.
func through(t *testing.T, address, header, request string, secure *tls.Config) *http.Response {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(nc, header)
	if secure != nil {
		secure = secure.Clone()
		secure.ServerName = "localhost"
		nc = tls.Client(nc, secure)
	}
	io.WriteString(nc, request)
	p, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(p.Body)
	p.Body = io.NopCloser(strings.NewReader(string(b)))
	return p
}

const askHealth = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

// The address of a client is that which a trusted proxy has said, and nobody else.
func TestProxyProtocol(t *testing.T) {
	files, trust := certificate(t)
	for _, driver := range drivers {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(driver, secure), func(t *testing.T) {
				c := Config{Driver: driver, ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Log: Log{Level: "debug"}}
				var client *tls.Config
				if secure {
					c.TLS, client = files, trust
				}
				s := start(t, c)
				address := s.Addr().String()
				for _, header := range []string{"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x67\x00\x50"} {
					if p := through(t, address, header, askHealth, client); p.StatusCode != 200 {
						t.Error(p.Status)
					}
				}
				s.await(t, func() bool { return strings.Count(s.log.String(), "client=192.0.2.7") == 2 })
				p := through(t, address, "", askHealth, nil)
				if b, _ := io.ReadAll(p.Body); p.StatusCode != 400 || !strings.Contains(string(b), "PROXY protocol") {
					t.Errorf("without a header: %s %q", p.Status, b)
				}
				s.await(t, func() bool { return strings.Contains(s.log.String(), "refused a connection of a proxy") })
			})
		}
	}
}

// Forwarded fields of a trusted proxy say whose a request is; those of others do not.
func TestForwardedFields(t *testing.T) {
	for _, driver := range drivers {
		for trusted, want := range map[string]string{"127.0.0.1/32": "client=192.0.2.7", "10.0.0.0/8": "client=127.0.0.1"} {
			s := start(t, Config{Driver: driver, TrustedProxies: []netip.Prefix{netip.MustParsePrefix(trusted)}})
			s.do(t, "GET", "/healthz", "", "X-Forwarded-For", "198.51.100.1, 192.0.2.7")
			s.await(t, func() bool { return strings.Contains(s.log.String(), want) })
		}
	}
}

// An address may have so many connections, wherever they are, and is told so; a trusted
// proxy comes with those of many.
func TestConnectionsPerAddress(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			s := start(t, Config{
				Driver: driver, ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
				Limits: Limits{ConnectionsPerAddress: 2},
			})
			address := s.Addr().String()
			open := func(client string) net.Conn {
				nc, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { nc.Close() })
				fmt.Fprintf(nc, "PROXY TCP6 %s ::1 1 2\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", client)
				p, err := http.ReadResponse(bufio.NewReader(nc), nil)
				if err != nil || p.StatusCode != 200 {
					t.Fatal(p, err)
				}
				return nc
			}
			first := open("2001:db8::1")
			open("2001:db8::2") // of the same network
			for _, path := range []string{"/healthz", "/channels/c"} {
				p := through(t, address, "PROXY TCP6 2001:db8::3 ::1 1 2\r\n", "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n", nil)
				if b, _ := io.ReadAll(p.Body); p.StatusCode != http.StatusTooManyRequests || p.Header.Get("Retry-After") == "" || !strings.Contains(string(b), "from this address") {
					t.Errorf("%s: %s %q", path, p.Status, b)
				}
			}
			open("2001:db8:1::1")
			first.Close()
			s.await(t, func() bool { return s.edge.counts.Count(netip.MustParseAddr("2001:db8::")) == 1 })
			open("2001:db8::4")
			for range 5 { // the proxy itself
				through(t, address, "PROXY UNKNOWN\r\n", askHealth, nil)
			}
			if s.edge.counts.Count(netip.MustParseAddr("127.0.0.1")) != 0 {
				t.Error("the proxy is counted")
			}
		})
	}
}

var _ engine.AddressCounter = (*edge)(nil)

// Pages for operators are at their addresses, and then not beside the channels.
func TestAdmin(t *testing.T) {
	for _, driver := range drivers {
		s := startAltered(t, Config{Driver: driver, Admin: Admin{Listen: []string{"127.0.0.1:0"}}}, func(s *Server) {
			s.api = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the API") })
		})
		main, operators := s.url, "http://"+s.AdminAddr().String()
		for path, want := range map[string][2]int{ // beside the channels, and at admin.listen
			"/metrics": {404, 200}, "/healthz": {200, 200}, "/readyz": {200, 200}, "/api/v1/info": {404, 200},
			"/debug/pprof/": {404, 200}, "/debug/pprof/goroutine?debug=1": {404, 200}, "/debug/pprof/cmdline": {404, 200},
			"/channels/c": {200, 404}, "/": {200, 404},
		} {
			for i, base := range []string{main, operators} {
				s.url = base
				if a := s.do(t, "GET", path, "", "Accept", "application/json"); a.StatusCode != want[i] {
					t.Errorf("%s%s: %s, want %d", base, path, a.Status, want[i])
				}
			}
		}
		s.url = operators
		if a := s.do(t, "GET", "/metrics", "", "Host", "evil.example"); a.StatusCode != http.StatusMisdirectedRequest && a.StatusCode != http.StatusForbidden {
			t.Error(a.Status)
		}
		s.url = main
	}
}

func TestAdminIsRefusedWhereOthersReachIt(t *testing.T) {
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Admin: Admin{Listen: []string{"0.0.0.0:0"}}, Logger: new(logBuffer).logger()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "admin.listen: refusing to listen on 0.0.0.0") {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Several addresses are served at once, of both kinds.
func TestSeveralAddresses(t *testing.T) {
	path := socketPath(t)
	for _, driver := range drivers {
		s, err := New(Config{Driver: driver, Listen: []string{"127.0.0.1:0", "127.0.0.1:0", "unix:" + path}, Demo: new(false), Logger: new(logBuffer).logger()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		if n := len(s.bound()); n != 3 {
			t.Errorf("%d addresses", n)
		}
		for _, ln := range s.bound() {
			nc, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, askHealth)
			if b, _ := io.ReadAll(nc); !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
				t.Errorf("%s: %q", ln.Addr(), b)
			}
			nc.Close()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
