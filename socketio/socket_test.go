package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engineio"
)

func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		n := s.Namespace("/")
		n.OnConnect(func(s *Socket, auth Auth) error {
			var said struct{ Token string }
			if err := auth.Bind(&said); err != nil {
				return err
			}
			if said.Token == "bad" {
				return &Refusal{Message: "not authorized", Data: map[string]int{"code": 7}}
			}
			if said.Token == "secret" {
				return errors.New("the database says root@10.0.0.1")
			}
			s.SetData(said.Token)
			return s.Emit("welcome", said.Token)
		})
		p := newPeer(t, s)
		p.say(`0{"token":"good"}`)
		p.expect(`40{"sid":"*"}`, `42["welcome","good"]`)
		socket := n.All().Sockets()[0]
		if socket.Data() != "good" || socket.Handshake() != "handshake" || !socket.IsConnected() || len(socket.ID()) != 20 || socket.Namespace() != n {
			t.Errorf("data %v, handshake %v, ID %q", socket.Data(), socket.Handshake(), socket.ID())
		}
		if n.Socket(socket.ID()) != socket || n.Len() != 1 {
			t.Error("the namespace does not know the socket")
		}

		q := newPeer(t, s)
		q.say(`0{"token":"bad"}`)
		q.expect(`44{"message":"not authorized","data":{"code":7}}`)
		q.say(`0{"token":"secret"}`)
		q.expect(`44{"message":"Refused"}`)
		q.say(`0/nowhere,`)
		q.expect(`44/nowhere,{"message":"Invalid namespace"}`)
		if got := s.Stats(); got.Sockets != 1 || got.Refused != 3 || got.Namespaces != 1 {
			t.Errorf("%+v", got)
		}
		p.vanish(engineio.ReasonTransportClose)
		q.vanish(engineio.ReasonTransportClose)
	})
}

func TestTryLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		s.Namespace("/").OnConnect(func(*Socket, Auth) error { return fmt.Errorf("too busy: %w", ErrTryLater) })
		p := newPeer(t, s)
		p.say(`0`)
		p.expect()
		if !p.isClosed() {
			t.Error("a verdict would be final: the connection has to end")
		}
	})
}

func TestDisconnectInOnConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		s.Namespace("/").OnConnect(func(s *Socket, _ Auth) error {
			s.Disconnect()
			if err := s.Emit("x"); err != ErrClosed {
				t.Errorf("Emit: %v", err)
			}
			return nil
		})
		p := newPeer(t, s)
		p.say(`0`)
		p.expect(`44{"message":"Refused"}`)
		p.vanish(engineio.ReasonTransportClose)
	})
}

func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{ConnectTimeout: time.Second})
		s.Namespace("/")
		p, q := newPeer(t, s), newPeer(t, s)
		q.join("/")
		if !q.wakeAt.IsZero() {
			t.Error("who has joined is not timed any more")
		}
		time.Sleep(time.Until(p.wakeAt))
		p.c.expire(time.Now())
		if !p.isClosed() {
			t.Error("a client without a namespace stays")
		}
		q.vanish(engineio.ReasonTransportClose)
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		n := s.Namespace("/chat")
		n.On("say", func(e *Event) {
			var text string
			var options struct{ Bold bool }
			if err := e.Bind(&text, &options); err != nil {
				t.Error(err)
			}
			if err := e.Ack("heard", text, options.Bold, e.Len()); err != nil && e.WantsAck() {
				t.Error(err)
			}
			if err := e.Ack(); err != ErrAcked {
				t.Errorf("a second acknowledgement: %v", err)
			}
		})
		n.OnOther(func(e *Event) {
			values, err := e.Values()
			if err != nil {
				t.Error(err)
			}
			e.Socket().Emit("other", e.Name(), values)
		})
		p := newPeer(t, s)
		p.say(`0/chat,`)
		p.expect(`40/chat,{"sid":"*"}`)
		p.say(`2/chat,["say","hello",{"bold":true},12345678901234567890]`)
		p.expect()
		p.say(`2/chat,18446744073709551615["say","<hello>",{"bold":true}]`)
		p.expect(`43/chat,18446744073709551615["heard","<hello>",true,2]`)
		p.say(`2/chat,["what",12345678901234567890,{"z":1,"a":2}]`)
		p.expect(`42/chat,["other","what",[12345678901234567890,{"z":1,"a":2}]]`)

		socket := n.All().Sockets()[0]
		socket.On("say", func(e *Event) { e.Ack("mine") })
		p.say(`2/chat,1["say"]`)
		p.expect(`43/chat,1["mine"]`)
		socket.On("say", nil)
		n.On("say", nil)
		p.say(`2/chat,["say"]`)
		p.expect(`42/chat,["other","say",[]]`)
		if got := s.Stats().Received; got != 5 {
			t.Errorf("%d events received", got)
		}
		p.vanish(engineio.ReasonTransportClose)
	})
}

