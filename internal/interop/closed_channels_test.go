package interop

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// TestClosedChannels: what is said in a private channel of Pusher is heard at no edge by
// a client that was not let in, on a server that is open to everybody. Nobody else gets in,
// and a client that reads everything does not hear it.
func TestClosedChannels(t *testing.T) {
	t.Parallel()
	const closed = "private-talk"
	node := startNodeStage(t)
	app := newApplication(t)
	host := serveProtocols(t, "") // which has an app for development
	url := "http://" + host

	all := programEvents(t, program(t, "curl"), "-sN", "-H", "Accept: application/x-ndjson", url+"/channels/**")
	if line, ok := all.next(); !ok || !strings.Contains(line, "vector") {
		t.Fatalf("who reads everything is told %q", line)
	}
	ann := openPusher(t, node, "ann", "pusher-js", pusherOptions(t, host, app, "user=ann"))
	bob := openPusher(t, node, "bob", "pusher-js", pusherOptions(t, host, app, "user=bob"))
	ann.subscribes(t, closed)
	bob.subscribes(t, closed)

	for _, c := range []struct{ method, path, accept string }{
		{http.MethodGet, "/channels/" + closed, "application/json"},
		{http.MethodGet, "/channels/" + closed + "?since=x:1", "application/json"},
		{http.MethodGet, "/channels/" + closed, "application/x-ndjson"},
		{http.MethodGet, "/channels/" + closed, "text/event-stream"},
		{http.MethodGet, "/presence/" + closed, "application/json"},
		{http.MethodPost, "/channels/" + closed, "application/json"},
	} {
		text := ""
		if c.method == http.MethodPost {
			text = "x"
		}
		response := request(t, http.DefaultClient, c.method, url+c.path, text, "Accept", c.accept)
		if response.StatusCode != http.StatusUnauthorized && response.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s with %s is answered %s", c.method, c.path, c.accept, response.Status)
		}
		response.Body.Close()
	}
	ctx, cancel := context.WithTimeout(background, patience)
	defer cancel()
	if conn, _, err := ws.Dial(ctx, "ws://"+host+"/channels/"+closed, nil); err == nil {
		conn.CloseNow()
		t.Error("a WebSocket gets in")
	}
	session, _, err := ws.Dial(ctx, "ws://"+host+"/connect", &ws.DialOptions{Subprotocols: []string{"godwit.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	n := newNear(t, session)
	n.send(t, false, `{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"`+closed+`"}}`+"\n"+`{"id":3,"publish":{"channel":"`+closed+`","data":"x"}}`)
	for refused := 0; refused < 2; {
		m, ok := n.messages.next()
		if !ok {
			t.Fatal("the session is told nothing more")
		}
		for line := range strings.Lines(string(m.Data)) {
			var reply struct {
				ID    int
				OK    json.RawMessage
				Error json.RawMessage
			}
			if err := json.Unmarshal([]byte(line), &reply); err != nil {
				t.Fatal(err)
			}
			if reply.ID > 1 && reply.Error == nil {
				t.Fatalf("the session is told %s", line)
			}
			if reply.ID > 1 {
				refused++
			}
		}
	}
	socketio := node.open(t, "Socket.IO", "socketio", "socket.io-client", "url", url, "namespace", "/"+closed)
	if e := socketio.until(t, "a refusal", func(e seen) bool { return e.Event == "open" || e.Event == "refused" }); e.Event == "open" {
		t.Error("Socket.IO gets in")
	}
	sockjs := node.open(t, "SockJS", "sockjs", "sockjs-client", "url", url+"/sockjs/"+closed)
	if e := sockjs.until(t, "a refusal", func(e seen) bool { return e.Event == "open" || e.Event == "closed" }); e.Event == "open" || e.Code < 4000 {
		t.Errorf("SockJS is told %v", e)
	}
	pie, _, err := ws.Dial(ctx, "ws://"+host+"/v3/"+closed+"?api_key="+appKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newNear(t, pie)
	if m, ok := p.messages.next(); !ok || !strings.Contains(string(m.Data), `"error"`) {
		t.Errorf("PieSocket is told %q", m.Data)
	}

	// It works for the clients that were let in, and nobody else was told.
	ann.do(t, "trigger", "channel", closed, "name", "client-secret", "data", "between us")
	bob.event(t, closed, "client-secret")
	body(t, post(t, host, "open", "text/plain", "to all"), http.StatusCreated)
	for until := time.Now().Add(patience); ; {
		line, ok := all.next()
		if !ok || time.Now().After(until) {
			t.Fatal("who reads everything hears no more")
		}
		if strings.Contains(line, closed) || strings.Contains(line, "between us") {
			t.Errorf("who reads everything hears %s", line)
		}
		if strings.Contains(line, "to all") {
			break
		}
	}
}
