package sockjs_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

// net/http gives a client half a second to read an answer behind which it closes.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience is how long a test waits for something that must happen. It passes only when
// the test fails.
const patience = time.Minute

var quiet = slog.New(slog.DiscardHandler)

// site is a Server at /echo behind a real listener.
type site struct {
	t      testing.TB
	server *sockjs.Server
	host   string
	base   string // http://host/echo
	client *http.Client
}

// drivers runs a test on event loops and on goroutines.
func drivers(t *testing.T, run func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site)) {
	for _, driver := range []string{"loops", "goroutines"} {
		t.Run(driver, func(t *testing.T) {
			run(t, func(h sockjs.Handler, o *sockjs.Options) *site { return newSite(t, driver, h, o) })
		})
	}
}

func anyone(t testing.TB) *handshake.Origins {
	o, err := handshake.ParseOrigins([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func newSite(t testing.TB, driver string, h sockjs.Handler, o *sockjs.Options) *site {
	t.Helper()
	var options sockjs.Options
	if o != nil {
		options = *o
	}
	options.Base = "/echo"
	if options.Logger == nil {
		options.Logger = quiet
	}
	s, err := sockjs.New(h, &options)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var stop func()
	if driver == "loops" {
		e := &engine.Server{
			Handler: engine.NopHandler{}, HTTP: s, Route: s.Route, Admit: s.Admit, Origins: anyone(t), Loops: 2, Log: quiet,
			HTTPRefuses: func(r *engine.Request, _ *handshake.Fault) bool { return s.Serves(r.Path()) },
		}
		stop = serveUntil(t, func() error { return e.Serve(ln) }, e.Close)
	} else {
		e := &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelError)}
		stop = serveUntil(t, func() error { return e.Serve(ln) }, e.Close)
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	out := &site{t: t, server: s, host: ln.Addr().String(), base: "http://" + ln.Addr().String() + "/echo", client: client}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		client.CloseIdleConnections()
		if err := s.Shutdown(ctx); err != nil {
			t.Error("the server does not end:", err)
		}
		stop()
		if n := s.Stats().Sessions; n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
	return out
}

func serveUntil(t testing.TB, serve, end func() error) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve() // it ends with an error that says that it was closed
	}()
	return func() {
		if err := end(); err != nil {
			t.Error(err)
		}
		<-done
	}
}

var names atomic.Uint64

// peer is a client of one session.
type peer struct {
	s        *site
	t        testing.TB
	name     string
	form     string // of the URL: websocket, xhr, …
	conn     *ws.Conn
	frames   chan string // that conn has received; closed at its end
	response *http.Response
	lines    *bufio.Reader
	cancel   context.CancelFunc
}

// forms are the ways a session is received in these tests.
var forms = []string{"websocket", "xhr", "xhr_streaming", "eventsource"}

func (s *site) peer(form string) *peer {
	return &peer{s: s, t: s.t, form: form, name: fmt.Sprintf("s%d", names.Add(1))}
}

func (p *peer) url(end string) string { return p.s.base + "/7/" + p.name + "/" + end }

// open begins the session and expects o.
func (p *peer) open() *peer {
	p.t.Helper()
	p.expect("o")
	return p
}

// next returns the next frame, or what has ended the connection: "end" for a WebSocket, and
// "again" for a response behind which a client asks again.
func (p *peer) next() string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	switch p.form {
	case "websocket", "raw":
		defer cancel()
		if p.conn == nil {
			url := p.url("websocket")
			if p.form == "raw" {
				url = p.s.base + "/websocket"
			}
			conn, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), nil)
			if err != nil {
				p.t.Fatal(err)
			}
			p.read(conn)
		}
		select {
		case frame, ok := <-p.frames:
			if !ok {
				return "end"
			}
			return frame
		case <-ctx.Done():
			p.t.Fatal("nothing came")
		}
	case "xhr":
		defer cancel()
		r := p.request(ctx, http.MethodPost, "xhr", nil)
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			return fmt.Sprintf("%v %q %v", r.Status, b, err)
		}
		return strings.TrimSuffix(string(b), "\n")
	}
	if p.response == nil {
		method := http.MethodPost
		if p.form == "eventsource" {
			method = http.MethodGet
		}
		p.cancel = cancel
		p.t.Cleanup(cancel)
		p.response = p.request(ctx, method, p.form, nil)
		p.lines = bufio.NewReader(p.response.Body)
	} else {
		cancel()
	}
	for {
		line, err := p.lines.ReadString('\n')
		line = strings.TrimRight(strings.TrimPrefix(line, "data: "), "\r\n")
		switch {
		case err != nil:
			p.response.Body.Close()
			p.cancel()
			p.response = nil
			if err == io.EOF {
				return "again"
			}
			return "cut"
		case line != "" && !strings.HasPrefix(line, "hh"):
			return line
		}
	}
}

