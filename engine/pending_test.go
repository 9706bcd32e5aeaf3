package engine_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// undecided is a Responder for opening handshakes that wait.
type undecided struct {
	engine.NopResponder
	asked chan engine.Exchange
	ended chan error
}

func newUndecided() *undecided {
	return &undecided{asked: make(chan engine.Exchange, 10), ended: make(chan error, 10)}
}

func (u *undecided) OnBody(x engine.Exchange, _ []byte) { u.asked <- x }
func (u *undecided) OnEnd(_ engine.Exchange, err error) { u.ended <- err }
func (u *undecided) admit(*engine.Request) engine.Admission {
	return engine.Admission{Pending: u, Value: "waits"}
}

// An opening handshake may wait, whether the loop or net/http has read it, and
// whatever comes behind it waits, too.
func TestHandshakesWait(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n, u := newNotes(), newUndecided()
		s.Handler, s.HTTP, s.Admit, s.Subprotocols = n, http.HandlerFunc(site), u.admit, []string{"b", "a"}
		s.Options.Compression = &deflate.Options{}
		address := start(t, s)
		ask := strings.Replace(opening, "Upgrade:", "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\nUpgrade:", 1)
		for name, first := range map[string]string{"first": "", "behind HTTP": "GET /first HTTP/1.1\r\nHost: x\r\n\r\n"} {
			begin := func(t *testing.T) (*raw, engine.Exchange) {
				c := connect(t, address)
				if first != "" {
					c.send(t, []byte(first))
					c.expectBody(t, `GET /first ""`)
				}
				c.send(t, append([]byte(ask), text("early")...))
				return c, next(t, u.asked)
			}
			t.Run(name, func(t *testing.T) {
				c, x := begin(t)
				if x.Value() != "waits" {
					t.Errorf("the value is %v", x.Value())
				}
				if err := x.Begin(200, nil); err != engine.ErrHandshakeWaits {
					t.Error(err)
				}
				if x.Admit(engine.Admission{HTTP: true}) == nil {
					t.Error("it is given away")
				}
				c.send(t, text("later"))
				if err := x.Admit(engine.Admission{Value: 7, Header: http.Header{"Set-Cookie": {"a=b"}}}); err != nil {
					t.Fatal(err)
				}
				if err := x.Admit(engine.Admission{}); err != engine.ErrExchangeOver {
					t.Errorf("admitted twice: %v", err)
				}
				r := c.response(t)
				if r.StatusCode != 101 || r.Header.Get("Set-Cookie") != "a=b" || r.Header.Get("Sec-Websocket-Protocol") != "b" ||
					r.Header.Get("Sec-Websocket-Extensions") != "permessage-deflate; server_max_window_bits=10" ||
					r.Header.Get("Sec-Websocket-Accept") != handshake.AcceptKey("dGhlIHNhbXBsZSBub25jZQ==") {
					t.Errorf("%v", r)
				}
				if err := next(t, u.ended); err != nil {
					t.Error(err)
				}
				conn := next(t, n.open)
				if conn.Value() != 7 || conn.Subprotocol() != "b" {
					t.Errorf("%v %q", conn.Value(), conn.Subprotocol())
				}
				for _, want := range []string{"early", "later"} {
					if got := next(t, n.message); got != want {
						t.Errorf("%q, want %q", got, want)
					}
				}
				_ = conn.Write(engine.MessageText, []byte("short"))
				c.expect(t, wire.Text, "short")
				c.send(t, closing(1000))
				c.closes(t, 1000)
				next(t, n.end)

				c, x = begin(t) // refused as a response
				if err := x.Respond(409, field("Content-Type", "application/problem+json"), []byte("{}")); err != nil {
					t.Fatal(err)
				}
				r = c.response(t)
				if b, _ := io.ReadAll(r.Body); r.StatusCode != 409 || string(b) != "{}" || !r.Close || r.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%v %q", r, b)
				}
				c.ends(t)
				if err := next(t, u.ended); err != nil {
					t.Error(err)
				}

				c, x = begin(t) // refused as Admit refuses
				if err := x.Admit(engine.Admission{Status: 404, ContentType: "text/html", Body: []byte("<p>")}); err != nil {
					t.Fatal(err)
				}
				r = c.response(t)
				if b, _ := io.ReadAll(r.Body); r.StatusCode != 404 || string(b) != "<p>" || !r.Close || r.Header.Get("Content-Type") != "text/html" {
					t.Errorf("%v %q", r, b)
				}
				if err := next(t, u.ended); err == nil {
					t.Error("a refusal looks like an answer")
				}
			})
		}
	})
}

