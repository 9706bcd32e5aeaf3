package engineio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// hooks is a Handler made of functions. Messages go back if there is none for them.
type hooks struct {
	open    func(s *engineio.Socket)
	message func(s *engineio.Socket, typ engineio.MessageType, data []byte)
	wake    func(s *engineio.Socket)
	drain   func(s *engineio.Socket)
	closed  func(s *engineio.Socket, reason engineio.Reason)

	reasons chan engineio.Reason // of the ends, unless it is nil
}

func (h *hooks) OnOpen(s *engineio.Socket) {
	if h.open != nil {
		h.open(s)
	}
}

func (h *hooks) OnMessage(s *engineio.Socket, typ engineio.MessageType, data []byte) {
	if h.message != nil {
		h.message(s, typ, data)
		return
	}
	_ = s.Write(typ, data)
}

func (h *hooks) OnWake(s *engineio.Socket) {
	if h.wake != nil {
		h.wake(s)
	}
}

func (h *hooks) OnDrain(s *engineio.Socket) {
	if h.drain != nil {
		h.drain(s)
	}
}

func (h *hooks) OnClose(s *engineio.Socket, reason engineio.Reason) {
	if h.closed != nil {
		h.closed(s, reason)
	}
	if h.reasons != nil {
		h.reasons <- reason
	}
}

// site is a server that can be reached.
type site struct {
	server *engineio.Server
	url    string // with the path
	client *http.Client

	reasons chan engineio.Reason // of sessions that have ended
}

// onBoth runs test with a server on each driver.
func onBoth(t *testing.T, o engineio.Options, h hooks, test func(t *testing.T, s *site)) {
	t.Helper()
	for name, start := range map[string]func(*testing.T, *engineio.Server, *handshake.Origins) string{"engine": onEngine, "nethttp": onHTTP} {
		t.Run(name, func(t *testing.T) {
			own := h
			own.reasons = make(chan engineio.Reason, 10_000)
			server, err := engineio.New(&own, &o)
			if err != nil {
				t.Fatal(err)
			}
			s := &site{server: server, url: "http://" + start(t, server, o.Origins) + "/engine.io/", client: newClient(t), reasons: own.reasons}
			t.Cleanup(func() { _ = server.Close() })
			test(t, s)
		})
	}
}

func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 10}
	jar, _ := cookiejar.New(nil)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience, Jar: jar}
}

// bodyTimeout is how long a body may take on both drivers, in tests of that.
const bodyTimeout = 300 * time.Millisecond

func onEngine(t *testing.T, server *engineio.Server, origins *handshake.Origins) string {
	ln := listen(t)
	e := &engine.Server{Handler: engine.NopHandler{}, Route: server.Route, Admit: server.Admit, Origins: origins, Loops: 2, BodyTimeout: bodyTimeout, Options: engine.Options{Compression: &deflate.Options{}}}
	done := make(chan error, 1)
	go func() { done <- e.Serve(ln) }()
	t.Cleanup(func() {
		_ = e.Close()
		<-done
	})
	return ln.Addr().String()
}

func onHTTP(t *testing.T, server *engineio.Server, _ *handshake.Origins) string {
	ln := listen(t)
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", server)
	h := &http.Server{Handler: mux}
	done := make(chan error, 1)
	go func() { done <- h.Serve(ln) }()
	t.Cleanup(func() {
		_ = h.Close()
		<-done
	})
	return ln.Addr().String()
}

func listen(t testing.TB) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	body   string
	isLast bool // the connection ends behind it
}

