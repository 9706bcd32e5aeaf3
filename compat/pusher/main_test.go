package pusher

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKey    = "app-key"
	testSecret = "app-secret"
)

// fixture is a server of clients and back ends.
type fixture struct {
	t      testing.TB
	hub    *hub.Hub
	apps   *app.Apps
	server *Server
	now    time.Time // what signatures are checked by

	mu  sync.Mutex // guards what follows
	log strings.Builder
}

// Write makes it the end of a log.
func (f *fixture) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(p)
}

func (f *fixture) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

func testApp() app.App {
	return app.App{ID: "app", Key: testKey, Secret: app.Secret(testSecret), ClientEvents: true}
}

// newFixture returns a server for apps, the one of testApp if there are none, that is to
// be closed by the test if it is not nil.
func newFixture(t testing.TB, change func(*Options), apps ...app.App) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Unix(1_800_000_000, 0)}
	if apps == nil {
		apps = []app.App{testApp()}
	}
	var err error
	if f.apps, err = app.New(apps); err != nil {
		t.Fatal(err)
	}
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	f.hub, err = hub.New(broker, &hub.Options{JoinWindow: 10 * time.Millisecond, Observer: &hub.Observer{
		Subscribed:   func(s *hub.Session, m hub.Milestone) { f.server.Subscribed(s, m) },
		Unsubscribed: func(s *hub.Session, m hub.Milestone) { f.server.Unsubscribed(s, m) },
	}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Hub: f.hub, Apps: f.apps, Now: func() time.Time { return f.now }, Logger: slog.New(slog.NewTextHandler(f, nil))}
	if change != nil {
		change(&o)
	}
	if f.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	tr, err := transport.New(f.hub, &transport.Options{Protocols: []transport.Protocol{f.server}, Origins: o.Origins, Logger: o.Logger})
	if err != nil {
		t.Fatal(err)
	}
	f.server.Carry(tr)
	t.Cleanup(func() {
		_ = f.hub.Shutdown(context.Background())
		_ = f.server.Close()
		_ = f.hub.Close()
	})
	return f
}

// ServeHTTP is what a server does with its paths.
func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.server.ServesHTTP(r.URL.EscapedPath()) {
		f.server.ServeHTTP(w, r)
		return
	}
	f.server.transport.Load().ServeHTTP(w, r)
}

// signed is the URL of a request, as a library makes it.
func (f *fixture) signed(method, path, body string, params ...protocol.Parameter) string {
	params = append(params, protocol.Parameter{Name: "auth_key", Value: testKey}, protocol.Parameter{Name: "auth_version", Value: "1.0"},
		protocol.Parameter{Name: "auth_timestamp", Value: strconv.FormatInt(f.now.Unix(), 10)})
	if body != "" {
		sum := md5.Sum([]byte(body))
		params = append(params, protocol.Parameter{Name: "body_md5", Value: hex.EncodeToString(sum[:])})
	}
	signature := protocol.Sign(testSecret, protocol.SignedRequest(method, path, params))
	query := make(url.Values)
	for _, p := range append(params, protocol.Parameter{Name: "auth_signature", Value: signature}) {
		query.Add(p.Name, p.Value)
	}
	return path + "?" + query.Encode()
}

// ask makes a request.
func (f *fixture) ask(method, target, body string) (status int, answer string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	f.ServeHTTP(w, r)
	return w.Code, strings.TrimSuffix(w.Body.String(), "\n")
}

// call makes a request that is signed.
func (f *fixture) call(method, path, body string, params ...protocol.Parameter) (status int, answer string) {
	return f.ask(method, f.signed(method, path, body, params...), body)
}

// trigger publishes.
func (f *fixture) trigger(body string) {
	f.t.Helper()
	if status, answer := f.call("POST", "/apps/app/events", body); status != 200 {
		f.t.Fatalf("%s: %d %s", body, status, answer)
	}
}

// client is a client on a WebSocket.
type client struct {
	t    testing.TB
	conn *ws.Conn
	id   string // the socket ID
}

// serve serves over a network.
func (f *fixture) serve() *httptest.Server {
	s := httptest.NewServer(f)
	f.t.Cleanup(s.Close)
	return s
}

func dial(t testing.TB, s *httptest.Server, path string) *client {
	t.Helper()
	conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return &client{t: t, conn: conn}
}

// connect dials and waits for the socket ID.
func connect(t testing.TB, s *httptest.Server) *client {
	t.Helper()
	c := dial(t, s, "/app/"+testKey+"?protocol=7&client=js&version=8.6.0&flash=false")
	var established struct {
		Socket string `json:"socket_id"`
	}
	if err := json.Unmarshal([]byte(c.hear("pusher:connection_established")), &established); err != nil {
		t.Fatal(err)
	}
	c.id = established.Socket
	return c
}

// heard is a message of the server.
type heard struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
	User    string          `json:"user_id"`
}

func (h *heard) data() string {
	var text string
	if json.Unmarshal(h.Data, &text) == nil {
		return text
	}
	return string(h.Data)
}

// next waits for a message.
func (c *client) next() (h heard, err error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	_, p, err := c.conn.Read(ctx)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(p, &h); err != nil {
		c.t.Fatalf("%q: %v", p, err)
	}
	return h, nil
}

// hear waits for an event, which is to be the next, and returns its data.
func (c *client) hear(event string) string {
	c.t.Helper()
	h, err := c.next()
	if err != nil || h.Event != event {
		c.t.Fatalf("heard %s %s, %v; want %s", h.Event, h.Data, err, event)
	}
	return h.data()
}

// closed waits for the end, and returns its code.
func (c *client) closed() int {
	c.t.Helper()
	for {
		_, err := c.next()
		var ended *ws.CloseError
		if errors.As(err, &ended) {
			return int(ended.Code)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *client) say(format string, args ...any) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), ws.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		c.t.Fatal(err)
	}
}

// subscribe subscribes, with a signature where one is needed.
func (c *client) subscribe(channel, data string) string {
	c.t.Helper()
	auth := ""
	if protocol.TraitsOf(channel).Has(protocol.Private) {
		auth = protocol.AuthSubscription(testKey, testSecret, c.id, channel, data)
	}
	c.say(`{"event":"pusher:subscribe","data":{"channel":%q,"auth":%q,"channel_data":%q}}`, channel, auth, data)
	return c.hear("pusher_internal:subscription_succeeded")
}

// roundTripper is a function that sends requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int) (*http.Response, error) {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}
