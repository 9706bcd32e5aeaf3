package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// silent is longer than the short patience of the proxies with a connection.
const silent = proxyTimeoutShort + proxyTimeoutShort/2

// TestProxiedWebSocket has both ends of a connection, and a proxy between.
func TestProxiedWebSocket(t *testing.T) {
	for _, kind := range proxies {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t)
			p := kind.start(t, b.Listener.Addr().String(), proxyTimeout)
			for _, s := range []struct {
				name string
				run  func(t *testing.T, p *proxy, b *backend)
			}{
				{"messages", testProxiedMessages},
				{"handshake", testProxiedHandshake},
				{"close by the server", testProxiedCloseByServer},
				{"close by the client", testProxiedCloseByClient},
				{"refused while sending", testProxiedRefusal},
				{"abrupt ends", testProxiedAbruptEnds},
				{"restart", testProxiedRestart}, // the last, for the proxy is another then
			} {
				t.Run(s.name, func(t *testing.T) { s.run(t, p, b) })
			}
			t.Run("silence", func(t *testing.T) {
				testProxiedSilence(t, kind.start(t, b.Listener.Addr().String(), proxyTimeoutShort), b)
			})
		})
	}
}

// backend hands its connections to the test. Its ?keepalive=0 sends no pings;
// otherwise they come more often than the short timeout of the proxies. Both ends are as patient
// with a close as the test is: on a machine that has no time for them the proxy passes it on late.
type backend struct {
	*httptest.Server
	accepted chan *ws.Conn
}

