package sockjs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/sockjs"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

// net/http gives a client half a second to read an answer behind which it closes.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience is how long a test waits for what must happen. It passes only when the test fails.
const patience = time.Minute

var quiet = slog.New(slog.DiscardHandler)

// site is SockJS and the channels behind a listener.
type site struct {
	t      testing.TB
	hub    *hub.Hub
	server *sockjs.Server
	url    string
	client *http.Client
	ended  *ends
}

type siteOptions struct {
	sockjs    sockjs.Options
	transport transport.Options
	hub       hub.Options
}

// onBoth runs a test on event loops and on goroutines.
func onBoth(t *testing.T, o siteOptions, test func(t *testing.T, s *site)) {
	for _, driver := range []string{"loops", "goroutines"} {
		t.Run(driver, func(t *testing.T) { test(t, newSite(t, driver, o)) })
	}
}

func newHub(t testing.TB, o *hub.Options) *hub.Hub {
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(broker, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newSite(t testing.TB, driver string, o siteOptions) *site {
	s := &site{t: t, hub: newHub(t, &o.hub), ended: newEnds()}
	protocol, err := sockjs.NewProtocol(&o.sockjs)
	if err != nil {
		t.Fatal(err)
	}
	loops := &engine.Server{Handler: engine.NopHandler{}, Subprotocols: transport.Subprotocols(), Loops: 2, Log: quiet, Origins: o.sockjs.SockJS.Origins}
	o.transport.Protocols = []transport.Protocol{protocol}
	o.transport.Origins = o.sockjs.SockJS.Origins
	o.transport.Logger = quiet
	o.transport.Observer = &transport.Observer{Ended: func(_ string, end transport.End) { s.ended.add(end) }}
	if driver == "loops" {
		o.transport.Engine = loops
	}
	channels, err := transport.New(s.hub, &o.transport)
	if err != nil {
		t.Fatal(err)
	}
	o.sockjs.SockJS.Logger = quiet
	if s.server, err = sockjs.New(channels, &o.sockjs); err != nil {
		t.Fatal(err)
	}
	both := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.server.Serves(r.URL.EscapedPath()) {
			s.server.ServeHTTP(w, r)
			return
		}
		channels.ServeHTTP(w, r)
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve, end := func() error { return nil }, func() error { return nil }
	if driver == "loops" {
		loops.HTTP = both
		loops.Route = func(r *engine.Request) engine.Route {
			if s.server.Serves(r.Path()) {
				return s.server.Route(r)
			}
			return channels.Route(r)
		}
		loops.Admit = func(r *engine.Request) engine.Admission {
			if s.server.Serves(r.Path()) {
				return s.server.Admit(r)
			}
			return channels.Admit(r)
		}
		serve, end = func() error { return loops.Serve(ln) }, loops.Close
	} else {
		plain := &http.Server{Handler: both, ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelError)}
		serve, end = func() error { return plain.Serve(ln) }, plain.Close
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = serve() // it says that it was closed
	}()
	s.url = "http://" + ln.Addr().String()
	s.client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.hub.Shutdown(ctx); err != nil {
			t.Errorf("sessions are left behind: %v", err)
		}
		if err := s.server.Shutdown(ctx); err != nil {
			t.Errorf("SockJS does not end: %v", err)
		}
		s.client.CloseIdleConnections()
		if err := end(); err != nil {
			t.Error(err)
		}
		<-served
		if err := s.hub.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask makes a request with fields: name, value, name, value, … Its response is open.
func (s *site) ask(method, path, body string, f ...string) *http.Response {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, s.url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.URL.Opaque = "//" + r.URL.Host + path // it goes out as it is written here
	for i := 0; i+1 < len(f); i += 2 {
		r.Header.Add(f[i], f[i+1])
	}
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// do makes a request and reads the whole response.
func (s *site) do(method, path, body string, f ...string) (status int, got string) {
	s.t.Helper()
	r := s.ask(method, path, body, f...)
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = r.Body.Close()
	return r.StatusCode, string(b)
}

// expect makes a request and checks the response.
func (s *site) expect(method, path, body string, status int, want string) {
	s.t.Helper()
	if got, text := s.do(method, path, body); got != status || text != want {
		s.t.Errorf("%s %s: got %d %q, want %d %q", method, path, got, text, status, want)
	}
}

func (s *site) publish(channel string, kind hub.Kind, data string) {
	s.t.Helper()
	if _, _, err := s.hub.Publish(s.t.Context(), hub.Message{Channel: channel, Kind: kind, Data: []byte(data)}); err != nil {
		s.t.Fatal(err)
	}
}

// members waits until a channel has so many, and returns them.
func (s *site) members(channel string, n int) []hub.Member {
	s.t.Helper()
	for end := time.Now().Add(patience); ; {
		roster, err := s.hub.ListMembers(channel, hub.PresenceQuery{})
		if err != nil {
			s.t.Fatal(err)
		}
		if len(roster.Members) == n {
			return roster.Members
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d members, want %d", len(roster.Members), n)
		}
		<-time.After(time.Millisecond)
	}
}

// socket is a WebSocket of a client.
type socket struct {
	t    testing.TB
	conn *ws.Conn
	ctx  context.Context
}

func (s *site) dial(path string, o *ws.DialOptions) *socket {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	conn, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(s.url, "http")+path, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{s.t, conn, ctx}
}

func (c *socket) expect(want string) {
	c.t.Helper()
	if _, got, err := c.conn.Read(c.ctx); err != nil || string(got) != want {
		c.t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func (c *socket) expectEnd(code int) {
	c.t.Helper()
	_, got, err := c.conn.Read(c.ctx)
	if int(ws.CloseStatus(err)) != code {
		c.t.Errorf("got %q, %v, want the end with %d", got, err, code)
	}
}

func (c *socket) send(text string) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, ws.MessageText, []byte(text)); err != nil {
		c.t.Error(err)
	}
}

func anyone(t testing.TB) *handshake.Origins {
	o, err := handshake.ParseOrigins([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// keyed is a Guard that knows one key, in ?key, whose holder has the given grants.
func keyed(t testing.TB, key string, grants map[string][]string) transport.Guard {
	granted, err := access.ParseGrants(grants)
	if err != nil {
		t.Fatal(err)
	}
	return transport.Identify(func(r *transport.Request) (*access.Identity, error) {
		if !strings.Contains(r.Query(), "key="+key) {
			return nil, errWho
		}
		return &access.Identity{Kind: access.Application, User: "ann", Grants: granted}, nil
	})
}

type whoError struct{}

func (whoError) Error() string { return "log in first" }

var errWho whoError

// line reads a line of a stream, and the one break behind it.
func line(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%q, %v", text, err)
	}
	return strings.TrimSuffix(text, "\n")
}

// numbers is the frame with the messages from..to.
func numbers(from, to int) string {
	list := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, strconv.Itoa(i))
	}
	b, _ := json.Marshal(list)
	return "a" + string(b)
}

func itoa(n int) string { return strconv.Itoa(n) }

// random is the name of a session, as a client makes one.
func random() string { return strconv.FormatUint(rand.Uint64(), 36) }
