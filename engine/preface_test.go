package engine_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// addressBook is an AddressCounter that counts, and refuses above max.
type addressBook struct {
	max int

	mu   sync.Mutex
	now  map[netip.Addr]int
	ever map[netip.Addr]int
}

func newAddressBook(most int) *addressBook {
	return &addressBook{max: most, now: make(map[netip.Addr]int), ever: make(map[netip.Addr]int)}
}

func (b *addressBook) Enter(client netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now[client] >= b.max {
		return false
	}
	b.now[client]++
	b.ever[client]++
	return true
}

func (b *addressBook) Leave(client netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now[client]--
	if b.now[client] <= 0 {
		if b.now[client] < 0 {
			panic("more have left than have entered")
		}
		delete(b.now, client)
	}
}

// expect waits until so many of client are counted.
func (b *addressBook) expect(t *testing.T, client string, want int) {
	t.Helper()
	eventually(t, func() (string, bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		n := b.now[netip.MustParseAddr(client)]
		return fmt.Sprintf("%d connections of %s, want %d: %v", n, client, want, b.now), n == want
	})
}

// everyProxy takes every peer for a proxy.
func everyProxy(netip.AddrPort) bool { return true }

// headers are those of one client in both versions, and its address.
var headers = map[string]string{
	"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n":                                                                                                         "192.0.2.7:4711",
	"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x67\x00\x50":                                                             "192.0.2.7:4711",
	"\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01" + strings.Repeat("\x00", 15) + "\x01\x12\x67\x00\x50": "[2001:db8::1]:4711",
}

// proxied is a client behind a proxy, over TLS if config is not nil.
func proxied(t *testing.T, address, header string, config *tls.Config) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(nc, header); err != nil {
		t.Fatal(err)
	}
	if config != nil {
		config = config.Clone()
		config.ServerName = "a.example"
		nc = tls.Client(nc, config)
	}
	return rawConn(t, nc)
}

// eachFront runs a test with descriptors and streams, each plain and over TLS.
func eachFront(t *testing.T, test func(t *testing.T, s *engine.Server, begin func() (address string, client *tls.Config))) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		test(t, s, func() (string, *tls.Config) { return start(t, s), nil })
	})
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		test(t, s, func() (string, *tls.Config) { return startTLS(t, s, a.server(t)), a.client() })
	})
}

// The address of a client is that which its proxy has said, for everything that asks: a
// request on a loop, one of net/http, an opening handshake of either, the WebSocket.
func TestProxyHeader(t *testing.T) {
	eachFront(t, func(t *testing.T, s *engine.Server, begin func() (string, *tls.Config)) {
		h := newLoopSite()
		routed := make(chan string, 100)
		s.Handler, s.ProxyHeader = remoteEcho{}, everyProxy
		s.Route = func(r *engine.Request) engine.Route {
			routed <- r.RemoteAddr().String()
			return h.route(r)
		}
		s.Admit = func(r *engine.Request) engine.Admission {
			routed <- r.RemoteAddr().String()
			return engine.Admission{HTTP: r.Path() == "/http"}
		}
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				_, _ = s.Upgrade(w, r, engine.Admission{})
				return
			}
			io.WriteString(w, r.RemoteAddr)
		})
		address, client := begin()
		for header, want := range headers {
			told := func() {
				t.Helper()
				if got := <-routed; got != want {
					t.Errorf("%q: %s, want %s", header, got, want)
				}
			}
			c := proxied(t, address, header, client)
			c.send(t, []byte("GET /loop HTTP/1.1\r\nHost: x\r\n\r\n"))
			c.expectBody(t, "/loop")
			told()
			c.send(t, []byte("GET /http HTTP/1.1\r\nHost: x\r\n\r\n"))
			c.expectBody(t, want)
			told()
			c.send(t, []byte(opening))
			c.switched(t)
			told()
			c.send(t, text("who"))
			c.expect(t, wire.Text, want)

			c = proxied(t, address, header, client)
			c.send(t, []byte(strings.Replace(opening, "GET / ", "GET /http ", 1)))
			c.switched(t)
			told()
			told() // Admit is asked again when net/http has read it
			c.send(t, text("who"))
			c.expect(t, wire.Text, want)
		}
		// Where the proxy speaks for itself, the address is its own.
		c := proxied(t, address, "PROXY UNKNOWN\r\n", client)
		c.send(t, []byte("GET /http HTTP/1.1\r\nHost: x\r\n\r\n"))
		c.expectBody(t, c.LocalAddr().String())
	})
}

