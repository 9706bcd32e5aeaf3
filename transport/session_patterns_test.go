package transport

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
)

// patternClient is a client that keeps what the protocol says of a pattern.
type patternClient struct {
	t       *testing.T
	vector  string
	newest  map[string]hub.Position
	got     []string // by channel and payload, without what has come before
	resumed bool
	session string
}

// take takes an object, and reports whether it is the reply to command 2.
func (c *patternClient) take(object string) (isReply bool) {
	c.t.Helper()
	var o struct {
		ID uint64
		OK *struct {
			Vector, Session, Secret string
			Resumed                 bool
		}
		Error         json.RawMessage
		Gap           json.RawMessage
		Vector        *struct{ Channel, Vector string }
		Channel, Data string
		Position      string
	}
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		c.t.Fatalf("%v in %s", err, object)
	}
	switch {
	case o.Error != nil, o.Gap != nil:
		c.t.Errorf("heard %s", object)
	case o.OK != nil && o.OK.Session != "":
		c.resumed, c.session = o.OK.Resumed, o.OK.Session+"."+o.OK.Secret
	case o.OK != nil && o.OK.Vector != "":
		c.vector = o.OK.Vector
		return true
	case o.Vector != nil && o.Vector.Channel == "room/**":
		c.vector = o.Vector.Vector
	case o.Channel != "":
		position, err := hub.ParsePosition(o.Position)
		if err != nil {
			c.t.Fatal(err)
		}
		if newest := c.newest[o.Channel]; newest.Epoch == position.Epoch && newest.Offset >= position.Offset {
			return false // it came before
		}
		c.newest[o.Channel] = position
		c.got = append(c.got, o.Channel+"="+o.Data)
	}
	return false
}

// commands begin a visit.
func (c *patternClient) commands() string {
	connect, since := `{}`, ""
	if id, secret, ok := strings.Cut(c.session, "."); ok {
		connect = fmt.Sprintf(`{"resume":{"session":%q,"secret":%q}}`, id, secret)
	}
	if c.vector != "" {
		since = `,"since":"` + c.vector + `"`
	}
	return `{"id":1,"connect":` + connect + "}\n" + `{"id":2,"subscribe":{"channel":"room/**"` + since + "}}\n"
}

// patternStay has the client come and stay until it has got so much. begun is called when
// the subscription has begun.
type patternStay func(c *patternClient, v *venue, begun func(), count int)

func stayOnSocket(c *patternClient, v *venue, begun func(), count int) {
	s := openSession(c.t, v, nil)
	s.say(strings.TrimSpace(c.commands()))
	for len(c.got) < count {
		if c.take(s.hear("")) {
			begun()
		}
	}
	_ = s.conn.CloseNow()
}

func stayOnLines(c *patternClient, v *venue, begun func(), count int) {
	response := request(c.t, v, "POST", ConnectPath, c.commands(), http.Header{"Accept": {"application/x-ndjson"}})
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for len(c.got) < count && lines.Scan() {
		if c.take(lines.Text()) {
			begun()
		}
	}
}

func stayOnPolls(c *patternClient, v *venue, begun func(), count int) {
	response := request(c.t, v, "POST", ConnectPath, c.commands(), http.Header{"Accept": {"application/json"}, "Prefer": {"wait=10"}})
	for {
		var page struct {
			Poll     int
			Messages []json.RawMessage
		}
		err := json.NewDecoder(response.Body).Decode(&page)
		response.Body.Close()
		if err != nil {
			c.t.Fatalf("%s: %v", response.Status, err)
		}
		for _, m := range page.Messages {
			if c.take(string(m)) {
				begun()
			}
		}
		if len(c.got) >= count {
			return
		}
		response = request(c.t, v, "GET", fmt.Sprintf("%s?session=%s&ack=%d", ConnectPath, c.session, page.Poll), "", http.Header{"Accept": {"application/json"}, "Prefer": {"wait=10"}})
	}
}

// TestSessionsGoOnWithVectors: over each carrier a client that comes back to its session
// with a vector, and then to another node, has everything once.
func TestSessionsGoOnWithVectors(t *testing.T) {
	for name, visit := range map[string]patternStay{"WebSocket": stayOnSocket, "lines": stayOnLines, "poll": stayOnPolls} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, nil, nil)
			c := &patternClient{t: t, newest: make(map[string]hub.Position)}
			var want []string
			for run := range 2 {
				v := listen(newTransport(h, &Options{Logger: quiet()}), false) // another node knows no session of this one
				publish := func(channel, data string) {
					if _, _, err := h.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte(data)}); err != nil {
						t.Error(err)
					}
					want = append(want, channel+"="+data)
				}
				for visits := range 2 {
					data := fmt.Sprint(run, visits)
					if run+visits > 0 { // while the client is away
						publish("room/a", "away"+data)
						publish("room/new"+data, "away"+data)
					}
					if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "elsewhere", Data: []byte("x")}); err != nil {
						t.Error(err)
					}
					visit(c, v, func() {
						publish("room/a", "here"+data)
						publish("room/b/c", "here"+data)
					}, 2+4*(2*run+visits))
					if c.resumed != (visits == 1) {
						t.Errorf("visit %d of run %d: resumed is %v", visits, run, c.resumed)
					}
				}
				h.EndSessions(func(*hub.Session) bool { return true }, hub.ErrShutdown)
				v.close()
			}
			perChannel := func(list []string) map[string]string {
				m := make(map[string]string)
				for _, one := range list {
					channel, data, _ := strings.Cut(one, "=")
					m[channel] += data + " "
				}
				return m
			}
			if got, want := perChannel(c.got), perChannel(want); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

// TestVectorsOfAServerThatIsGone: where histories did not outlive the server, a client is
// told of a gap in each channel that it knew, and goes on.
func TestVectorsOfAServerThatIsGone(t *testing.T) {
	vector := ""
	for run := range 2 {
		s := newSite(t, siteOptions{})
		v := &venue{transport: s.transport, url: s.server.URL, client: s.client}
		a := openSession(t, v, nil)
		a.connect("")
		if run == 0 {
			a.say(`{"id":2,"subscribe":{"channel":"room/**"}}`)
			a.hear(`{"id":2,"ok":{"vector":"`)
			s.publish("room/a", hub.Text, "before")
			a.hear(`{"channel":"room/a"`)
			_, vector, _ = strings.Cut(a.hear(`{"vector"`), `"vector":"`)
			vector, _, _ = strings.Cut(vector, `"`)
		} else {
			a.say(`{"id":2,"subscribe":{"channel":"room/**","since":"` + vector + `"}}`)
			a.hear(`{"id":2,"ok":{"vector":"` + vector)
			s.publish("room/a", hub.Text, "after")
			// Other channels may have gone with the server, and it had this one.
			a.hear(`{"gap":{"channel":"room/**","from":null,"to":null,"reason":"lost"}}`)
			if got := a.hear(`{"gap"`); !strings.Contains(got, `"channel":"room/a","from":"`) || !strings.Contains(got, `"reason":"lost"`) {
				t.Errorf("heard %s", got)
			}
			a.hear(`{"channel":"room/a"`)
		}
		if err := a.conn.Close(ws.StatusNormal, ""); err != nil {
			t.Error(err)
		}
	}
}
