package engine_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// authority signs certificates for a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.certificate, a.key = a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.pool.AddCert(a.certificate)
	return a
}

func (a *authority) sign(t testing.TB, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := a.certificate, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed, key
}

// certify returns a certificate for a host, or for a client of that name.
func (a *authority) certify(t testing.TB, name string) tls.Certificate {
	t.Helper()
	c, key := a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

func (a *authority) server(t testing.TB) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.certify(t, "a.example")}}
}

func (a *authority) client() *tls.Config { return &tls.Config{RootCAs: a.pool} }

// startTLS serves s on loopback until the test ends, and returns its address.
func startTLS(t testing.TB, s *engine.Server, config *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.Loops == 0 {
		s.Loops = 2
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.ServeTLS(ln, config) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; err != engine.ErrServerClosed {
			t.Errorf("ServeTLS returned %v", err)
		}
	})
	return ln.Addr().String()
}

func connectTLS(t *testing.T, address string, config *tls.Config) *raw {
	t.Helper()
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	return rawConn(t, c)
}

// upgradeTLS opens a WebSocket; the bytes in behind go in the same write.
func upgradeTLS(t *testing.T, address string, config *tls.Config, behind ...byte) *raw {
	t.Helper()
	c := connectTLS(t, address, config)
	c.send(t, append([]byte(opening), behind...))
	c.switched(t)
	return c
}

func (c *raw) tls() tls.ConnectionState { return c.Conn.(*tls.Conn).ConnectionState() }

// Every case of conformance holds over TLS, too, on every driver.
func TestTLSConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole suite takes ten seconds")
	}
	skipUnderRace(t)
	a := newAuthority(t)
	for name, compression := range map[string]*deflate.Options{"plain": nil, "deflate": {}} {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, s *engine.Server) {
				s.Handler, s.Subprotocols = echo{}, []string{"echo", "chat"}
				s.Options = engine.Options{CloseTimeout: 5 * time.Second, Compression: compression}
				conformsOver(t, "wss://"+startTLS(t, s, a.server(t))+"/echo?x=1", a.client())
			})
		})
	}
}

func TestTLSMessages(t *testing.T) {
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Options.MessageBytesMax = panics{n, ""}, 8<<20
		address := startTLS(t, s, a.server(t))
		c, _, err := ws.Dial(within(t), "wss://"+address, &ws.DialOptions{Options: ws.Options{MessageBytesMax: 8 << 20}, TLSConfig: a.client()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		conn := next(t, n.open)
		if state := conn.ConnectionState(); state == nil || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%+v", state)
		}
		for _, size := range []int{0, 1, 125, 16 << 10, 65_536, 300_000, 5_000_000} {
			message := bytes.Repeat([]byte("x"), size)
			go func() { _ = c.Write(within(t), ws.MessageBinary, message) }()
			if _, p, err := c.Read(within(t)); err != nil || !bytes.Equal(p, message) {
				t.Fatalf("%d bytes came back as %d, %v", size, len(p), err)
			}
		}
		if err := c.Close(ws.StatusNormal, ""); err != nil {
			t.Error(err)
		}
		if end := next(t, n.end); end.Code != 1000 || end.Err != nil {
			t.Errorf("%+v", end)
		}
	})
}

// Every end is announced: tls tells a truncation from close_notify.
func TestTLSEnds(t *testing.T) {
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		address := startTLS(t, s, a.server(t))

		c := upgradeTLS(t, address, a.client(), append(text("early"), text("both")...)...)
		conn := next(t, n.open)
		if a, b := next(t, n.message), next(t, n.message); a != "early" || b != "both" {
			t.Errorf("%q %q", a, b)
		}
		if got := conn.RemoteAddr().String(); got != c.LocalAddr().String() {
			t.Errorf("remote %v", got)
		}
		c.send(t, closing(1000))
		c.closes(t, 1000)
		next(t, n.end)

		c = upgradeTLS(t, address, a.client(), 0xff, 0xff) // lingers
		c.closes(t, 1002)
		next(t, n.end)

		c = upgradeTLS(t, address, a.client())
		conn = next(t, n.open)
		for len(n.open) > 0 {
			conn = next(t, n.open)
		}
		conn.CloseNow()
		c.ends(t)
		next(t, n.end)

		c = connectTLS(t, address, a.client())
		c.send(t, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		if r := c.response(t); r.StatusCode != 426 {
			t.Errorf("%v", r)
		} else if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		c.ends(t)

		c = upgradeTLS(t, address, a.client())
		c.Close() // with close_notify
		if end := next(t, n.end); end.Code != 1006 || end.Err != io.ErrUnexpectedEOF {
			t.Errorf("%+v", end)
		}
		c = upgradeTLS(t, address, a.client())
		c.Conn.(*tls.Conn).NetConn().Close() // and without
		if end := next(t, n.end); end.Code != 1006 || end.Err == nil {
			t.Errorf("%+v", end)
		}
	})
}

// HTTP on the same port sees TLS, whole bodies come through, and an upgrade
// later on the same connection brings it back to a loop.
func TestTLSAndHTTP(t *testing.T) {
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = panics{n, ""}
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %d %v", r.Method, r.Proto, len(body), r.TLS != nil && r.TLS.HandshakeComplete)
		})
		config := a.server(t)
		config.NextProtos = []string{"h2", "http/1.1"}
		address := startTLS(t, s, config)

		c := connectTLS(t, address, a.client())
		const size = 200_000 // behind the head, much of it in the same turn
		c.send(t, []byte(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))))
		c.expectBody(t, "POST HTTP/1.1 200000 true")
		c.send(t, append([]byte(opening), text("early")...))
		c.switched(t)
		c.expect(t, wire.Text, "early")
		conn := next(t, n.open)
		if t.Name() == "TestTLSAndHTTP/system" != conn.OnLoop() {
			t.Errorf("on a loop: %v", conn.OnLoop())
		}
		if conn.ConnectionState() == nil {
			t.Error("no ConnectionState behind another request")
		}
		c.send(t, text(strings.Repeat("y", 100_000)))
		c.expect(t, wire.Text, strings.Repeat("y", 100_000))
		c.send(t, closing(1000))
		c.closes(t, 1000)

		for proto, transport := range map[string]*http.Transport{
			"HTTP/1.1": {TLSClientConfig: a.client()},
			"HTTP/2.0": {TLSClientConfig: a.client(), ForceAttemptHTTP2: true},
		} {
			for range 2 {
				r, err := (&http.Client{Transport: transport}).Post("https://"+address, "text/plain", strings.NewReader(strings.Repeat("x", size)))
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(r.Body)
				r.Body.Close()
				if want := "POST " + proto + " 200000 true"; string(body) != want {
					t.Errorf("got %q, want %q", body, want)
				}
			}
			transport.CloseIdleConnections()
		}
	})
}
