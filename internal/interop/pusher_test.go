package interop

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// pusherReleases are the clients of Pusher.
var pusherReleases = []string{"pusher-js", "pusher-js-7", "pusher-js-4"}

// pusherOptions are those with which a page of Pusher's becomes one of ours: where
// the server is, and who vouches for the user.
func pusherOptions(t *testing.T, host string, app *application, query string) map[string]any {
	t.Helper()
	name, port := splitHost(t, host)
	return map[string]any{
		"wsHost": name, "wsPort": port, "httpHost": name, "httpPort": port,
		"authEndpoint":       app.URL + "/pusher/auth?" + query,
		"userAuthentication": map[string]any{"endpoint": app.URL + "/pusher/user-auth?" + query},
	}
}

// openPusher connects, and returns a client that is connected.
func openPusher(t *testing.T, s *stage, conn, library string, options map[string]any) *actor {
	t.Helper()
	a := s.open(t, conn, "pusher", library, "key", appKey, "options", options)
	a.untilEvent(t, "open")
	return a
}

// event takes what a client of Pusher saw up to an event of a channel, and returns
// its data.
func (a *actor) event(t *testing.T, channel, name string) string {
	t.Helper()
	return string(a.until(t, name+" in "+channel, func(e seen) bool {
		return e.Event == "message" && e.Channel == channel && e.Name == name
	}).Data)
}

// subscribes subscribes, and waits until it has.
func (a *actor) subscribes(t *testing.T, channel string) string {
	t.Helper()
	a.do(t, "subscribe", "channel", channel)
	return a.event(t, channel, "pusher:subscription_succeeded")
}

// openPusherAPI is the server library of Pusher.
func openPusherAPI(t *testing.T, node *stage, host string) *actor {
	t.Helper()
	name, port := splitHost(t, host)
	return node.open(t, "back end "+host, "pusherapi", "pusher", "options", map[string]any{
		"appId": appID, "key": appKey, "secret": appSecret, "host": name, "port": port, "useTLS": false,
		"encryptionMasterKeyBase64": base64.StdEncoding.EncodeToString([]byte(encryptionKey)),
	})
}

// calls has the server library call a method, and returns what it says: the body of a
// response, or its status and body.
func (a *actor) calls(t *testing.T, method string, args ...any) string {
	t.Helper()
	a.do(t, "call", "tag", method, "method", method, "args", args)
	e := a.until(t, method, func(e seen) bool { return e.Tag == method })
	if e.Event == "refused" {
		return fmt.Sprintf("%d %s", e.Code, e.Text)
	}
	var text string
	if json.Unmarshal(e.Data, &text) == nil {
		return text
	}
	return string(e.Data)
}

// eachPusher runs a test with every release in Node and in Chromium, all of them at
// one server, with a back end.
func eachPusher(t *testing.T, run func(t *testing.T, x pusherCase)) {
	all, origin := stages(t)
	app := newApplication(t)
	host := serveProtocols(t, appsConfig("")+openConfig, origin)
	back := openPusherAPI(t, all[0], host)
	for _, s := range all {
		for _, library := range pusherReleases {
			t.Run(s.name+" "+library, func(t *testing.T) {
				run(t, pusherCase{host, s, app, back, library, s.name + "-" + library})
			})
		}
	}
}

type pusherCase struct {
	host    string
	stage   *stage
	app     *application
	back    *actor
	library string
	name    string
}

func (x pusherCase) open(t *testing.T, conn, query string) *actor {
	t.Helper()
	return openPusher(t, x.stage, x.name+" "+conn, x.library, pusherOptions(t, x.host, x.app, query))
}

