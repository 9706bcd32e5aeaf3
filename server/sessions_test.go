package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/flight"
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

// A session that is resumed has not left: the application is told of one session and one
// member, whatever becomes of connections.
func TestResumedSessionsNeitherLeaveNorJoin(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for windows of joins to pass")
	}
	types := make(chan string, 64)
	application := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Events []struct{ Type string } }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		for _, e := range body.Events {
			types <- e.Type
		}
	}))
	defer application.Close()
	s := start(t, configured(t, fmt.Sprintf(`
listen: 127.0.0.1:0
demo: false
anonymous: {subscribe: ["**"], publish: ["**"]}
hooks:
  secrets: [env:HOOK_SECRET]
  allow_private: true
  events: {url: "%s"}
`, application.URL)))
	c := connectSession(t, s, "")
	c.say(`{"id":2,"subscribe":{"channel":"a"}}`)
	c.hear(`{"id":2,"ok"`)
	for id := range 3 {
		c.conn.CloseNow() // the network is gone
		back := connectSession(t, s, c.name)
		if back.id != c.id {
			t.Fatal("it was not resumed")
		}
		back.say(fmt.Sprintf(`{"id":%d,"subscribe":{"channel":"a"}}`, 101+id))
		back.hear(fmt.Sprintf(`{"id":%d,"ok"`, 101+id))
		c = back
	}
	if attached, waiting := s.channels.SessionCounts(); attached != 1 || waiting != 0 {
		t.Errorf("%d sessions are attached, and %d wait", attached, waiting)
	}
	if state, ok := s.channels.SessionState(c.id); !ok || !state.IsAttached || state.Client != "test/1" {
		t.Errorf("it is shown as %+v", state)
	}
	c.say(`{"id":200,"end":{}}`)
	c.hear(`{"id":200,"ok"`)
	told := make(map[string]int)
	for told["session.closed"] == 0 {
		told[<-types]++
	}
	for told["channel.vacated"] == 0 {
		told[<-types]++
	}
	for _, once := range []string{"session.opened", "member.joined", "member.left", "session.closed", "channel.occupied", "channel.vacated"} {
		if told[once] != 1 {
			t.Errorf("%s was told %d times", once, told[once])
		}
	}
	text := exposition(t, s.metrics.sessions.resumes)
	resumed, tookOver := 0, 0
	for _, line := range strings.Split(text, "\n") {
		_, _ = fmt.Sscanf(line, `godwit_session_resumes_total{outcome="resumed"} %d`, &resumed)
		_, _ = fmt.Sscanf(line, `godwit_session_resumes_total{outcome="taken-over"} %d`, &tookOver)
	}
	if resumed+tookOver != 3 {
		t.Errorf("resumes are counted so:\n%s", text)
	}
	if _, waiting := s.channels.SessionCounts(); waiting != 0 {
		t.Errorf("%d sessions wait", waiting)
	}
}

// A client that wants to go on with a session that is not here begins a new one.
func TestUnknownSessionsAreCounted(t *testing.T) {
	s := start(t, Config{Demo: new(false)})
	if c := connectSession(t, s, "none.secret"); c.id == "none" {
		t.Error("it was resumed")
	}
	if text := exposition(t, s.metrics.sessions.resumes); !strings.Contains(text, `outcome="unknown"} 1`) {
		t.Error(text)
	}
}

// A session that its client does not come back to ends, and what became of it is
// explained: when the connection was lost, and until when the session waited.
func TestSessionsThatWaitAreExplained(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a session to time out")
	}
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Demo: new(false), Driver: driver, Sessions: Sessions{Timeout: time.Second}})
		c := connectSession(t, s, "")
		c.say(`{"id":2,"subscribe":{"channel":"a"}}`)
		c.hear(`{"id":2,"ok"`)
		c.conn.CloseNow()
		for s.hub.FindSession(c.id) != nil {
			<-time.After(10 * time.Millisecond)
		}
		position, _, err := s.hub.Publish(t.Context(), hub.Message{Channel: "a", Data: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := s.flight.Explain(t.Context(), s.hub, flight.Question{Session: c.id, Channel: "a", Position: position})
		if err != nil {
			t.Fatal(err)
		}
		expectText(t, "explained", answer.Text, "its connection was lost at ")
		expectText(t, "explained", answer.Text, "and the session waited to be resumed until ")
	})
}
