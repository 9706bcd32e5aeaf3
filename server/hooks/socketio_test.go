package hooks

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/socketio"
	"github.com/godwit-io/godwit/hub"
)

var aPeer = socketio.Peer{Session: "s", Namespace: "/chat", Channel: "chat", Address: "198.51.100.7", User: "ann"}

func askConnect(h *Hooks, r *socketio.ConnectRequest) (*socketio.ConnectAnswer, error) {
	type outcome struct {
		answer *socketio.ConnectAnswer
		err    error
	}
	done := make(chan outcome, 1)
	SocketIO(func() *Hooks { return h }).Connect(r, func(a *socketio.ConnectAnswer, err error) { done <- outcome{a, err} })
	o := <-done
	return o.answer, o.err
}

func askEvent(h *Hooks, r *socketio.EventRequest) (*socketio.EventAnswer, error) {
	type outcome struct {
		answer *socketio.EventAnswer
		err    error
	}
	done := make(chan outcome, 1)
	SocketIO(func() *Hooks { return h }).Event(r, func(a *socketio.EventAnswer, err error) { done <- outcome{a, err} })
	o := <-done
	return o.answer, o.err
}

func TestSocketIOConnect(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   *socketio.ConnectAnswer
		cause  access.Cause
	}{
		"let in":        {`{"allow":{}}`, &socketio.ConnectAnswer{}, 0},
		"somebody":      {`{"allow":{"user":"ann","info":{"a": 1},"join":["one","two"]}}`, &socketio.ConnectAnswer{User: "ann", Info: json.RawMessage(`{"a":1}`), Join: []string{"one", "two"}}, 0},
		"denied":        {`{"deny":{"reason":"not you"}}`, nil, access.Denied},
		"no names":      {`{"allow":{"join":"one"}}`, nil, access.Unavailable},
		"something new": {`{"allow":{"room":"one"}}`, nil, access.Unavailable},
		"no JSON":       {`ok`, nil, access.Unavailable},
		"too many":      {`{"allow":{"join":[` + strings.TrimSuffix(strings.Repeat(`"r",`, roomsMax+1), ",") + `]}}`, nil, access.Unavailable},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := runApplication(t, say(c.answer))
			h := a.start(t, Options{SocketIO: &Question{Forward: []string{"Cookie"}}})
			got, err := askConnect(h, &socketio.ConnectRequest{Peer: aPeer, Auth: json.RawMessage(`{"token": "x"}`), Query: "EIO=4", Fields: [][2]string{{"Cookie", "a=1"}, {"X-Other", "b"}}})
			var refused *access.Refusal
			errors.As(err, &refused)
			if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.cause == 0) || refused != nil && refused.Cause != c.cause {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			asked := a.requests()[0]
			want := `{"type":"socketio.connect","timestamp":"2000-01-01T00:00:00.000Z","data":{"session":"s","namespace":"/chat","channel":"chat","user":"ann","address":"198.51.100.7","query":"EIO=4","auth":{"token":"x"}}}`
			if string(asked.body) != want || asked.header.Get("Cookie") != "a=1" || asked.header.Get("X-Other") != "" {
				t.Errorf("%s: asked\n%s with %v, want\n%s", name, asked.body, asked.header, want)
			}
			verifySignature(t, asked, testSecret)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := runApplication(t, say(`{"allow":{"user":"ann","grants":{"subscribe":["chat/**"]}}}`)).start(t, Options{SocketIO: &Question{}})
		got, err := askConnect(h, &socketio.ConnectRequest{Peer: aPeer})
		if err != nil || got.Grants == nil || !access.May(&access.Identity{Kind: access.Application, Grants: *got.Grants}, nil, access.Subscribe, "chat/x") {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestSocketIOEvent(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   *socketio.EventAnswer // nil: an error
		own    bool                  // that of the application
	}{
		"nothing":  {``, &socketio.EventAnswer{}, false},
		"an empty": {`{}`, &socketio.EventAnswer{}, false},
		"everything": {`{"ack":[1,"a"],"join":["r"],"leave":["q"],"disconnect":true,"publish":[{"channel":"a/b","event":"e","data":{"x": 1}},{"channel":"c","data":"t"},{"channel":"c","data_base64":"AP8="}]}`,
			&socketio.EventAnswer{
				Ack: json.RawMessage(`[1,"a"]`), Join: []string{"r"}, Leave: []string{"q"}, Disconnect: true,
				Publish: []hub.Message{
					{Channel: "a/b", Kind: hub.JSON, Data: []byte(`{"x": 1}`), Attributes: &hub.Attributes{Event: "e"}},
					{Channel: "c", Data: []byte("t")}, {Channel: "c", Kind: hub.Binary, Data: []byte{0, 255}},
				},
			}, false},
		"its own error":    {`{"error":{"type":"sold-out","title":"Sold out"}}`, nil, true},
		"an error and":     {`{"error":{"type":"sold-out","title":"Sold out"},"ack":1}`, nil, false},
		"no channel":       {`{"publish":[{"data":1}]}`, nil, false},
		"a bad channel":    {`{"publish":[{"channel":"a//b","data":1}]}`, nil, false},
		"no data":          {`{"publish":[{"channel":"a"}]}`, nil, false},
		"data twice":       {`{"publish":[{"channel":"a","data":1,"data_base64":"AA=="}]}`, nil, false},
		"no list":          {`{"publish":{}}`, nil, false},
		"no switch":        {`{"disconnect":"yes"}`, nil, false},
		"something new":    {`{"broadcast":[]}`, nil, false},
		"too many of them": {`{"publish":[` + strings.TrimSuffix(strings.Repeat(`{"channel":"a","data":1},`, publicationsMax+1), ",") + `]}`, nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := runApplication(t, say(c.answer))
			h := a.start(t, Options{SocketIO: &Question{}})
			got, err := askEvent(h, &socketio.EventRequest{Peer: aPeer, Event: "order", Args: json.RawMessage(`[{"n":1}]`), WantsAck: true})
			var own *hub.CallError
			if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.want != nil) || err != nil && errors.As(err, &own) != c.own || err != nil && !c.own && !errors.Is(err, socketio.ErrUnanswered) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			want := `{"type":"socketio.event","timestamp":"2000-01-01T00:00:00.000Z","data":{"session":"s","namespace":"/chat","channel":"chat","user":"ann","address":"198.51.100.7","event":"order","args":[{"n":1}],"ack":true}}`
			if asked := a.requests()[0]; string(asked.body) != want {
				t.Errorf("%s: asked\n%s, want\n%s", name, asked.body, want)
			}
		})
	}
}

func TestSocketIODisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`anything`))
		h := a.start(t, Options{SocketIO: &Question{}})
		SocketIO(func() *Hooks { return h }).Disconnect(&socketio.DisconnectRequest{Peer: aPeer, Reason: "transport close"})
		synctest.Wait()
		if asked := a.requests(); len(asked) != 1 || !strings.Contains(string(asked[0].body), `"type":"socketio.disconnect"`) || !strings.Contains(string(asked[0].body), `"reason":"transport close"`) {
			t.Errorf("%v", asked)
		}
	})
}

// Where there is no application, nobody is let in, and nothing is answered.
func TestSocketIOWithoutApplication(t *testing.T) {
	for _, h := range []*Hooks{nil, {cancel: func() {}}} {
		if got, err := askConnect(h, &socketio.ConnectRequest{Peer: aPeer}); got != nil || err == nil {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := askEvent(h, &socketio.EventRequest{Peer: aPeer}); got != nil || !errors.Is(err, socketio.ErrUnanswered) {
			t.Errorf("%+v, %v", got, err)
		}
		SocketIO(func() *Hooks { return h }).Disconnect(&socketio.DisconnectRequest{Peer: aPeer})
	}
}
