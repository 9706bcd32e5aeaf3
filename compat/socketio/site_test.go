package socketio

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

// site is a server on a real socket, and its hub.
type site struct {
	t        *testing.T
	hub      *hub.Hub
	channels *transport.Transport
	server   *Server
	url      string
	more     chan struct{} // has one when a session has ended

	mu    sync.Mutex // guards ended
	ended map[string]bool
}

// onBothDrivers runs a test on event loops and on goroutines.
func onBothDrivers(t *testing.T, test func(t *testing.T, start func(Options, transport.Options) *site)) {
	for _, driver := range []string{"loop", "goroutine"} {
		t.Run(driver, func(t *testing.T) {
			test(t, func(o Options, channels transport.Options) *site { return newSite(t, driver, o, channels) })
		})
	}
}

func newSite(t *testing.T, driver string, o Options, channels transport.Options) *site {
	t.Helper()
	b, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, more: make(chan struct{}, 1), ended: map[string]bool{}}
	if s.hub, err = hub.New(b, &hub.Options{Observer: &hub.Observer{Closed: func(session *hub.Session, _ error) { s.end(session.ID()) }}}); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	channels.Logger, o.Log = quiet, quiet
	if s.channels, err = transport.New(s.hub, &channels); err != nil {
		t.Fatal(err)
	}
	if s.server, err = New(s.channels, &o); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + ln.Addr().String()
	ended := make(chan error, 1)
	stop := func() error { return nil }
	if driver == "loop" {
		front := &engine.Server{Handler: engine.NopHandler{}, HTTP: s.server, Log: quiet,
			Route: func(r *engine.Request) engine.Route {
				if !s.server.Serves(r.Path()) {
					return engine.Route{}
				}
				return s.server.Route(r)
			}, Admit: s.server.Admit}
		go func() { ended <- front.Serve(ln) }()
		stop = front.Close
	} else {
		front := &http.Server{Handler: s.server}
		go func() { ended <- front.Serve(ln) }()
		stop = front.Close
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
		if err := s.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		_ = stop()
		<-ended
		_ = s.hub.Close()
	})
	return s
}

func (s *site) publish(channel, event, text string) {
	s.t.Helper()
	m := hub.Message{Channel: channel, Data: []byte(text)}
	if event != "" {
		m.Attributes = &hub.Attributes{Event: event}
	}
	if _, _, err := s.hub.Publish(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

// end is told of the end of a session, and never waits.
func (s *site) end(session string) {
	s.mu.Lock()
	s.ended[session] = true
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// hasEnded reports whether a session has ended since it was asked the last time: a restored
// session ends again.
func (s *site) hasEnded(session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer delete(s.ended, session)
	return s.ended[session]
}

// gone waits for the end of a session.
func (s *site) gone(session string) {
	s.t.Helper()
	timeout := time.After(patience)
	for !s.hasEnded(session) {
		select {
		case <-s.more:
		case <-timeout:
			s.t.Fatalf("session %s has not ended", session)
		}
	}
}

func (s *site) get(path string) (int, string) {
	s.t.Helper()
	r, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func (s *site) post(path, body string) (int, string) {
	s.t.Helper()
	r, err := http.Post(s.url+path, "text/plain;charset=UTF-8", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// peer is a client on a WebSocket.
type peer struct {
	t    *testing.T
	conn *ws.Conn
	sid  string
	pid  string
}

// dial connects a client, which is in no namespace yet.
func (s *site) dial(query string) *peer {
	s.t.Helper()
	c, _, err := ws.Dial(s.t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/socket.io/?EIO=4&transport=websocket"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.CloseNow() })
	p := &peer{t: s.t, conn: c}
	if open := p.read(); !strings.HasPrefix(open, `0{"sid":"`) {
		s.t.Fatalf("it opens with %s", open)
	}
	return p
}

// join connects a client in a namespace.
func (s *site) join(namespace, query string) *peer {
	s.t.Helper()
	p := s.dial(query)
	p.join(namespace, "")
	return p
}

// join enters a namespace, and returns what the server says of it.
func (p *peer) join(namespace, auth string) string {
	p.t.Helper()
	at := ""
	if namespace != "/" {
		at = namespace + ","
	}
	p.send("40" + at + auth)
	said := p.read()
	if !strings.HasPrefix(said, "40"+at+`{"sid":"`) {
		p.t.Fatalf("%s: %s", namespace, said)
	}
	p.sid, _, _ = strings.Cut(strings.TrimPrefix(said, "40"+at+`{"sid":"`), `"`)
	if _, pid, ok := strings.Cut(said, `"pid":"`); ok {
		p.pid = strings.TrimSuffix(pid, `"}`)
	}
	return said
}

func (p *peer) send(text string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), ws.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) sendBytes(b []byte) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), ws.MessageBinary, b); err != nil {
		p.t.Fatal(err)
	}
}

// next is the next message but a ping, which it answers.
func (p *peer) next() (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		typ, b, err := p.conn.Read(ctx)
		switch {
		case err != nil:
			return "", err
		case typ == ws.MessageBinary:
			return "b:" + string(b), nil
		case string(b) == "2":
			p.send("3")
		default:
			return string(b), nil
		}
	}
}

func (p *peer) read() string {
	p.t.Helper()
	text, err := p.next()
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if got := p.read(); got != w {
			p.t.Fatalf("got %s, want %s", got, w)
		}
	}
}

// expectEnd waits for the end of the connection, and returns its close code.
func (p *peer) expectEnd() uint16 {
	p.t.Helper()
	text, err := p.next()
	if err == nil {
		p.t.Fatalf("got %s, want the end", text)
	}
	return endCode(err)
}

// endCode is the close code of an end, 0 for another one.
func endCode(err error) uint16 {
	var end *ws.CloseError
	if errors.As(err, &end) {
		return uint16(end.Code)
	}
	return 0
}

// deadline waits until something is so that nobody tells of.
func deadline(t *testing.T, is func() bool) {
	t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not become so in time")
		}
	}
}
