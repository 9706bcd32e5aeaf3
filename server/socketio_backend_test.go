package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The application is the server logic of Socket.IO: it is asked who joins a namespace, and
// given the events that are its; rules do the rest.
func TestSocketIOBackend(t *testing.T) {
	application := newApplication(t, func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Type string
			Data struct {
				Query, Event string
				Auth         struct{ Name string }
				Args         []any
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		switch d := asked.Data; {
		case strings.Contains(d.Query, "secret"):
			t.Errorf("the application is shown %s", d.Query)
		case asked.Type == "socketio.connect" && d.Auth.Name == "":
			io.WriteString(w, `{"deny":{"reason":"say who you are"}}`)
		case asked.Type == "socketio.connect":
			io.WriteString(w, `{"allow":{"user":"`+d.Auth.Name+`"}}`)
		case d.Event == "order" && d.Args[0] == "pie":
			io.WriteString(w, `{"publish":[{"channel":"kitchen","event":"ordered","data":"pie"}],"ack":["in a minute"]}`)
		case d.Event == "order":
			io.WriteString(w, `{"error":{"type":"sold-out","title":"Sold out"}}`)
		}
	})
	c := Config{
		SocketIO: SocketIO{
			BackendConnect: true, BackendEvents: []string{"order"},
			Rules: []SocketIORule{{Event: "join", Subscribe: new(0)}, {Event: "say", Publish: new(0)}},
		},
		Hooks: Hooks{SocketIO: SocketIOHook{URL: application}, Secrets: []Secret{{"0123456789012345678901234567890123456789"}}, AllowPrivate: true},
	}
	eachDriver(t, func(t *testing.T, driver string) {
		c.Driver = driver
		s := start(t, c)
		kitchen := socket(t, s, "kitchen", "")
		ann := s.socketIO(t)
		ann.send("40/cafe,")
		if got := ann.read(); !strings.HasPrefix(got, "44/cafe,") || !strings.Contains(got, "say who you are") {
			t.Error(got)
		}
		ann.send(`40/cafe,{"name":"ann"}`)
		if got := ann.read(); !strings.HasPrefix(got, `40/cafe,{"sid":`) {
			t.Fatal(got)
		}
		ann.send(`42/cafe,1["order","pie"]`)
		if got := ann.read(); got != `43/cafe,1["in a minute"]` {
			t.Error(got)
		}
		expectText(t, "the kitchen", hears(t, kitchen), `"event":"ordered"`)
		ann.send(`42/cafe,2["order","soup"]`)
		if got := ann.read(); !strings.HasPrefix(got, `43/cafe,2[{"error":`) || !strings.Contains(got, "Sold out") {
			t.Error(got)
		}

		// The rooms of rules are channels below that of the namespace.
		bob := s.socketIO(t)
		bob.send(`40/cafe,{"name":"bob"}`)
		bob.read()
		bob.send(`42/cafe,3["join","table"]`)
		if got := bob.read(); !strings.HasPrefix(got, `43/cafe,3[`) {
			t.Error(got)
		}
		ann.send(`42/cafe,["say","table","hello"]`)
		if got := bob.read(); !strings.HasPrefix(got, `42/cafe,["say","hello"`) {
			t.Error(got)
		}
	})
}