// TestPusherNumbers: 10,000 messages both ways in a private channel, and 10,000 of the
// back end.
func TestPusherNumbers(t *testing.T) {
	t.Parallel()
	eachPusher(t, func(t *testing.T, x pusherCase) {
		channel := "private-numbers-" + x.name
		a := x.open(t, "n", "user=ann")
		a.subscribes(t, channel)
		text := func(e seen) (text string) {
			if e.Event == "message" && e.Channel == channel {
				_ = json.Unmarshal(e.Data, &text)
			}
			return text
		}
		numbers(t, x.host, channel, a, false, func(prefix string) {
			a.do(t, "numbers", "channel", channel, "name", "client-number", "prefix", prefix, "count", numbersCount)
		}, text, "Authorization", "Bearer "+serverKey)

		x.back.do(t, "numbers", "channel", channel, "name", "number", "prefix", "back-", "count", numbersCount)
		due := newNumbered("back")
		for done := false; !done; {
			e, ok := a.saw.next()
			if !ok {
				t.Fatalf("it heard no more, and what is due is %v", due.next)
			}
			done = due.take(t, a.conn, text(e))
		}
		a.do(t, "close")
	})
}

// TestPusherChannels: what each kind of channel is for.
func TestPusherChannels(t *testing.T) {
	t.Parallel()
	eachPusher(t, func(t *testing.T, x pusherCase) {
		a, b := x.open(t, "a", "user=ann"), x.open(t, "b", "user=bob")
		public, private, cache := "public-"+x.name, "private-"+x.name, "cache-"+x.name

		// Public: of a back end, and of anybody else in the same channel.
		a.subscribes(t, public)
		if said := x.back.calls(t, "trigger", public, "my-event", map[string]any{"message": "hello", "n": []any{1, nil}}); said != "{}" {
			t.Errorf("the back end is answered %s", said)
		}
		if data := a.event(t, public, "my-event"); !sameJSON(t, data, `{"message":"hello","n":[1,null]}`) {
			t.Errorf("the event has %s", data)
		}
		for _, c := range []struct{ typ, sent, name, data string }{
			{"text/plain", "text", "message", `"text"`},
			{"application/json", `{"a":1}`, "message", `{"a":1}`},
			{"application/octet-stream", "\x00\xff", "binary", `"AP8="`},
			{"text/plain", "named", "news", `"named"`},
		} {
			query := ""
			if c.name == "news" {
				query = "?event=news"
			}
			body(t, post(t, x.host, public+query, c.typ, c.sent), http.StatusCreated)
			if data := a.event(t, public, c.name); !sameJSON(t, data, c.data) {
				t.Errorf("%s %q has %s", c.typ, c.name, data)
			}
		}
		a.do(t, "trigger", "channel", public, "name", "client-hello", "data", "x")
		a.until(t, "a refusal", func(e seen) bool { return e.Event == "failed" })
		a.do(t, "unsubscribe", "channel", public)
		a.untilEvent(t, "unsubscribed")

		// Private: to all others, with data as it was sent.
		a.subscribes(t, private)
		b.subscribes(t, private)
		for _, data := range []string{`"text"`, `{"a":{"b":[1,2,{"c":null}]}}`, `"äöü 🐦"`} {
			a.do(t, "trigger", "channel", private, "name", "client-said", "data", json.RawMessage(data))
			if got := b.event(t, private, "client-said"); !sameJSON(t, got, data) {
				t.Errorf("%s came as %s", data, got)
			}
		}
		// A client that the back end excludes does not hear, and everybody else does.
		x.back.calls(t, "trigger", private, "excluded", "for bob", map[string]any{"socket_id": x.socketID(t, a)})
		x.back.calls(t, "trigger", private, "done", "all")
		b.event(t, private, "excluded")
		a.until(t, "done", func(e seen) bool {
			if e.Name == "excluded" || e.Name == "client-said" {
				t.Errorf("a client heard %v, which is for others", e)
			}
			return e.Name == "done"
		})

		// Cache: the newest event of the back end comes first.
		a.do(t, "subscribe", "channel", cache)
		a.event(t, cache, "pusher:cache_miss")
		x.back.calls(t, "trigger", cache, "state", map[string]any{"v": 1})
		x.back.calls(t, "trigger", cache, "state", map[string]any{"v": 2})
		a.event(t, cache, "state")
		b.do(t, "subscribe", "channel", cache)
		if data := b.event(t, cache, "state"); !sameJSON(t, data, `{"v":2}`) {
			t.Errorf("what was kept is %s", data)
		}

		// Encrypted: what the server passes on is opaque to it.
		if x.library != "pusher-js-4" { // whose build for pages cannot
			encrypted := "private-encrypted-" + x.name
			a.subscribes(t, encrypted)
			x.back.calls(t, "trigger", encrypted, "secret", map[string]any{"for": "ann"})
			if data := a.event(t, encrypted, "secret"); !sameJSON(t, data, `{"for":"ann"}`) {
				t.Errorf("the secret is %s", data)
			}
		}
		a.do(t, "close")
		b.do(t, "close")
	})
}