func TestBindErrors(t *testing.T) {
	a := Arguments{args: []byte(`"a",2`)}
	var text string
	var number int
	for _, tt := range []struct {
		dst   []any
		index int
	}{{[]any{&number}, 0}, {[]any{&text, &text}, 1}, {[]any{&text, &number, &number}, 2}} {
		var wrong *ArgumentError
		if err := a.Bind(tt.dst...); !errors.As(err, &wrong) || wrong.Index != tt.index {
			t.Errorf("%v, want argument %d", err, tt.index)
		}
	}
	if err := a.Bind(&text, &number); err != nil || text != "a" || number != 2 {
		t.Errorf("%q, %d, %v", text, number, err)
	}
}

func TestBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		n := s.Namespace("/")
		type file struct {
			Name    string
			Content []byte
			Deep    []Binary
		}
		n.On("upload", func(e *Event) {
			var b []byte
			var f file
			var raw json.RawMessage
			if err := e.Bind(&b, &f, &raw); err != nil {
				t.Error(err)
				return
			}
			e.Ack(b, map[string]any{"content": Binary(f.Content), "deep": f.Deep}, raw)
		})
		p := newPeer(t, s)
		p.join("/")
		p.say(`53-1["upload",{"_placeholder":true,"num":2},{"name":"x","content":{"_placeholder":true,"num":0},"deep":[{"num":1,"_placeholder":true}]},{"b":1,"a":2}]`, "b:00", "b:01", "b:0203")
		p.expect(`463-1[{"_placeholder":true,"num":0},{"content":{"_placeholder":true,"num":1},"deep":[{"_placeholder":true,"num":2}]},{"b":1,"a":2}]`, "b:0203", "b:00", "b:01")

		many := make([]any, 11)
		for i := range many {
			many[i] = []byte{byte(i)}
		}
		if err := n.Emit("x", many...); err != ErrAttachments {
			t.Errorf("11 attachments: %v", err)
		}
		if err := n.Emit("x", many); err != nil { // base64, as in encoding/json
			t.Error(err)
		}
		nested := make([]Binary, 11)
		if err := n.Emit("x", nested); err != ErrAttachments {
			t.Errorf("11 attachments inside: %v", err)
		}
		p.take()
		// What a client makes look like a placeholder is data, and must not be relayed with
		// bytes.
		fake := json.RawMessage(`{"_placeholder":true,"num":9}`)
		if err := n.Emit("x", fake); err != nil {
			t.Error(err)
		}
		p.expect(`42["x",{"_placeholder":true,"num":9}]`)
		if err := n.Emit("x", fake, []byte{1}); err != ErrPlaceholder {
			t.Errorf("a placeholder that is none: %v", err)
		}
		p.expect()
		p.vanish(engineio.ReasonTransportClose)
	})
}

