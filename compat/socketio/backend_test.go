package socketio

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// application is a Backend of functions. It answers from other goroutines.
type application struct {
	connect func(*ConnectRequest) (*ConnectAnswer, error)
	event   func(*EventRequest) (*EventAnswer, error)

	mu   sync.Mutex // guards what follows
	left []*DisconnectRequest
}

func (a *application) Connect(r *ConnectRequest, answer func(*ConnectAnswer, error)) {
	go func() { answer(a.connect(r)) }()
}

func (a *application) Event(r *EventRequest, answer func(*EventAnswer, error)) {
	go func() {
		answer(a.event(r))
		answer(nil, ErrUnanswered) // which counts for nothing
	}()
}

func (a *application) Disconnect(r *DisconnectRequest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = append(a.left, r)
}

// The application says a client's identity and its rooms, and answers its events.
func TestBackend(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		held := make(chan struct{})
		a := &application{
			connect: func(r *ConnectRequest) (*ConnectAnswer, error) {
				var auth struct{ Name string }
				_ = json.Unmarshal(r.Auth, &auth)
				switch {
				case r.Namespace != "/chat" || r.Channel != "chat" || len(r.Session) != 26 || !strings.Contains(r.Query, "room=x") || r.Address != "127.0.0.1":
					return nil, &access.Refusal{Cause: access.Denied, Reason: "what is this?"}
				case auth.Name == "":
					return nil, &access.Refusal{Cause: access.Denied, Reason: "say your name"}
				case auth.Name == "later":
					return nil, ErrUnanswered
				}
				return &ConnectAnswer{User: auth.Name, Info: json.RawMessage(`{"x":1}`), Join: []string{"lobby"}}, nil
			},
			event: func(r *EventRequest) (*EventAnswer, error) {
				switch r.Event {
				case "join":
					var args []string
					if err := json.Unmarshal(r.Args, &args); err != nil {
						return nil, err
					}
					return &EventAnswer{Join: args, Ack: json.RawMessage(`["joined",2]`), Publish: []hub.Message{{Channel: "log", Data: []byte(r.User + " joined")}}}, nil
				case "typing:hold":
					<-held
				case "fail":
					return nil, &hub.CallError{Type: "no_such_thing", Detail: "really not"}
				}
				return &EventAnswer{}, nil
			},
		}
		s := start(Options{Backend: a, AsksConnect: true, BackendEvents: []string{"join", "typing:*", "fail"}}, transport.Options{
			Guard: transport.Identify(func(*transport.Request) (*access.Identity, error) { return nil, nil }), // nobody may do anything
		})
		p := s.dial("&room=x")
		p.send("40/chat,")
		if got := p.read(); !strings.HasPrefix(got, `44/chat,{"message":"say your name"`) {
			t.Error(got)
		}
		p.join("/chat", `{"name":"ann"}`)
		p.send(`42/chat,1["said","hello"]`)
		for range 2 {
			if got := p.read(); got != `42/chat,["said","hello"]` && !strings.HasPrefix(got, `43/chat,1[{"position"`) {
				t.Error(got)
			}
		}
		s.publish("chat/lobby", "x", "to the lobby")
		p.expect(`42/chat,["x","to the lobby"]`)
		p.send(`42/chat,2["join","cats","dogs"]`)
		p.expect(`43/chat,2["joined",2]`)
		s.publish("chat/dogs", "x", "woof")
		p.expect(`42/chat,["x","woof"]`)
		page, err := s.hub.History(t.Context(), "log", hub.Query{})
		if err != nil || len(page.Publications) != 1 || string(page.Publications[0].Data) != "ann joined" {
			t.Errorf("%+v, %v", page, err)
		}
		p.send(`42/chat,3["fail"]`)
		if got := p.read(); !strings.HasPrefix(got, `43/chat,3[{"error":{"type":"no_such_thing"`) {
			t.Error(got)
		}
		roster, err := s.hub.ListMembers("chat", hub.PresenceQuery{})
		if err != nil || len(roster.Members) != 1 || roster.Members[0].User != "ann" || roster.Members[0].Info != `{"x":1}` {
			t.Errorf("%+v, %v", roster, err)
		}
		// A client is read no more while too much waits for the application.
		for range 3 * asksMax {
			p.send(`42/chat,["typing:hold"]`)
		}
		p.send(`42/chat,4["said","after"]`)
		close(held)
		for range 2 {
			if got := p.read(); got != `42/chat,["said","after"]` && !strings.HasPrefix(got, `43/chat,4[`) {
				t.Error(got)
			}
		}
		later := s.dial("&room=x")
		later.send(`40/chat,{"name":"later"}`)
		if code := later.expectEnd(); code == 0 {
			t.Error("a client that cannot be judged does not come back")
		}
		_ = p.conn.CloseNow()
		s.gone(p.sid)
		deadline(t, func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return len(a.left) == 1 && a.left[0].Session == p.sid && a.left[0].User == "ann" && a.left[0].Reason != ""
		})
	})
}

// A client that is let into the namespace of a user's channel, by an application that lets
// everybody in everywhere, has not got that channel.
func TestNoGrantForTheChannelOfAnother(t *testing.T) {
	answer := &ConnectAnswer{User: "bob"}
	for channel, want := range map[string]bool{"chat": true, "private-x": true, "@bob": true, "@ann": false, "@ann/x": false} {
		if got := access.May(answer.vouched(channel), nil, access.Subscribe, channel); got != want {
			t.Errorf("bob may subscribe to %s: %v", channel, got)
		}
	}
	if access.May(answer.vouched("@ann"), nil, access.Publish, "@ann") {
		t.Error("bob may publish to @ann")
	}
}
