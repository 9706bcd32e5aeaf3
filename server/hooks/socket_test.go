package hooks

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
)

// open returns hooks that ask at url over sockets, and their log.
func open(t *testing.T, o Options) (*Hooks, *lockedBuffer) {
	t.Helper()
	log := new(lockedBuffer)
	o.Secrets, o.Logger = [][]byte{[]byte(testSecret)}, slog.New(slog.NewTextHandler(log, nil))
	h, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(h) })
	return h, log
}

func TestTLS(t *testing.T) {
	var versions sync.Map
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		versions.Store(r.Proto, true)
		_, _ = io.WriteString(w, `{"allow":{}}`)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	trusting := server.Client().Transport.(*http.Transport).TLSClientConfig
	h, _ := open(t, Options{Subscribe: &Question{URL: server.URL}, AllowPrivate: true, TLSConfig: &tls.Config{RootCAs: trusting.RootCAs}})
	if err := subscribe(h, SubscribeRequest{Channel: "a"}); err != nil {
		t.Error(err)
	}
	if _, ok := versions.Load("HTTP/1.1"); !ok {
		t.Error("not asked by HTTP/1.1")
	}
	h, log := open(t, Options{Subscribe: &Question{URL: server.URL}, AllowPrivate: true})
	refusal(t, subscribe(h, SubscribeRequest{Channel: "a"}))
	if !strings.Contains(log.String(), "certificate") {
		t.Errorf("logged\n%s", log)
	}
}

// A name that leads to a private address is found out when it is dialled, and
// nothing is sent.
func TestNamesOfPrivateAddresses(t *testing.T) {
	var asked atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Store(true)
		_, _ = io.WriteString(w, `{"allow":{}}`)
	}))
	defer server.Close()
	url := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/?key=query-secret"
	r := newRecord()
	h, log := open(t, Options{Subscribe: &Question{URL: url}, Events: &Events{URL: url, Retry: time.Millisecond}, Observer: r.observer()})
	refused := refusal(t, subscribe(h, SubscribeRequest{Channel: "a"}))
	if refused.Cause != access.Unavailable || asked.Load() {
		t.Errorf("%+v, asked: %v", refused, asked.Load())
	}
	if s := log.String(); !strings.Contains(s, "a loopback address; requests go there only with allow_private") || strings.Contains(s, "query-secret") {
		t.Errorf("logged\n%s", s)
	}
	if strings.Contains(refused.Reason, "127") || strings.Contains(refused.Reason, "localhost") {
		t.Errorf("the client is told %q", refused.Reason)
	}
	h.SessionOpened(Member{Session: "s"})
	if err := h.Close(t.Context()); err != nil || asked.Load() || r.givenUp[TooOld] != 1 {
		t.Errorf("%v; asked: %v; observed %v", err, asked.Load(), r.givenUp)
	}

	h, _ = open(t, Options{Subscribe: &Question{URL: url}, AllowPrivate: true})
	if err := subscribe(h, SubscribeRequest{Channel: "a"}); err != nil || !asked.Load() {
		t.Errorf("allowed: %v", err)
	}
}

// A server that accepts and says nothing, not even in the handshake of TLS, and one that does not
// even accept.
func TestSilentServers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, scheme := range []string{"http", "https"} {
		h, _ := open(t, Options{Subscribe: &Question{URL: scheme + "://" + listener.Addr().String(), Timeout: 50 * time.Millisecond}, AllowPrivate: true})
		began := time.Now()
		if got := refusal(t, subscribe(h, SubscribeRequest{Channel: "a"})); got.Cause != access.Unavailable || time.Since(began) < 50*time.Millisecond {
			t.Errorf("%s: %+v after %v", scheme, got, time.Since(began))
		}
	}
	closed := listener.Addr().String()
	_ = listener.Close()
	h, log := open(t, Options{Subscribe: &Question{URL: "http://" + closed}, AllowPrivate: true})
	began := time.Now()
	refusal(t, subscribe(h, SubscribeRequest{Channel: "a"}))
	if time.Since(began) < retryPause || !strings.Contains(log.String(), "refused") {
		t.Errorf("after %v, logged\n%s", time.Since(began), log)
	}
}

// Nothing of the environment decides where requests go.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	h, _ := open(t, Options{Subscribe: &Question{URL: testURL}, Events: &Events{URL: testURL}})
	for _, e := range []*endpoint{h.subscribe.endpoint, h.events.endpoint} {
		if e.client.Transport.(*http.Transport).Proxy != nil {
			t.Errorf("%s may go by a proxy", e.hook)
		}
	}
}

// Questions share connections, and idle ones are closed before the application
// does that.
func TestConnectionsAreKeptForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"allow":{}}`))
		var dialled atomic.Int32
		h := a.start(t, Options{Subscribe: &Question{}})
		transport := h.subscribe.client.Transport.(*http.Transport)
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled.Add(1)
			return dial(ctx, network, address)
		}
		for range 10 {
			if err := subscribe(h, SubscribeRequest{Channel: "a"}); err != nil {
				t.Fatal(err)
			}
			after(idleTimeout / 2)
		}
		if n := dialled.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
		after(idleTimeout)
		if err := subscribe(h, SubscribeRequest{Channel: "a"}); err != nil || dialled.Load() != 2 {
			t.Errorf("%v; %d connections", err, dialled.Load())
		}
	})
}