// remoteEcho answers every message with the client's address.
type remoteEcho struct{ engine.NopHandler }

func (remoteEcho) OnMessage(c *engine.Conn, _ engine.MessageType, _ []byte) {
	_ = c.Write(engine.MessageText, []byte(c.RemoteAddr().String()))
}

// However a header is cut, and whatever comes with it, it is the same.
func TestProxyHeaderInParts(t *testing.T) {
	eachFront(t, func(t *testing.T, s *engine.Server, begin func() (string, *tls.Config)) {
		s.Handler, s.ProxyHeader = remoteEcho{}, everyProxy
		address, client := begin()
		for header, want := range headers {
			for _, cut := range []int{1, 6, 13, 15, 16, len(header) - 1} {
				nc, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(nc, header[:cut])
				c := rawConn(t, nc)
				begun := &prefixed{Conn: nc, prefix: []byte(header[cut:])}
				c.Conn = begun
				if client != nil {
					config := client.Clone()
					config.ServerName = "a.example"
					c = rawConn(t, tls.Client(begun, config))
				}
				c.send(t, append([]byte(opening), text("who")...))
				c.switched(t)
				c.expect(t, wire.Text, want)
			}
		}
	})
}

// prefixed sends something in front of what is written first, in one write.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (p *prefixed) Write(b []byte) (int, error) {
	if len(p.prefix) == 0 {
		return p.Conn.Write(b)
	}
	n, err := p.Conn.Write(append(p.prefix, b...))
	n -= len(p.prefix)
	p.prefix = nil
	return max(n, 0), err
}

// A connection that does not begin with a header is refused, and the log says so; one
// of a peer that is no proxy begins as it likes.
func TestProxyHeaderMissing(t *testing.T) {
	eachFront(t, func(t *testing.T, s *engine.Server, begin func() (string, *tls.Config)) {
		var log lockedBuffer
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
		s.Handler, s.ProxyHeader = echo{}, everyProxy
		address, client := begin()
		for _, sent := range []string{opening, "PROXY TCP4 192.0.2.7 127.0.0.1 4711\r\n" + opening, "\x16\x03\x01\x00\x05hello", "\r\n\r\n\x00\r\nQUIT\n\x11"} {
			c := connect(t, address)
			c.send(t, []byte(sent))
			if sent[0] < 'A' {
				c.ends(t)
				continue
			}
			r := c.response(t)
			if b, _ := io.ReadAll(r.Body); r.StatusCode != 400 || !r.Close || !strings.Contains(string(b), "PROXY protocol") {
				t.Errorf("%q: %v %q", sent, r, b)
			}
			c.Close() // it is lingered for
		}
		eventually(t, func() (string, bool) {
			return log.String(), strings.Contains(log.String(), "does not begin with a header") && strings.Contains(log.String(), "send-proxy")
		})
		if n := strings.Count(log.String(), "refused a connection of a proxy"); n != 1 {
			t.Errorf("it was logged %d times", n)
		}
		counts(t, s, 0, 0)
		_ = client
	})
}

func TestProxyHeaderOfOthers(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		asked := make(chan netip.AddrPort, 10)
		s.Handler = remoteEcho{}
		s.ProxyHeader = func(peer netip.AddrPort) bool { asked <- peer; return false }
		address := start(t, s)
		c := upgrade(t, address)
		c.send(t, text("who"))
		c.expect(t, wire.Text, c.LocalAddr().String())
		if got := (<-asked).String(); got != c.LocalAddr().String() {
			t.Error(got)
		}
		c = proxied(t, address, "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n", nil)
		c.send(t, []byte(opening))
		if r := c.response(t); r.StatusCode != 400 {
			t.Errorf("whoever is no proxy has claimed an address: %v", r)
		}
	})
}

// The header has to come in the time that a head has.
func TestProxyHeaderTimeout(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a timeout")
	}
	eachFront(t, func(t *testing.T, s *engine.Server, begin func() (string, *tls.Config)) {
		s.Handler, s.ProxyHeader, s.HandshakeTimeout = echo{}, everyProxy, 300*time.Millisecond
		address, _ := begin()
		for _, sent := range []string{"", "PROXY TCP4", "\r\n\r\n\x00\r\nQUIT\n\x21"} {
			c := connect(t, address)
			c.send(t, []byte(sent))
			begun := time.Now()
			if _, err := io.ReadAll(c); err != nil {
				t.Logf("%q: %v", sent, err) // a reset, where something was not read
			}
			if took := time.Since(begun); took < 200*time.Millisecond || took > patience/2 {
				t.Errorf("%q: it ended after %v", sent, took)
			}
		}
		counts(t, s, 0, 0)
	})
}

