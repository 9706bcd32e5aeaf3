package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/ws"
)

// talker is the client of a session over a WebSocket.
type talker struct {
	t    *testing.T
	conn *ws.Conn
	id   string
	name string // ID and secret
}

func connectSession(t *testing.T, s *running, resume string) *talker {
	t.Helper()
	conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/connect", &ws.DialOptions{Header: http.Header{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	c := &talker{t: t, conn: conn}
	command := `{"id":1,"connect":{"client":"test/1"}}`
	if id, secret, ok := strings.Cut(resume, "."); ok {
		command = fmt.Sprintf(`{"id":100,"connect":{"resume":{"session":%q,"secret":%q}}}`, id, secret)
	}
	c.say(command)
	var r struct {
		OK struct{ Session, Secret string }
	}
	if err := json.Unmarshal([]byte(c.hear(`{"id":1`)), &r); err != nil {
		t.Fatal(err)
	}
	c.id, c.name = r.OK.Session, r.OK.Session+"."+r.OK.Secret
	return c
}

func (c *talker) say(text string) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), ws.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the next object that begins with prefix, and fails on one that does not.
func (c *talker) hear(prefix string) string {
	c.t.Helper()
	got := hears(c.t, c.conn)
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("heard %s, want %s…", got, prefix)
	}
	return got
}

// A session of many channels loses those that a new configuration does not grant, and the
// methods that it may not answer, and goes on with the rest. One that is not to be there at
// all ends, also if it waits for its client.
func TestReloadTakesChannelsFromSessions(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		config := func(subscribe string) Config {
			c := configured(t, fmt.Sprintf(reloaded, identity.HashKey(identity.NewKey()), "'**'", subscribe, "'**'"))
			c.Driver = driver
			return c
		}
		s := start(t, config("'a', 'b', 'p/*'"))
		c := connectSession(t, s, "")
		c.say(`{"id":2,"subscribe":{"channel":"a"}}`)
		c.hear(`{"id":2,"ok"`)
		c.say(`{"id":3,"subscribe":{"channel":"b"}}`)
		c.hear(`{"id":3,"ok"`)
		if _, err := s.Reload(t.Context(), config("'b'")); err != nil {
			t.Fatal(err)
		}
		if got := c.hear(`{"unsubscribed":{"channel":"a","error":{"type":"https://godwit.io/problems/unauthorized"`); !strings.Contains(got, "subscribe on channel") {
			t.Error(got)
		}
		c.say(`{"id":4,"publish":{"channel":"b","data":1}}`)
		c.hear(`{"channel":"b"`)
		c.hear(`{"id":4,"ok"`)

		// What the server itself has subscribed it to needs no grant, also after the
		// client has come back.
		session := s.hub.FindSession(c.id)
		if o := <-session.Add("a", hub.SubscribeOptions{}); o.Err != nil {
			t.Fatal(o.Err)
		}
		c.hear(`{"subscribed":{"channel":"a","position":`)
		if _, err := s.Reload(t.Context(), config("'none'")); err != nil {
			t.Fatal(err)
		}
		c.hear(`{"unsubscribed":{"channel":"b"`)
		c.conn.CloseNow()
		back := connectSession(t, s, c.name)
		if back.id != c.id {
			t.Fatal("it was not resumed")
		}
		back.say(`{"id":101,"subscribe":{"channel":"a"}}`)
		back.hear(`{"id":101,"ok"`)
		back.say(`{"id":102,"subscribe":{"channel":"b"}}`)
		back.hear(`{"id":102,"error"`)
	})
}
