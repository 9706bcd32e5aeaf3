package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
)

// socketIO is a client of Socket.IO on a WebSocket.
type socketIO struct {
	t    *testing.T
	conn *ws.Conn
}

func (r *running) socketIO(t *testing.T) *socketIO {
	t.Helper()
	c, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(r.url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	s := &socketIO{t, c}
	if open := s.read(); !strings.HasPrefix(open, `0{"sid"`) {
		t.Fatal(open)
	}
	return s
}

func (s *socketIO) send(text string) {
	s.t.Helper()
	if err := s.conn.Write(s.t.Context(), ws.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socketIO) read() string {
	s.t.Helper()
	_, b, err := s.conn.Read(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// Clients of Socket.IO are served without any configuration, on the channels of everybody.
func TestSocketIOIsServed(t *testing.T) {
	for _, driver := range []string{driverEngine, driverGoroutine} {
		t.Run(driver, func(t *testing.T) {
			s := start(t, Config{Driver: driver})
			c := s.socketIO(t)
			c.send("40/chat,")
			if said := c.read(); !strings.HasPrefix(said, `40/chat,{"sid":"`) || strings.Contains(said, `"pid"`) { // without recovery
				t.Fatal(said)
			}
			if a := s.do(t, "POST", "/channels/chat?event=said", "from curl"); a.StatusCode != http.StatusCreated {
				t.Fatal(a.StatusCode, a.body)
			}
			if got := c.read(); got != `42/chat,["said","from curl"]` {
				t.Error(got)
			}
			c.send(`421["main?"]`) // which it is not in
			if _, _, err := c.conn.Read(t.Context()); err == nil {
				t.Error("a packet for a namespace that was not joined is accepted")
			}
			other := s.socketIO(t)
			other.send("40")
			other.read()
			other.send(`421["said","to everybody"]`)
			for range 2 {
				if got := other.read(); !strings.HasPrefix(got, `42["said","to everybody"`) && !strings.HasPrefix(got, `431[{"position"`) {
					t.Error(got)
				}
			}
			page, err := s.hub.History(t.Context(), "main", hub.Query{})
			if err != nil || len(page.Publications) != 1 {
				t.Errorf("%+v, %v", page, err)
			}
			other.send(`40/private-a,`)
			if got := other.read(); !strings.HasPrefix(got, "44/private-a,") || !strings.Contains(got, "closes a channel") {
				t.Error(got)
			}
			if a := s.do(t, "GET", "/socket.io/socket.io.js", ""); a.StatusCode != http.StatusNotFound || !strings.Contains(a.body, "socketio.client_dir") {
				t.Error(a.StatusCode, a.body)
			}
			metrics := s.do(t, "GET", "/metrics", "").body
			if !strings.Contains(metrics, `godwit_connections{transport="socketio"} `) || strings.Contains(metrics, `godwit_connections{transport="socketio"} 0`) {
				t.Error("the metrics do not count it")
			}
		})
	}
	s := start(t, Config{SocketIO: SocketIO{Enabled: new(false)}})
	if a := s.do(t, "GET", "/socket.io/?EIO=4&transport=polling", ""); a.StatusCode != http.StatusNotFound {
		t.Error(a.StatusCode, a.body)
	}
	if _, err := New(Config{SocketIO: SocketIO{Rules: []SocketIORule{{Event: "join"}}}}); err == nil || !strings.Contains(err.Error(), "socketio.rules") {
		t.Error(err)
	}
	if _, err := New(Config{SocketIO: SocketIO{ClientDir: "/nowhere/at/all"}}); err == nil || !strings.Contains(err.Error(), "socketio.client_dir") {
		t.Error(err)
	}
}

// Rules of the configuration make rooms, and Laravel Echo is understood where that is said.
func TestSocketIOIsConfigured(t *testing.T) {
	s := start(t, configured(t, `
demo: false
socketio:
  main: lobby
  recovery: false
  laravel_echo: true
  rules:
    - {event: join, subscribe: 0}
    - {event: msg, publish: 0}
`))
	c := s.socketIO(t)
	c.send("40")
	if said := c.read(); strings.Contains(said, "pid") {
		t.Error(said)
	}
	c.send(`421["join","cats"]`)
	if got := c.read(); !strings.HasPrefix(got, `431[{"position"`) {
		t.Fatal(got)
	}
	if a := s.do(t, "POST", "/channels/lobby%2Fcats?event=x", "no"); a.StatusCode != http.StatusBadRequest {
		t.Error(a.StatusCode, a.body)
	}
	s.do(t, "POST", "/channels/lobby/cats?event=x", "meow")
	if got := c.read(); got != `42["x","meow"]` {
		t.Error(got)
	}
	c.send(`42["msg","cats","purr"]`)
	if got := c.read(); got != `42["msg","purr"]` {
		t.Error(got)
	}
	c.send(`422["subscribe",{"channel":"orders.1"}]`)
	if got := c.read(); !strings.HasPrefix(got, `432[{"position"`) {
		t.Fatal(got)
	}
	s.do(t, "POST", "/channels/orders.1?event=shipped", "7")
	if got := c.read(); got != `42["shipped","orders.1","7"]` {
		t.Error(got)
	}
}