func newBackend(t *testing.T) *backend {
	b := &backend{accepted: make(chan *ws.Conn, 16)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &ws.AcceptOptions{Subprotocols: []string{"chat.v2"}, Header: http.Header{"Set-Cookie": {"proxied=1"}}}
		o.PingInterval, o.CloseTimeout = proxyTimeoutShort/4, patience
		if r.FormValue("keepalive") == "0" {
			o.PingInterval = ws.NoLimit
		}
		o.Compression = compression(new(params))
		if conn, err := ws.Accept(w, r, o); err == nil {
			b.accepted <- conn
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// through connects through the proxy. The client sends no pings of its own. With
// ?plain it does not offer compression.
func through(t *testing.T, p *proxy, b *backend, query string) (client, server *near) {
	t.Helper()
	o := &ws.DialOptions{TLSConfig: p.tls, Subprotocols: []string{"chat.v1", "chat.v2"}}
	o.PingInterval, o.CloseTimeout = ws.NoLimit, patience
	if query != "?plain" {
		o.Compression = compression(new(params))
	}
	conn, response, err := ws.Dial(background, "wss://"+p.host+"/echo"+query, o)
	if err != nil {
		t.Fatal(err)
	}
	client = newNear(t, conn)
	client.response = response
	return client, newNear(t, <-b.accepted)
}

func testProxiedMessages(t *testing.T, p *proxy, b *backend) {
	client, server := through(t, p, b, "")
	for _, m := range messages {
		client.send(t, m.binary, m.data)
		server.wantsMessage(t, m.binary, m.data)
		server.send(t, m.binary, m.data)
		client.wantsMessage(t, m.binary, m.data)
	}
	for i := range 1000 { // without waiting for one another
		client.send(t, false, fmt.Sprint("up ", i))
		server.send(t, false, fmt.Sprint("down ", i))
	}
	for i := range 1000 {
		server.wantsMessage(t, false, fmt.Sprint("up ", i))
		client.wantsMessage(t, false, fmt.Sprint("down ", i))
	}
	for _, n := range []*near{client, server} {
		if rtt, err := n.Ping(background); err != nil || rtt <= 0 {
			t.Errorf("Ping = %v, %v", rtt, err)
		}
	}
}

func testProxiedHandshake(t *testing.T, p *proxy, b *backend) {
	client, server := through(t, p, b, "?a=b%20c")
	agreed, compressed := client.Compression()
	if other, _ := server.Compression(); !compressed || agreed != other {
		t.Errorf("compression %t: %+v and %+v", compressed, agreed, other)
	}
	if client.Subprotocol() != "chat.v2" || server.Subprotocol() != "chat.v2" {
		t.Errorf("subprotocols %q and %q", client.Subprotocol(), server.Subprotocol())
	}
	if cookie := client.response.Header.Get("Set-Cookie"); cookie != "proxied=1" {
		t.Errorf("Set-Cookie: %q", cookie)
	}

	// The proxy ends TLS and passes the Host header on, so that its own pages are
	// recognised, and others.
	for origin, status := range map[string]int{
		"https://" + p.host:            0,
		"https://realtime.example.com": http.StatusForbidden,
		"https://127.0.0.1":            http.StatusForbidden, // another port
		"null":                         http.StatusForbidden,
	} {
		conn, response, err := ws.Dial(background, "wss://"+p.host, &ws.DialOptions{TLSConfig: p.tls, Header: http.Header{"Origin": {origin}}})
		if refused, _ := errors.AsType[*handshake.ResponseError](err); status != 0 {
			if refused == nil || refused.Status != status || response.StatusCode != status {
				t.Errorf("from %s: %v, want %d", origin, err, status)
			}
			continue
		}
		if err != nil {
			t.Errorf("from %s: %v", origin, err)
			continue
		}
		conn.CloseNow()
		(<-b.accepted).CloseNow()
	}

	if _, _, err := ws.Dial(background, "wss://"+p.host, nil); err == nil {
		t.Error("an unknown certificate was accepted")
	}
}

func testProxiedCloseByServer(t *testing.T, p *proxy, b *backend) {
	for _, c := range closes {
		client, server := through(t, p, b, "")
		if err := server.Close(onWire(c.code), c.reason); err != nil {
			t.Error(err)
		}
		client.wantsEnd(t, onWire(c.code), c.reason, onWire(c.code))
	}
}

func testProxiedCloseByClient(t *testing.T, p *proxy, b *backend) {
	for _, c := range closes {
		client, server := through(t, p, b, "")
		if err := client.Close(onWire(c.code), c.reason); err != nil {
			t.Error(err)
		}
		server.wantsEnd(t, onWire(c.code), c.reason, onWire(c.code))
	}
}

// testProxiedRefusal sends a message that the server gives up before all of it
// has come: the client learns why, whatever becomes of the rest in the proxy.
func testProxiedRefusal(t *testing.T, p *proxy, b *backend) {
	client, server := through(t, p, b, "?plain")
	_ = client.Write(background, ws.MessageBinary, make([]byte, 1<<24)) // may break off, or not
	server.wantsEnd(t, wire.CloseAbnormal, "", ws.StatusMessageTooBig)
	<-client.Done()
	if code := ws.CloseStatus(client.Err()); code != ws.StatusMessageTooBig {
		t.Errorf("the client ended with %v", client.Err())
	}
}

func testProxiedAbruptEnds(t *testing.T, p *proxy, b *backend) {
	client, server := through(t, p, b, "")
	server.CloseNow()
	client.wantsEnd(t, wire.CloseAbnormal, "", 0)

	client, server = through(t, p, b, "")
	client.CloseNow()
	server.wantsEnd(t, wire.CloseAbnormal, "", 0)

	// After a fault the close frame arrives before the end does.
	client, server = through(t, p, b, "")
	if _, err := server.NetConn().Write([]byte{0x83, 0}); err != nil {
		t.Fatal(err)
	}
	client.wantsEnd(t, wire.CloseAbnormal, "", wire.CloseProtocolError)
	server.wantsEnd(t, wire.CloseProtocolError, "reserved opcode", wire.CloseProtocolError)
}

// testProxiedSilence waits in real time, as proxies know no other.
func testProxiedSilence(t *testing.T, p *proxy, b *backend) {
	// Nothing but keepalive pings, and that is enough.
	client, server := through(t, p, b, "")
	select {
	case <-client.Done():
		t.Errorf("ended in spite of the keepalive: %v", client.Err())
	case <-server.Done():
		t.Errorf("ended in spite of the keepalive: %v", server.Err())
	case <-time.After(silent):
	}
	client.send(t, false, "still there")
	server.wantsMessage(t, false, "still there")
	if server.Latency() <= 0 {
		t.Error("no ping was answered")
	}

	// Without pings the proxy ends it: what was tested above is the keepalive.
	client, server = through(t, p, b, "?keepalive=0")
	client.wantsEnd(t, wire.CloseAbnormal, "", 0)
	server.wantsEnd(t, wire.CloseAbnormal, "", 0)
}

// testProxiedRestart kills the proxy. Both sides learn that, and a Redialer is
// back as soon as the proxy is.
func testProxiedRestart(t *testing.T, p *proxy, b *backend) {
	connected := make(chan *ws.Conn)
	retried := make(chan error, 1)
	r := &ws.Redialer{
		URL: "wss://" + p.host, DialOptions: &ws.DialOptions{TLSConfig: p.tls},
		BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		OnRetry: func(err error, _ time.Duration) {
			select {
			case retried <- err:
			default:
			}
		},
	}
	ctx, cancel := context.WithTimeout(background, patience)
	defer cancel()
	ran := make(chan error, 1)
	go func() {
		ran <- r.Run(ctx, func(ctx context.Context, conn *ws.Conn) error {
			connected <- conn
			_, message, err := conn.Read(ctx)
			if err == nil && string(message) != "enough" {
				err = fmt.Errorf("received %q", message)
			}
			return err
		})
	}()
	client, server := <-connected, newNear(t, <-b.accepted)
	p.stop()
	server.wantsEnd(t, wire.CloseAbnormal, "", 0)
	<-client.Done()
	if code := ws.CloseStatus(<-retried); code != wire.CloseAbnormal {
		t.Errorf("the client saw %v", code)
	}
	p.start(t)
	<-connected
	server = newNear(t, <-b.accepted)
	server.send(t, false, "enough")
	if err := <-ran; err != nil {
		t.Error(err)
	}
	server.wantsEnd(t, ws.StatusNormal, "", ws.StatusNormal)
}