// Everything that the engine refuses by itself has the body of Refuse.
func TestRefuse(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		s.Refuse = func(_ *engine.Request, f *handshake.Fault) (string, []byte) {
			if f.Rule == handshake.RuleMethod {
				panic("in Refuse")
			}
			return "application/problem+json", []byte(`{"title":"` + http.StatusText(f.Status) + `"}`)
		}
		s.Admit = func(r *engine.Request) engine.Admission {
			switch r.Path() {
			case "/no":
				return engine.Admission{Status: 403}
			case "/own":
				return engine.Admission{Status: 403, Body: []byte("own"), Header: http.Header{"Retry-After": {"1"}}}
			case "/panic":
				panic("in Admit")
			}
			return engine.Admission{}
		}
		address := start(t, s)
		at := func(path string) string { return strings.Replace(opening, "/", path, 1) }
		for name, tt := range map[string]struct {
			request, contentType, body string
			status                     int
		}{
			"head":      {"G@T / HTTP/1.1\r\n\r\n", "application/problem+json", `{"title":"Bad Request"}`, 400},
			"too large": {"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 101) + "\r\n", "application/problem+json", `{"title":"Request Header Fields Too Large"}`, 431},
			"handshake": {strings.Replace(opening, "13", "12", 1), "application/problem+json", `{"title":"Upgrade Required"}`, 426},
			"Admit":     {at("/no"), "application/problem+json", `{"title":"Forbidden"}`, 403},
			"own body":  {at("/own"), "text/plain; charset=utf-8", "own", 403},
			"panic":     {at("/panic"), "application/problem+json", `{"title":"Internal Server Error"}`, 500},
			"in Refuse": {strings.Replace(opening, "GET", "POST", 1), "text/plain; charset=utf-8", "", 405},
		} {
			c := connect(t, address)
			c.send(t, []byte(tt.request))
			r := c.response(t)
			b, err := io.ReadAll(r.Body)
			if r.StatusCode != tt.status || r.Header.Get("Content-Type") != tt.contentType || err != nil || tt.body != "" && string(b) != tt.body || len(b) == 0 || !r.Close {
				t.Errorf("%s: %v %q %v", name, r, b, err)
			}
			c.ends(t)
		}
	})
}

// A handshake that is not in order is answered by HTTP where that is wanted, the first on its
// connection and one behind another request; a refusal of Admit is not.
func TestHTTPRefuses(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				w.WriteHeader(http.StatusTeapot)
			}
		})
		s.HTTPRefuses = func(r *engine.Request, f *handshake.Fault) bool {
			return strings.HasPrefix(r.Path(), "/own") && f.Status != 0
		}
		s.Admit = func(*engine.Request) engine.Admission { return engine.Admission{Status: 403} }
		address := start(t, s)
		for name, tt := range map[string]struct {
			first, request string
			status         int
		}{
			"method":  {"", strings.Replace(opening, "GET /", "POST /own", 1), 418},
			"version": {"", strings.Replace(strings.Replace(opening, "13", "12", 1), "/", "/own", 1), 418},
			"second":  {"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", strings.Replace(opening, "GET /", "POST /own", 1), 418},
			"other":   {"", strings.Replace(opening, "13", "12", 1), 426},
			"Admit":   {"", strings.Replace(opening, "/", "/own", 1), 403},
		} {
			c := connect(t, address)
			if tt.first != "" {
				c.send(t, []byte(tt.first))
				c.response(t)
			}
			c.send(t, []byte(tt.request))
			r := c.response(t)
			if _, err := io.ReadAll(r.Body); r.StatusCode != tt.status || err != nil || !r.Close {
				t.Errorf("%s: %v, %v", name, r, err)
			}
			c.ends(t)
		}
	})
}

