package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

// secretOf is in the history of a closed channel, and is published again while clients
// listen.
const secretOf = "the-secret-"

// A server that protects nothing keeps closed channels closed, whatever the edge and
// however the name is spelled: nothing of them is read, listed or written.
func TestNoEdgeOfAnOpenServerReachesAClosedChannel(t *testing.T) {
	s := start(t, Config{})
	names := []string{"private-a", "presence-a", "a/private-b", "private-encrypted-a"}
	for _, name := range names {
		if err := publishText(t.Context(), s, name, secretOf+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := publishText(t.Context(), s, "chat", "for everybody"); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, a answer) {
		t.Helper()
		if strings.Contains(a.body, secretOf) || a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", what, a.StatusCode, a.body)
		}
		if a.StatusCode == http.StatusForbidden && !strings.Contains(a.body, "closes a channel") {
			t.Errorf("%s does not say what would be right: %s", what, a.body)
		}
	}
	for _, name := range names {
		for _, spelled := range spellings(name) {
			for _, prefix := range []string{transport.ChannelsPath, transport.PresencePath} {
				refused("GET "+prefix+spelled, s.do(t, "GET", prefix+spelled, ""))
				refused("HEAD "+prefix+spelled, s.do(t, "GET", prefix+spelled+"?last=1&by=user", ""))
			}
			path := transport.ChannelsPath + spelled
			refused("NDJSON "+path, s.do(t, "GET", path+"?last=10", "", "Accept", "application/x-ndjson"))
			refused("long poll "+path, s.do(t, "GET", path+"?last=10", "", "Prefer", "wait=1"))
			refused("POST "+path, s.do(t, "POST", path, "intruder"))
			stream := s.do(t, "GET", path+"?last=10", "", "Accept", "text/event-stream")
			if !strings.Contains(stream.body, "event: end") && stream.StatusCode != http.StatusForbidden && stream.StatusCode != http.StatusBadRequest || strings.Contains(stream.body, secretOf) {
				t.Errorf("SSE %s: %d %s", path, stream.StatusCode, stream.body)
			}
			refused("API history "+spelled, s.do(t, "DELETE", "/api/v1/channels/"+spelled+"/history", ""))
			refused("API presence "+spelled, s.do(t, "GET", "/api/v1/channels/"+spelled+"/presence", ""))
		}
		refused("API sessions "+name, s.do(t, "GET", "/api/v1/sessions?channel="+url.QueryEscape(name), ""))
		refused("API publish "+name, s.do(t, "POST", "/api/v1/publish", fmt.Sprintf(`{"channel":%q,"data":"intruder"}`, name), "Content-Type", "application/json"))
	}
	for _, path := range []string{"/api/v1/channels", "/api/v1/sessions", "/api/v1/info"} {
		if a := s.do(t, "GET", path, ""); a.StatusCode != http.StatusOK || strings.Contains(a.body, "private-") || strings.Contains(a.body, "presence-a") {
			t.Errorf("%s shows closed channels: %s", path, a.body)
		}
	}
	heard := listenToAll(t, s, names)
	for _, name := range append(names, "chat") {
		if err := publishText(t.Context(), s, name, secretOf+name); err != nil {
			t.Fatal(err)
		}
	}
	heard()
	for _, name := range names {
		page, err := s.hub.History(t.Context(), name, hub.Query{})
		if err != nil || len(page.Publications) != 2 {
			t.Errorf("%s has %d publications, want the 2 of this test: %v", name, len(page.Publications), err)
		}
	}
}

func publishText(ctx context.Context, s *running, channel, text string) error {
	_, _, err := s.hub.Publish(ctx, hub.Message{Channel: channel, Data: []byte(text)})
	return err
}

// spellings are ways to write a name in a path that mean the same, or nothing.
func spellings(name string) []string {
	every := ""
	for _, c := range []byte(name) {
		if c == '/' {
			every += "/"
		} else {
			every += fmt.Sprintf("%%%02x", c)
		}
	}
	return []string{name, every, strings.Replace(name, "-", "%2D", 1), strings.Replace(name, "p", "%70", 1), strings.ReplaceAll(name, "/", "%2F"), name + "/*", every + "/**"}
}

// listenToAll subscribes by every wide pattern and asks sessions for closed channels.
// What it returns checks that all have heard what is open, and nothing else.
func listenToAll(t *testing.T, s *running, names []string) (check func()) {
	t.Helper()
	var sockets []*ws.Conn
	dial := func(path string, o *ws.DialOptions) *ws.Conn {
		t.Helper()
		c, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+path, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		return c
	}
	for _, pattern := range []string{"**", "*"} {
		sockets = append(sockets, dial("/channels/"+pattern, nil))
	}
	for _, name := range names {
		if _, r, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/channels/"+name, nil); err == nil || r == nil || r.StatusCode != http.StatusForbidden {
			t.Errorf("a WebSocket at %s: %v", name, err)
		}
		page := dial("/channels/"+name, &ws.DialOptions{Header: http.Header{"Origin": {s.url}}}) // is told by a close code
		_, _, err := page.Read(t.Context())
		var end *ws.CloseError
		if !errors.As(err, &end) || end.Code != 4403 {
			t.Errorf("a WebSocket of a page at %s: %v", name, err)
		}
	}
	session := dial("/connect", &ws.DialOptions{Subprotocols: []string{"godwit.v1"}})
	id := 0
	ask := func(command string) string {
		t.Helper()
		id++
		if err := session.Write(t.Context(), ws.MessageText, fmt.Appendf(nil, `{"id":%d,%s}`, id, command)); err != nil {
			t.Fatal(err)
		}
		for {
			_, b, err := session.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var reply struct{ ID int }
			if json.Unmarshal(b, &reply) == nil && reply.ID == id {
				return string(b)
			}
		}
	}
	ask(`"connect":{}`)
	for _, name := range names {
		for _, command := range []string{
			`"subscribe":{"channel":%q,"last":10}`, `"subscribe":{"channel":%q,"presence":true}`, `"subscribe":{"channel":"%s/*"}`, `"publish":{"channel":%q,"data":"intruder"}`,
			`"history":{"channel":%q}`, `"presence":{"channel":%q}`,
		} {
			if reply := ask(fmt.Sprintf(command, name)); !strings.Contains(reply, "closes a channel") {
				t.Errorf("%s: %s", fmt.Sprintf(command, name), reply)
			}
		}
	}
	if reply := ask(`"subscribe":{"channel":"**"}`); !strings.Contains(reply, `"ok"`) {
		t.Fatal(reply)
	}
	return func() {
		t.Helper()
		for _, c := range append(sockets, session) {
			_, b, err := c.Read(t.Context())
			for err == nil && strings.HasPrefix(string(b), `{"vector"`) {
				_, b, err = c.Read(t.Context())
			}
			if err != nil || !strings.Contains(string(b), secretOf+"chat") {
				t.Errorf("the first that a wide pattern hears is %s, %v", b, err)
			}
		}
	}
}
