package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/chromiumtest"
	"github.com/godwit-io/godwit/ws"
)

// piesocketScene is a server with TLS, which piesocket-js cannot do without, and a page
// of Chromium.
type piesocketScene struct {
	host, origin string
	config       string
	process      *os.Process
	client       *http.Client
	dial         *ws.DialOptions
	page         *stage
	app          *application
}

func newPiesocketScene(t *testing.T) *piesocketScene {
	t.Helper()
	site := packagesSite(t)
	x := &piesocketScene{origin: site.URL, app: newApplication(t)}
	authority := &proxy{}
	cert, key := authority.certify(t)
	dir := t.TempDir()
	x.config = appsConfig("") + openConfig + socketioConfig + fmt.Sprintf("\ntls: {cert: %q, key: %q}\n", write(t, dir, "cert.pem", cert), write(t, dir, "key.pem", key))
	x.host, x.process = launchProtocols(t, x.config, "127.0.0.1:0", site.URL)
	x.client = authority.client(t, false)
	x.dial = &ws.DialOptions{TLSConfig: authority.tls, Header: http.Header{"Authorization": {"Bearer " + serverKey}}}
	x.page = openPageStage(t, chromiumtest.Shared(t), site.URL, site)
	return x
}

// options are those with which a page of PieSocket's becomes one of ours.
func (x *piesocketScene) options(more map[string]any) map[string]any {
	o := map[string]any{"clusterDomain": x.host, "apiKey": appKey, "authEndpoint": x.app.URL + "/piesocket/auth?user=ann"}
	for k, v := range more {
		o[k] = v
	}
	return o
}

// subscribe makes a client and subscribes it to a channel.
func (x *piesocketScene) subscribe(t *testing.T, conn, channel string, more map[string]any) *actor {
	t.Helper()
	a := x.page.open(t, conn, "piesocket", "piesocket-js", "options", x.options(more))
	a.do(t, "subscribe", "channel", channel)
	a.wants(t, "open")
	return a
}

// TestPieSocketNumbers: 10,000 messages both ways.
func TestPieSocketNumbers(t *testing.T) {
	t.Parallel()
	x := newPiesocketScene(t)
	a := x.subscribe(t, "pie", "numbers", map[string]any{"notifySelf": 1})
	conn, _, err := ws.Dial(background, "wss://"+x.host+"/channels/numbers?self=0", x.dial)
	if err != nil {
		t.Fatal(err)
	}
	numbersWith(t, newNear(t, conn), a, true, func(prefix string) {
		a.do(t, "numbers", "channel", "numbers", "name", "number", "prefix", prefix, "count", numbersCount)
	}, func(e seen) (text string) {
		switch e.Event {
		case "message": // of its kind, with its own as a frame beside it
			_ = json.Unmarshal(e.Data, &text)
		case "frame": // of the WebSocket, which knows no frames
			if _ = json.Unmarshal(e.Data, &text); strings.HasPrefix(text, "{") {
				text = ignored
			}
		}
		return text
	}, func(text string) string { // a frame is kept whole
		var frame struct{ Event, Data string }
		if json.Unmarshal([]byte(text), &frame) != nil || frame.Event != "number" {
			return text
		}
		return frame.Data
	})
}

// TestPieSocket: frames with events, messages of any text, and who is there. Who that is
// the application says, with tokens.
func TestPieSocket(t *testing.T) {
	t.Parallel()
	x := newPiesocketScene(t)
	ann := x.subscribe(t, "ann", "presence-room", map[string]any{"presence": 1, "forceAuth": true})
	list := ann.until(t, "a list", func(e seen) bool { return e.Name == "system:member_list" })
	if users := memberUsers(t, list.Data); users != "ann" {
		t.Errorf("the list has %s", users)
	}
	bob := x.subscribe(t, "bob", "presence-room", map[string]any{"presence": 1, "forceAuth": true, "authEndpoint": x.app.URL + "/piesocket/auth?user=bob", "notifySelf": 1})
	bobsList := bob.until(t, "a list", func(e seen) bool { return e.Name == "system:member_list" })
	if users := memberUsers(t, bobsList.Data); users != "ann bob" {
		t.Errorf("the list of the second has %s", users)
	}
	joined := ann.until(t, "bob", func(e seen) bool { return e.Name == "system:member_joined" })
	if users := memberUsers(t, joined.Data); users != "ann bob" {
		t.Errorf("when bob joins the list has %s", users)
	}

	ann.do(t, "publish", "channel", "presence-room", "name", "said", "data", map[string]any{"a": []int{1}}, "meta", map[string]any{"m": 1})
	said := bob.until(t, "said", func(e seen) bool { return e.Name == "said" })
	if !sameJSON(t, string(said.Data), `{"a":[1]}`) || !sameJSON(t, string(said.Meta), `{"m":1}`) {
		t.Errorf("bob heard %v", said)
	}
	bob.do(t, "publish", "channel", "presence-room", "name", "answered", "data", "to itself")
	for _, a := range []*actor{bob, ann} { // bob wants to hear itself, and ann does not
		a.until(t, "answered", func(e seen) bool {
			if a == ann && e.Name == "said" {
				t.Errorf("ann hears itself")
			}
			return e.Name == "answered"
		})
	}
	for _, text := range []string{"any text äöü 🐦", `{"no":"event"}`, `{"event": "ev",  "data": 1.0}`} {
		ann.do(t, "send", "channel", "presence-room", "data", text)
		bob.until(t, text, func(e seen) bool {
			var got string
			return e.Event == "frame" && json.Unmarshal(e.Data, &got) == nil && got == text
		})
	}

	// Of a back end, by the call of PieSocket and by that of a channel.
	response := request(t, x.client, http.MethodPost, "https://"+x.host+"/api/publish",
		fmt.Sprintf(`{"key":%q,"secret":%q,"channelId":"presence-room","message":{"event":"api","data":{"n":1}}}`, appKey, appSecret), "Content-Type", "application/json")
	body(t, response, http.StatusOK)
	api := ann.until(t, "api", func(e seen) bool { return e.Name == "api" })
	if !sameJSON(t, string(api.Data), `{"n":1}`) {
		t.Errorf("ann heard %v", api)
	}
	response = request(t, x.client, http.MethodPost, "https://"+x.host+"/api/publish",
		fmt.Sprintf(`{"key":%q,"secret":"another secret","channelId":"presence-room","message":"no"}`, appKey), "Content-Type", "application/json")
	body(t, response, http.StatusUnauthorized)
	response = request(t, x.client, http.MethodPost, "https://"+x.host+"/channels/presence-room?event=news", `{"n":2}`,
		"Content-Type", "application/json", "Authorization", "Bearer "+serverKey)
	body(t, response, http.StatusCreated)
	news := ann.until(t, "news", func(e seen) bool { return e.Name == "news" })
	if !sameJSON(t, string(news.Data), `{"n":2}`) {
		t.Errorf("ann heard %v", news)
	}

	bob.do(t, "unsubscribe", "channel", "presence-room")
	left := ann.until(t, "bob leaving", func(e seen) bool { return e.Name == "system:member_left" })
	if users := memberUsers(t, left.Data); users != "ann" {
		t.Errorf("when bob leaves the list has %s", users)
	}
}

