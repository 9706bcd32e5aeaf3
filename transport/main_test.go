package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// newTransport returns a Transport with options that are right. If they do not say
// otherwise, delays are drawn in the middle of the window, which is 2 s.
func newTransport(h *hub.Hub, o *Options) *Transport {
	var options Options
	if o != nil {
		options = *o
	}
	if options.Random == nil {
		options.Random = func() float64 { return 0.5 }
	}
	t, err := New(h, &options)
	if err != nil {
		panic(err)
	}
	return t
}

// net/http gives a client half a second to read an answer behind which it closes.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// driverVariable says what carries WebSockets in these tests: event loops, or
// with "goroutine" that.
const driverVariable = "GODWIT_TEST_DRIVER"

// TestGoroutineDriver runs the tests of this package again without event loops.
func TestGoroutineDriver(t *testing.T) {
	if testing.Short() {
		t.Skip("the tests run a second time")
	}
	if os.Getenv(driverVariable) != "" {
		t.Skip("this is the second run")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "WebSocket|Socket|Resume|Slow|Surface|Upgrade|Gap|Envelope")
	cmd.Env = append(os.Environ(), driverVariable+"=goroutine")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// patience is how long a test waits for something that must happen. It passes
// only when the test fails.
const patience = time.Minute

// site is a hub with a Transport behind a real server on loopback.
type site struct {
	t         *testing.T
	hub       *hub.Hub
	transport *Transport
	server    *httptest.Server
	client    *http.Client
	ended     *ends
	running   atomic.Int64
	handled   chan struct{} // has one when a handler has returned
	gone      chan struct{} // has one when a stream has ended
}

type siteOptions struct {
	transport Options
	hub       hub.Options
	broker    hub.Broker
	http2     bool
}

// newBroker returns an in-process broker.
func newBroker() *membroker.Broker {
	b, err := membroker.New(nil)
	if err != nil {
		panic(err)
	}
	return b
}

func newHub(t testing.TB, broker hub.Broker, o *hub.Options) *hub.Hub {
	t.Helper()
	if broker == nil {
		broker = newBroker()
	}
	h, err := hub.New(broker, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil && !errors.Is(err, hub.ErrClosed) {
			t.Error(err)
		}
	})
	return h
}

func newSite(t *testing.T, o siteOptions) *site {
	t.Helper()
	s := &site{t: t, ended: newEnds(), handled: make(chan struct{}, 1), gone: make(chan struct{}, 1)}
	s.hub = newHub(t, o.broker, &o.hub)
	if o.transport.Observer == nil {
		o.transport.Observer = &Observer{}
	}
	o.transport.Observer.Ended = func(_ string, end End) {
		s.ended.add(end)
		notify(s.gone)
	}
	if o.transport.Logger == nil {
		o.transport.Logger = slog.New(slog.DiscardHandler)
	}
	if os.Getenv(driverVariable) != "goroutine" {
		loops := &engine.Server{Handler: engine.NopHandler{}, Origins: o.transport.Origins, Subprotocols: Subprotocols(), Log: o.transport.Logger}
		o.transport.Engine = loops
		t.Cleanup(func() { _ = loops.Close() })
	}
	s.transport = newTransport(s.hub, &o.transport)
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer func() {
			s.running.Add(-1)
			notify(s.handled)
		}()
		s.transport.ServeHTTP(w, r)
	}))
	s.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if o.http2 {
		s.server.EnableHTTP2 = true
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
	s.client = s.server.Client()
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		// Streams end first: Close of the server waits for its handlers.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.hub.Shutdown(ctx); err != nil {
			t.Errorf("sessions are left behind: %v (%v)", s.hub.Stats().Sessions, err)
		}
		s.client.CloseIdleConnections()
		s.server.Close()
	})
	return s
}

// fields are header fields of a request: name, value, name, value, …
type fields []string

// request makes a request with a bound on how long the test waits.
func (s *site) request(method, path string, header fields, body io.Reader) *http.Request {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, s.server.URL, body)
	if err != nil {
		s.t.Fatal(err)
	}
	// The path goes out as it is written here.
	r.URL.Opaque = "//" + r.URL.Host + path
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	return r
}

// do sends a request and reads the whole response.
func (s *site) do(method, path string, header fields, body string) (*http.Response, string) {
	s.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	response, err := s.client.Do(s.request(method, path, header, reader))
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response, string(content)
}

// open sends a GET and returns the response when its header has arrived. The
// test closes it.
func (s *site) open(path string, header fields) *http.Response {
	s.t.Helper()
	response, err := s.client.Do(s.request("GET", path, header, nil))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		content, _ := io.ReadAll(response.Body)
		s.t.Fatalf("GET %s: %s: %s", path, response.Status, content)
	}
	return response
}

// publish publishes to the hub itself.
func (s *site) publish(channel string, kind hub.Kind, data string) hub.Position {
	s.t.Helper()
	position, _, err := s.hub.Publish(context.Background(), hub.Message{Channel: channel, Kind: kind, Data: []byte(data)})
	if err != nil {
		s.t.Fatal(err)
	}
	return position
}

// count publishes the numbers from 1 to n. In a new channel of membroker they
// are the offsets too.
func (s *site) count(channel string, n int) {
	s.t.Helper()
	for i := range n {
		s.publish(channel, hub.Text, strconv.Itoa(i+1))
	}
}

// keepTwo is a hub that loses positions quickly.
var keepTwo = hub.Options{Retention: hub.Retention{Count: 2, Age: hub.DefaultRetentionAge}}

// expectEnd waits until a stream has ended, and checks how.
func (s *site) expectEnd(want End) {
	s.t.Helper()
	for expired := time.After(patience); ; {
		if got, ok := s.ended.take(); ok {
			if got != want {
				s.t.Errorf("the stream ended as %q, want %q", got, want)
			}
			return
		}
		select {
		case <-s.ended.more:
		case <-expired:
			s.t.Errorf("the stream did not end; want %q", want)
			return
		}
	}
}

// expectGone waits until no handler runs, and checks that none left a session.
func (s *site) expectGone() {
	s.t.Helper()
	expired := time.After(patience)
	for s.running.Load() > 0 {
		select {
		case <-s.handled:
		case <-expired:
			s.t.Fatalf("%d handlers are still running", s.running.Load())
		}
	}
	for len(s.hub.Stats().Sessions) > 0 { // a WebSocket outlives its handler
		select {
		case <-s.gone:
		case <-time.After(10 * time.Millisecond): // a session is told to have ended before it has left the hub
		case <-expired:
			s.t.Fatalf("sessions are left behind: %v", s.hub.Stats().Sessions)
		}
	}
}

// dial opens a raw connection to the server, for what net/http does not send.
func (s *site) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}