// read reads a WebSocket all the time, as a browser does, so that a close frame is answered.
func (p *peer) read(conn *ws.Conn) {
	p.conn, p.frames = conn, make(chan string, 10_000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.frames)
		for m, err := range conn.Messages(context.Background()) {
			if err != nil {
				return
			}
			p.frames <- string(m.Data)
		}
	}()
	p.t.Cleanup(func() {
		_ = conn.CloseNow()
		<-done
	})
}

// received is next, which asks again where that is the transport's way.
func (p *peer) received() string {
	p.t.Helper()
	for {
		if f := p.next(); f != "again" {
			return f
		}
	}
}

func (p *peer) expect(want string) {
	p.t.Helper()
	if got := p.received(); got != want {
		p.t.Fatalf("%s: got %.200q, want %q", p.form, got, want)
	}
}

// request makes a request of the session.
func (p *peer) request(ctx context.Context, method, end string, body io.Reader) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, p.url(end), body)
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := p.s.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// send sends what a client sends, and returns the status, 204 for a WebSocket.
func (p *peer) send(payload string) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if p.conn != nil {
		if err := p.conn.Write(ctx, ws.MessageText, []byte(payload)); err != nil {
			return 0
		}
		return http.StatusNoContent
	}
	r := p.request(ctx, http.MethodPost, "xhr_send", strings.NewReader(payload))
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	return r.StatusCode
}

// leave breaks the connection of the receiver.
func (p *peer) leave() {
	if p.conn != nil {
		_ = p.conn.CloseNow()
	}
	if p.cancel != nil {
		p.cancel()
	}
}

// events is a Handler that tells of its calls.
type events struct {
	calls chan string
	on    func(s *sockjs.Session, call string)
}

func newEvents(on func(s *sockjs.Session, call string)) *events {
	return &events{calls: make(chan string, 1000), on: on}
}

func (e *events) tell(s *sockjs.Session, call string) {
	if e.on != nil {
		e.on(s, call)
	}
	e.calls <- call
}

func (e *events) OnOpen(s *sockjs.Session) { e.tell(s, "open") }
func (e *events) OnMessage(s *sockjs.Session, typ sockjs.MessageType, data []byte) {
	if typ != sockjs.MessageText {
		e.tell(s, "binary "+string(data))
		return
	}
	e.tell(s, "message "+string(data))
}
func (e *events) OnWake(s *sockjs.Session)  { e.tell(s, "wake") }
func (e *events) OnDrain(s *sockjs.Session) { e.tell(s, "drain") }
func (e *events) OnClose(s *sockjs.Session, err *sockjs.CloseError) {
	e.tell(s, fmt.Sprintf("close %d %q %v", err.Code, err.Reason, err.IsRemote))
}

// expect waits for calls, in order. OnDrain is passed over unless it is expected: whether
// something has to wait depends on the network.
func (e *events) expect(t testing.TB, calls ...string) {
	t.Helper()
	for _, want := range calls {
		for {
			var got string
			select {
			case got = <-e.calls:
			case <-time.After(patience):
				t.Fatalf("nothing came, want %q", want)
			}
			if got == want {
				break
			}
			if got != "drain" {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
}

// echo sends every message back.
type echo struct{ sockjs.NopHandler }

func (echo) OnMessage(s *sockjs.Session, typ sockjs.MessageType, data []byte) { _ = s.Write(typ, data) }