// do sends a request: with a query, and with header fields in pairs.
func (s *site) do(t *testing.T, method, query, body string, fields ...string) answer {
	t.Helper()
	a, err := s.try(t.Context(), method, query, body, fields...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *site) try(ctx context.Context, method, query, body string, fields ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.url+"?"+query, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body == "" {
		r.Body = http.NoBody
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(got), response.Close}, err
}

const poll4 = "EIO=4&transport=polling"

// open begins a session over polling, and returns its SID and what came behind the open packet.
func (s *site) open(t *testing.T) (sid, rest string) {
	t.Helper()
	a := s.do(t, "GET", poll4, "")
	sid, rest = opened(t, a.body)
	if a.status != 200 || a.header.Get("Content-Type") != "text/plain; charset=UTF-8" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%+v", a)
	}
	return sid, rest
}

// opened reads an open packet of version 4.
func opened(t *testing.T, payload string) (sid, rest string) {
	t.Helper()
	first, rest, _ := strings.Cut(payload, "\x1e")
	var open map[string]any
	if !strings.HasPrefix(first, "0") || json.Unmarshal([]byte(first[1:]), &open) != nil || len(open) != 5 {
		t.Fatalf("%q is no open packet", payload)
	}
	sid = open["sid"].(string)
	if len(sid) != 20 || strings.Trim(sid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Fatalf("the SID is %q", sid)
	}
	return sid, rest
}

func (s *site) poll(t *testing.T, sid string) answer {
	t.Helper()
	return s.do(t, "GET", poll4+"&sid="+sid, "")
}

func (s *site) post(t *testing.T, sid, payload string) answer {
	t.Helper()
	return s.do(t, "POST", poll4+"&sid="+sid, payload, "Content-Type", "text/plain;charset=UTF-8")
}

// says polls and posts until the packets heard, without pings, are want.
func (s *site) hears(t *testing.T, sid, want string) {
	t.Helper()
	if a := s.poll(t, sid); a.status != 200 || a.body != want {
		t.Fatalf("got %d %q, want %q", a.status, a.body, want)
	}
}

// socket is a WebSocket of a client.
type socket struct {
	t *testing.T
	*ws.Conn
}

// dial opens a WebSocket.
func (s *site) dial(t *testing.T, query string) *socket {
	t.Helper()
	c, err := s.tryDial(t, query)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *site) tryDial(t *testing.T, query string) (*socket, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(s.url, "http")+"?"+query, nil)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{t, conn}, nil
}

const socket4 = "EIO=4&transport=websocket"

// openSocket begins a session on a WebSocket.
func (s *site) openSocket(t *testing.T) (c *socket, sid string) {
	t.Helper()
	c = s.dial(t, socket4)
	typ, p := c.next()
	if typ != ws.MessageText {
		t.Fatalf("%v %q", typ, p)
	}
	sid, _ = opened(t, string(p))
	return c, sid
}

// next returns the next message.
func (c *socket) next() (ws.MessageType, []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	typ, p, err := c.Read(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return typ, p
}

func (c *socket) say(text string) {
	c.t.Helper()
	if err := c.Write(c.t.Context(), ws.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *socket) sayBytes(p ...byte) {
	c.t.Helper()
	if err := c.Write(c.t.Context(), ws.MessageBinary, p); err != nil {
		c.t.Fatal(err)
	}
}

func (c *socket) hears(want string) {
	c.t.Helper()
	if typ, p := c.next(); typ != ws.MessageText || string(p) != want {
		c.t.Fatalf("got %v %q, want %q", typ, p, want)
	}
}

func (c *socket) hearsBytes(want ...byte) {
	c.t.Helper()
	if typ, p := c.next(); typ != ws.MessageBinary || !bytes.Equal(p, want) {
		c.t.Fatalf("got %v %q, want %q", typ, p, want)
	}
}

// ends waits for the end, and returns the close code.
func (c *socket) ends() ws.StatusCode {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			if ctx.Err() != nil {
				c.t.Fatal("it does not end")
			}
			return ws.CloseStatus(err)
		}
	}
}

// next takes what must come.
func next[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing comes")
	}
	return v
}

func origins(t *testing.T, patterns ...string) *handshake.Origins {
	o, err := handshake.ParseOrigins(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return o
}