// socketID opens the ID that a client has, as its application sees it.
func (x pusherCase) socketID(t *testing.T, a *actor) string {
	t.Helper()
	a.do(t, "id")
	return a.untilEvent(t, "id").ID
}

// TestPusherPresence: three tabs of two users are two members, each of which comes and
// goes once.
func TestPusherPresence(t *testing.T) {
	t.Parallel()
	eachPusher(t, func(t *testing.T, x pusherCase) {
		channel := "presence-" + x.name
		ann1, ann2, bob := x.open(t, "ann1", "user=ann"), x.open(t, "ann2", "user=ann"), x.open(t, "bob", "user=bob")
		members := func(text string) string {
			var m struct {
				Count   int
				Members map[string]struct{ Name string }
				Me      struct{ ID string }
			}
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			names := []string{}
			for id, info := range m.Members {
				names = append(names, id+"="+info.Name)
			}
			slices.Sort(names)
			return fmt.Sprint(m.Count, " ", names, " ", m.Me.ID)
		}
		if got := members(ann1.subscribes(t, channel)); got != "1 [ann=ANN] ann" {
			t.Errorf("the first finds %s", got)
		}
		if got := members(bob.subscribes(t, channel)); got != "2 [ann=ANN bob=BOB] bob" {
			t.Errorf("the second finds %s", got)
		}
		if data := ann1.event(t, channel, "pusher:member_added"); !sameJSON(t, data, `{"id":"bob","info":{"name":"BOB"}}`) {
			t.Errorf("added is %s", data)
		}
		if got := members(ann2.subscribes(t, channel)); got != "2 [ann=ANN bob=BOB] ann" {
			t.Errorf("the third finds %s", got)
		}
		// An event has its user, and a second tab neither comes nor goes.
		ann2.do(t, "trigger", "channel", channel, "name", "client-hi", "data", "hi")
		bob.until(t, "client-hi", func(e seen) bool {
			if strings.HasPrefix(e.Name, "pusher:member_") {
				t.Errorf("a second tab is a member of its own: %v", e)
			}
			return e.Name == "client-hi"
		})
		users := x.back.calls(t, "get", map[string]any{"path": "/channels/" + channel + "/users"})
		if !sameMembers(t, users, "ann", "bob") {
			t.Errorf("the back end finds %s", users)
		}
		ann2.do(t, "close")
		bob.do(t, "unsubscribe", "channel", channel)
		removed := ann1.until(t, "member_removed", func(e seen) bool {
			if e.Name == "pusher:member_added" {
				t.Errorf("somebody comes: %v", e)
			}
			return e.Name == "pusher:member_removed"
		})
		if !sameJSON(t, string(removed.Data), `{"id":"bob","info":{"name":"BOB"}}`) {
			t.Errorf("removed is %v, and a tab of ann is still there", removed)
		}
		ann1.do(t, "close")
		bob.do(t, "close")
	})
}

// sameMembers says whether an answer of the HTTP API has these users.
func sameMembers(t *testing.T, text string, want ...string) bool {
	t.Helper()
	var answer struct{ Users []struct{ ID string } }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	got := []string{}
	for _, u := range answer.Users {
		got = append(got, u.ID)
	}
	slices.Sort(got)
	return slices.Equal(got, want)
}