// A handshake that nobody decides about is refused when its time is over.
func TestPendingTimeout(t *testing.T) {
	for name, tt := range map[string]struct {
		limit, want time.Duration
		first       string
	}{
		"default":     {0, 20 * time.Second, ""},
		"its own":     {time.Minute, time.Minute, ""},
		"behind HTTP": {time.Minute, time.Minute, idleHTTP},
	} {
		t.Run(name, func(t *testing.T) {
			u := &undecided{}
			s := &engine.Server{HandshakeTimeout: 20 * time.Second, Refuse: func(_ *engine.Request, f *handshake.Fault) (string, []byte) { return "text/x-late", []byte(f.Reason) }}
			s.Admit = func(*engine.Request) engine.Admission {
				return engine.Admission{Pending: u, PendingTimeout: tt.limit}
			}
			timedHTTP(t, s, site, func(t *testing.T, c *raw) {
				*u = *newUndecided()
				if tt.first != "" {
					c.send(t, []byte(tt.first))
					c.expectBody(t, `GET /http ""`)
				}
				c.send(t, []byte(opening))
				x := <-u.asked
				began := time.Now()
				r := c.response(t)
				after(t, began, tt.want)
				if b, _ := io.ReadAll(r.Body); r.StatusCode != 503 || !r.Close || r.Header.Get("Retry-After") != "5" || len(b) == 0 || r.Header.Get("Content-Type") != "text/x-late" {
					t.Errorf("%v %q", r, b)
				}
				if err := <-u.ended; err != engine.ErrPendingTimeout {
					t.Error(err)
				}
				if err := x.Admit(engine.Admission{}); err != engine.ErrExchangeOver {
					t.Errorf("it is admitted: %v", err)
				}
			})
		})
	}
}

// One without a limit waits as long as the client does, and one that cannot be is
// refused.
func TestPendingWithoutTimeout(t *testing.T) {
	u := &undecided{}
	s := &engine.Server{Admit: func(r *engine.Request) engine.Admission {
		if r.Path() == "/negative" {
			return engine.Admission{Pending: u, PendingTimeout: -1}
		}
		return engine.Admission{Pending: u, PendingTimeout: engine.NoLimit}
	}}
	timedHTTP(t, s, site, func(t *testing.T, c *raw) {
		*u = *newUndecided()
		c.send(t, []byte(opening))
		x := <-u.asked
		<-time.After(24 * time.Hour)
		if err := x.Admit(engine.Admission{Handler: echo{}}); err != nil {
			t.Error(err)
		}
		c.switched(t)
		for _, first := range []string{"", idleHTTP} {
			c := rawConn(t, listenInMemory(t, s)())
			_ = c.SetDeadline(time.Time{})
			if first != "" {
				c.send(t, []byte(first))
				c.expectBody(t, `GET /http ""`)
			}
			c.send(t, []byte(strings.Replace(opening, "/", "/negative", 1)))
			if r := c.response(t); r.StatusCode != 500 {
				t.Errorf("%v", r)
			}
			_ = c.Close()
		}
	})
}

// A Conn whose opening handshake waits is no WebSocket yet: what is written to it is
// refused, and disturbs nothing.
func TestConnOfAPendingHandshake(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		u, conns := newUndecided(), make(chan *engine.Conn, 1)
		s.Handler = echo{}
		s.Admit = func(*engine.Request) engine.Admission { return engine.Admission{HTTP: true} }
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := s.Upgrade(w, r, engine.Admission{Pending: u})
			if err != nil {
				t.Error(err)
			}
			conns <- conn
		})
		c := connect(t, start(t, s))
		c.send(t, []byte(opening))
		conn, x := next(t, conns), next(t, u.asked)
		for name, err := range map[string]error{
			"Write": conn.Write(engine.MessageText, []byte("early")), "Ping": conn.Ping(),
			"Close": conn.Close(engine.StatusNormal, ""),
		} {
			if err == nil {
				t.Errorf("%s succeeds", name)
			}
		}
		if err := x.Admit(engine.Admission{}); err != nil {
			t.Fatal(err)
		}
		c.switched(t)
		next(t, u.ended)
		c.send(t, text("hello"))
		c.expect(t, wire.Text, "hello")
	})
}

// Upgrade of a request that has been answered says so, and the client has the answer.
func TestUpgradeBehindAResponse(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		upgraded := make(chan error, 1)
		s.Handler = echo{}
		s.Admit = func(*engine.Request) engine.Admission { return engine.Admission{HTTP: true} }
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_, err := s.Upgrade(w, r, engine.Admission{})
			upgraded <- err
		})
		c := connect(t, start(t, s))
		c.send(t, []byte(opening))
		if r := c.response(t); r.StatusCode != http.StatusAccepted {
			t.Errorf("%v", r)
		}
		if err := next(t, upgraded); err == nil || !strings.Contains(err.Error(), "WriteHeader") {
			t.Errorf("%v", err)
		}
	})
}
