package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
)

// Nor do the protocols of others reach a closed channel of an open server: by no transport
// of SockJS, no spelling, no namespace, room or event of Socket.IO, and by no key of an app
// without a signature.
func TestNoOtherProtocolReachesAClosedChannel(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		zero := 0
		s := start(t, Config{Driver: driver, SocketIO: SocketIO{LaravelEcho: true, Rules: []SocketIORule{
			{Event: "join", Subscribe: &zero}, {Event: "say", Publish: &zero},
		}}})
		names := []string{"private-a", "presence-a", "a/private-b"}
		tell := func(what, heard string) {
			t.Helper()
			if strings.Contains(heard, secretOf) || !strings.Contains(heard, "closes a channel") && !strings.Contains(heard, "403") {
				t.Errorf("%s: %s", what, heard)
			}
		}
		for _, name := range names {
			if err := publishText(t.Context(), s, name, secretOf+name); err != nil {
				t.Fatal(err)
			}
			for _, spelled := range spellings(name)[:4] {
				for _, query := range []string{"?last=10", "?since=x:0&presence"} {
					a := s.do(t, "POST", "/sockjs/"+spelled+"/000/"+strings.ReplaceAll(spelled, "/", "-")+query[1:5]+"/xhr"+query, "")
					tell("xhr "+spelled, a.body)
					a = s.do(t, "GET", "/sockjs/"+spelled+"/000/e"+strings.ReplaceAll(spelled, "/", "-")+query[1:5]+"/eventsource"+query, "")
					tell("eventsource "+spelled, a.body)
				}
				tell("websocket "+spelled, hears(t, pie(t, s, "/sockjs/"+spelled+"/000/abcdefgh/websocket?last=10")))
				if _, r, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/sockjs/"+spelled+"/websocket?last=10", nil); err == nil || r == nil || r.StatusCode != http.StatusForbidden {
					t.Errorf("a raw WebSocket at %s: %v", spelled, err)
				}
			}
			// As a namespace, a room of one, a channel of Laravel Echo, and what is said to them.
			c := pie(t, s, "/socket.io/?EIO=4&transport=websocket")
			hears(t, c)
			tell("the namespace /"+name, says(t, c, "40/"+name+","))
			says(t, c, "40")
			parent, room := "main", name
			if at := strings.LastIndexByte(name, '/'); at >= 0 {
				parent, room = name[:at], name[at+1:]
				says(t, c, "40/"+parent+",")
			}
			at := ""
			if parent != "main" {
				at = "/" + parent + ","
			}
			tell("the room "+name, says(t, c, fmt.Sprintf(`42%s1["join",%q]`, at, room)))
			tell("saying something in the room "+name, says(t, c, fmt.Sprintf(`42%s2["say",%q,"intruder"]`, at, room)))
			tell("Laravel Echo", says(t, c, fmt.Sprintf(`42["subscribe",{"channel":%q,"auth":{}}]`, name)))
			if heard := says(t, c, fmt.Sprintf(`423["client event",{"channel":%q,"event":"client-x","data":1}]`, name)); !strings.Contains(heard, "error") {
				t.Errorf("a whisper: %s", heard)
			}
			if strings.Contains(name, "/") {
				continue // no channel of Pusher or PieSocket
			}
			p := pie(t, s, "/app/app-key?protocol=7")
			hears(t, p)
			if heard := says(t, p, fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":%q,"auth":"app-key:0"}}`, name)); !strings.Contains(heard, "subscription_error") {
				t.Errorf("Pusher: %s", heard)
			}
			hears(t, p)
			if heard := says(t, p, fmt.Sprintf(`{"event":"client-x","channel":%q,"data":1}`, name)); !strings.Contains(heard, "pusher:error") {
				t.Errorf("Pusher: %s", heard)
			}
		}
		if heard := hears(t, pie(t, s, "/v3/private-a?api_key=app-key&last=10")); !strings.Contains(heard, "Authentication failed") {
			t.Errorf("PieSocket: %s", heard)
		}
		for _, name := range append(names, "main/private-a", "main/presence-a") {
			page, err := s.hub.History(t.Context(), name, hub.Query{})
			if want := strings.Count(name, "main/"); err != nil || len(page.Publications) != 1-want {
				t.Errorf("%s has %d publications, %v", name, len(page.Publications), err)
			}
		}
	})
}