// memberUsers are the users in the data of an event of presence.
func memberUsers(t *testing.T, data json.RawMessage) string {
	t.Helper()
	var d struct{ Members []struct{ User string } }
	if err := json.Unmarshal(data, &d); err != nil {
		t.Errorf("%s: %v", data, err)
	}
	users := make([]string, len(d.Members))
	for i, m := range d.Members {
		users[i] = m.User
	}
	return strings.Join(users, " ")
}

// TestPieSocketCredentials: a private channel needs a token, which the client fetches
// itself; a client that has none is told so once.
func TestPieSocketCredentials(t *testing.T) {
	t.Parallel()
	x := newPiesocketScene(t)
	a := x.subscribe(t, "ann", "private-room", nil)
	b := x.subscribe(t, "other", "private-room", nil)
	a.do(t, "publish", "channel", "private-room", "name", "said", "data", "x")
	b.until(t, "said", func(e seen) bool { return e.Name == "said" })
	for what, options := range map[string]map[string]any{
		"a wrong token":  {"authEndpoint": x.app.URL + "/piesocket/auth?user=ann&wrong=1"},
		"a token of a":   {"jwt": signedJWT(appSecret, `{"sub":"private-other","exp":4102444800}`)},
		"an expired one": {"jwt": signedJWT(appSecret, `{"sub":"private-room","exp":1000000000}`)},
		"an unknown key": {"apiKey": "unknown-key"},
	} {
		c := x.page.open(t, what, "piesocket", "piesocket-js", "options", x.options(options))
		c.do(t, "subscribe", "channel", "private-room")
		told := c.until(t, "an error", func(e seen) bool {
			return e.Event == "refused" || e.Event == "frame" && strings.Contains(string(e.Data), "error")
		})
		if told.Event == "refused" {
			t.Errorf("with %s it cannot connect, and is not told why: %v", what, told)
		}
		c.untilEvent(t, "closed")
		c.do(t, "idle", "for", 1000) // it would come back at once
		c.until(t, "nothing until it is idle", func(e seen) bool {
			if e.Event == "closed" || e.Event == "frame" {
				t.Errorf("with %s it comes back: %v", what, e)
			}
			return e.Event == "idle"
		})
	}
}

// TestPieSocketRestart: after kill -9 the client is back by itself.
func TestPieSocketRestart(t *testing.T) {
	t.Parallel()
	x := newPiesocketScene(t)
	a := x.subscribe(t, "ann", "restart", nil)
	restart(t, x.process, x.host, x.config, x.origin)
	a.untilEvent(t, "closed")
	ask := func(method, path, data string) string {
		t.Helper()
		response := request(t, x.client, method, "https://"+x.host+path, data, "Content-Type", "text/plain", "Authorization", "Bearer "+serverKey)
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	for until := time.Now().Add(patience); !strings.Contains(ask(http.MethodGet, "/presence/restart", ""), `"count":1`); {
		if time.Now().After(until) {
			t.Fatal("it does not come back")
		}
	}
	ask(http.MethodPost, "/channels/restart?event=news", "after")
	if news := a.until(t, "news", func(e seen) bool { return e.Name == "news" }); !sameJSON(t, string(news.Data), `"after"`) {
		t.Errorf("it heard %v", news)
	}
}