func TestEmitRefuses(t *testing.T) {
	s := newServer(t, Options{})
	n := s.Namespace("/")
	for _, name := range []string{"connect", "disconnect", "connect_error", "disconnecting", "newListener", "removeListener"} {
		if err := n.Emit(name); err != ErrEventName {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := n.Emit("x", make(chan int)); err == nil {
		t.Error("a channel is no JSON")
	}
	for _, raw := range []string{`{`, ``, `1 2`, "\"\xff\""} {
		if err := n.Emit("x", json.RawMessage(raw)); err == nil {
			t.Errorf("%q is no JSON", raw)
		}
	}
}

func TestDisconnect(t *testing.T) {
	tests := []struct {
		name string
		act  func(p *peer, s *Socket)
		want Reason
		sent []string
	}{
		{"client", func(p *peer, s *Socket) { p.say("1") }, ReasonClientDisconnect, nil},
		{"server", func(p *peer, s *Socket) { s.Disconnect() }, ReasonServerDisconnect, []string{"41"}},
		{"close", func(p *peer, s *Socket) { s.Close() }, ReasonServerClose, nil},
		{"transport", func(p *peer, s *Socket) { p.vanish(engineio.ReasonTransportClose) }, ReasonTransportClose, nil},
		{"ping", func(p *peer, s *Socket) { p.vanish(engineio.ReasonPingTimeout) }, ReasonPingTimeout, nil},
		{"parse", func(p *peer, s *Socket) { p.say("9") }, ReasonParseError, nil},
		{"shutdown", func(p *peer, s *Socket) { p.vanish(engineio.ReasonShuttingDown) }, ReasonShuttingDown, nil},
		{"panic", func(p *peer, s *Socket) { p.say(`2["panic"]`) }, ReasonPanic, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, Options{})
				n := s.Namespace("/")
				var order []string
				n.On("panic", func(*Event) { panic("on purpose") })
				n.On("x", func(*Event) { order = append(order, "event") })
				n.OnDisconnect(func(_ *Socket, r Reason) { order = append(order, "namespace: "+string(r)) })
				p := newPeer(t, s)
				socket := p.join("/")
				socket.OnDisconnect(func(r Reason) { order = append(order, "socket: "+string(r)) })
				p.say(`2["x"]`)
				tt.act(p, socket)
				p.expect(tt.sent...)
				if want := []string{"event", "socket: " + string(tt.want), "namespace: " + string(tt.want)}; !slices.Equal(order, want) {
					t.Errorf("got %q, want %q", order, want)
				}
				if err := socket.Emit("x"); err != ErrClosed {
					t.Errorf("Emit: %v", err)
				}
				if socket.IsConnected() || n.Len() != 0 {
					t.Error("it is still there")
				}
				if !p.isClosed() {
					p.vanish(engineio.ReasonTransportClose)
				}
				if len(order) != 3 {
					t.Errorf("then %q", order)
				}
			})
		})
	}
}

// Handlers may block, those of one socket come in order, and no goroutine is left.
func TestHandlersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		n := s.Namespace("/")
		var got []int
		n.On("n", func(e *Event) {
			var i int
			if err := e.Bind(&i); err != nil {
				t.Error(err)
			}
			if i%10 == 0 {
				time.Sleep(time.Second)
			}
			got = append(got, i)
		})
		p := newPeer(t, s)
		p.join("/")
		for i := range 100 {
			p.say(fmt.Sprintf(`2["n",%d]`, i))
		}
		if s.Stats().Handlers != 1 {
			t.Errorf("%d goroutines", s.Stats().Handlers)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(got) != 100 || !slices.IsSorted(got) {
			t.Errorf("got %v", got)
		}
		if s.Stats().Handlers != 0 {
			t.Error("a goroutine waits for nothing")
		}
		p.vanish(engineio.ReasonTransportClose)
	})
}

func TestLegacy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		chat := s.Namespace("/chat")
		s.Namespace("/").OnConnect(func(s *Socket, auth Auth) error {
			if auth != nil {
				t.Errorf("auth is %s", auth)
			}
			return s.Emit("hello")
		})
		chat.OnConnect(func(s *Socket, auth Auth) error {
			var said struct{ Token string }
			if auth.Bind(&said); said.Token != "t" {
				return &Refusal{Message: "who are you?"}
			}
			return nil
		})
		p := newPeerOf(t, s, 3)
		p.expect(`40`, `42["hello"]`)
		p.say(`0/chat,`)
		p.expect(`44/chat,"who are you?"`)
		p.say(`0/chat?token=t,`)
		p.expect(`40/chat,`)
		if chat.Socket("/chat#engine-session-id-20") == nil || s.Namespace("/").Socket("engine-session-id-20") == nil {
			t.Error("clients 1 and 2 make their IDs themselves, and those are others")
		}
		p.say(`0/nowhere`)
		p.expect(`44/nowhere,"Invalid namespace"`)
		p.vanish(engineio.ReasonTransportClose)
	})
}

func TestServerEmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		if err := s.Emit("x"); err != nil || s.Stats().Namespaces != 0 {
			t.Errorf("%v; an event for nobody has made a namespace that anybody can join", err)
		}
		s.Namespace("/")
		s.Namespace("other")
		p := newPeer(t, s)
		p.join("/")
		p.join("/other")
		if err := s.Emit("x", nil, true, "\u2028<", 1, int64(-2), uint64(3), 1.5, []string{"&"}); err != nil {
			t.Error(err)
		}
		p.expect(`42["x",null,true,"\u2028<",1,-2,3,1.5,["&"]]`)
		if got := strings.Join(s.Namespace("/other").All().Sockets()[0].Rooms(), ","); got != "" {
			t.Errorf("rooms are %s", got)
		}
		p.vanish(engineio.ReasonTransportClose)
	})
}