// Connections are counted by the address of their client, wherever they are, and given
// back once, however they end.
func TestAddresses(t *testing.T) {
	eachFront(t, func(t *testing.T, s *engine.Server, begin func() (string, *tls.Config)) {
		book := newAddressBook(3)
		h := newLoopSite()
		hijacked := make(chan net.Conn, 1)
		s.Handler, s.ProxyHeader, s.Addresses, s.Route = echo{}, everyProxy, book, func(r *engine.Request) engine.Route {
			if r.Path() == "/hijack" {
				return engine.Route{}
			}
			return h.route(r)
		}
		s.Loops = 1
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/hijack":
				nc, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
				}
				hijacked <- nc
			case r.Header.Get("Upgrade") != "":
				_, _ = s.Upgrade(w, r, engine.Admission{})
			case engine.IsOverLimit(r):
				f := engine.FaultOf(r)
				http.Error(w, f.Reason, f.Status)
			default:
				site(w, r)
			}
		})
		address, client := begin()
		const header, who = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n", "192.0.2.7"
		one := func(request string) *raw {
			c := proxied(t, address, header, client)
			c.send(t, []byte(request))
			return c
		}
		const onLoop, onHTTP = "GET /loop HTTP/1.1\r\nHost: x\r\n\r\n", "GET /http HTTP/1.1\r\nHost: x\r\n\r\n"
		a, b, c := one(opening), one(onLoop), one(onHTTP)
		a.switched(t)
		b.expectBody(t, "/loop")
		c.expectBody(t, `GET /http ""`)
		book.expect(t, who, 3)
		for _, request := range []string{opening, onLoop, onHTTP} {
			over := one(request)
			r := over.response(t)
			if b, _ := io.ReadAll(r.Body); r.StatusCode != 429 || !r.Close || r.Header.Get("Retry-After") == "" && request != onHTTP || !strings.Contains(string(b), "from this address") {
				t.Errorf("%q: %v %q", request, r, b)
			}
			over.ends(t)
			over.Close() // it is lingered for
		}
		// Others are not touched by it.
		other := proxied(t, address, "PROXY TCP4 192.0.2.8 127.0.0.1 4711 80\r\n", client)
		other.send(t, []byte(opening))
		other.switched(t)
		book.expect(t, "192.0.2.8", 1)
		other.Close()
		book.expect(t, "192.0.2.8", 0)

		// From net/http back to a loop, it is the same connection.
		c.send(t, []byte(opening))
		c.switched(t)
		c.send(t, text("in"))
		c.expect(t, wire.Text, "in")
		book.expect(t, who, 3)
		a.Close()
		book.expect(t, who, 2)
		c.send(t, closing(1000))
		c.closes(t, 1000)
		book.expect(t, who, 1)
		b.Close()
		book.expect(t, who, 0)
		d := one("GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n")
		nc := <-hijacked
		book.expect(t, who, 1)
		nc.Close()
		d.Close()
		book.expect(t, who, 0)
		counts(t, s, 0, 0)
	})
}

// Without proxies the peer is counted.
func TestAddressesOfPeers(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		book := newAddressBook(1)
		s.Handler, s.Addresses = echo{}, book
		address := start(t, s)
		a := upgrade(t, address)
		book.expect(t, "127.0.0.1", 1)
		for range 100 { // 64 are told, and the others closed
			c := connect(t, address)
			_, _ = c.Write([]byte(opening))
		}
		expectRefusals(t, s, 100)
		counts(t, s, 1, 0)
		if c, _, err := ws.Dial(within(t), "ws://"+address+"/", nil); err == nil {
			c.CloseNow()
			t.Error("it was admitted")
		}
		a.Close()
		book.expect(t, "127.0.0.1", 0)
		var over uint64
		for _, l := range s.Stats() {
			over += l.OverAddress
		}
		if over < 100 {
			t.Error(over)
		}
	})
}

// lockedBuffer is a log that tests read while servers write it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
