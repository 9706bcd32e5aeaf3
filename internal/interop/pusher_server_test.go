package interop

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// TestPusherServerLibrary: the calls of a back end, and what it is told.
func TestPusherServerLibrary(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	node := startNodeStage(t)
	host := serveProtocols(t, appsConfig(app.URL)+openConfig+"hooks: {allow_private: true}\n")
	back := openPusherAPI(t, node, host)
	a := openPusher(t, node, "ann", "pusher-js", pusherOptions(t, host, app, "user=ann"))
	a.subscribes(t, "presence-room")
	a.subscribes(t, "news")

	for _, c := range []struct {
		method, want string
		args         []any
	}{
		{"trigger", `{}`, []any{"news", "e", "text"}},
		{"trigger", `{"channels":{"news":{"subscription_count":1},"presence-room":{"subscription_count":1,"user_count":1}}}`, []any{[]string{"news", "presence-room"}, "e", "text", map[string]any{"info": "subscription_count,user_count"}}},
		{"triggerBatch", `{}`, []any{[]map[string]any{{"channel": "news", "name": "e", "data": "1"}, {"channel": "other", "name": "e", "data": "2"}}}},
		{"triggerBatch", `{"batch":[{"subscription_count":1},{}]}`, []any{[]map[string]any{{"channel": "news", "name": "e", "data": "1", "info": "subscription_count"}, {"channel": "other", "name": "e", "data": "2"}}}},
		{"get", `{"channels":{"news":{},"presence-room":{}}}`, []any{map[string]any{"path": "/channels"}}},
		{"get", `{"channels":{"presence-room":{"user_count":1}}}`, []any{map[string]any{"path": "/channels", "params": map[string]any{"filter_by_prefix": "presence-", "info": "user_count"}}}},
		{"get", `{"occupied":true,"subscription_count":1}`, []any{map[string]any{"path": "/channels/news", "params": map[string]any{"info": "subscription_count"}}}},
		{"get", `{"occupied":false}`, []any{map[string]any{"path": "/channels/nobody"}}},
		{"get", `{"users":[{"id":"ann"}]}`, []any{map[string]any{"path": "/channels/presence-room/users"}}},
	} {
		if got := back.calls(t, c.method, c.args...); !json.Valid([]byte(got)) || !sameJSON(t, got, c.want) {
			t.Errorf("%s %v is answered %s, want %s", c.method, c.args, got, c.want)
		}
	}
	for _, c := range []struct {
		want, method string
		args         []any
	}{
		{"413", "trigger", []any{"news", "e", strings.Repeat("x", 10_241)}},
		{"400", "get", []any{map[string]any{"path": "/channels/news/users"}}},
		{"400", "get", []any{map[string]any{"path": "/channels", "params": map[string]any{"info": "user_count"}}}},
		{"404", "get", []any{map[string]any{"path": "/nothing"}}},
	} {
		if got := back.calls(t, c.method, c.args...); !strings.HasPrefix(got, c.want+" ") {
			t.Errorf("%s %.100v is answered %.300s, want %s", c.method, c.args, got, c.want)
		}
	}
	name, port := splitHost(t, host)
	stranger := node.open(t, "stranger", "pusherapi", "pusher", "options", map[string]any{"appId": appID, "key": appKey, "secret": "another secret", "host": name, "port": port, "useTLS": false})
	if got := stranger.calls(t, "trigger", "news", "e", "text"); !strings.HasPrefix(got, "401 ") {
		t.Errorf("a wrong signature is answered %s", got)
	}

	// What the server tells the application is signed so that the library takes it.
	seen := map[string]bool{}
	for !seen["channel_occupied news"] || !seen["member_added ann"] {
		hook, ok := app.hooks.next()
		if !ok {
			t.Fatalf("the application was told of %v", seen)
		}
		headers := map[string]string{}
		for k := range hook.header {
			headers[strings.ToLower(k)] = hook.header.Get(k)
		}
		for wrong, body := range map[bool][]byte{false: hook.body, true: append([]byte(" "), hook.body...)} {
			back.do(t, "webhook", "tag", "webhook", "headers", headers, "body", base64.StdEncoding.EncodeToString(body))
			var said struct {
				Valid  bool
				Events []map[string]string
			}
			if err := json.Unmarshal(back.untilEvent(t, "result").Data, &said); err != nil || said.Valid == wrong {
				t.Errorf("the library says %v of %s with %v", said, body, headers)
			}
			for _, e := range said.Events {
				subject := e["channel"]
				if e["user_id"] != "" {
					subject = e["user_id"]
				}
				seen[e["name"]+" "+subject] = true
			}
		}
	}
}

// TestPusherUsers: a client that signs in is a user, to whom messages and ends can be sent, and
// whose coming others watch.
func TestPusherUsers(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	app := newApplication(t)
	host := serveProtocols(t, appsConfig("")+openConfig, origin)
	back := openPusherAPI(t, all[0], host)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			open := func(conn, query string) *actor {
				return openPusher(t, s, s.name+" "+conn, "pusher-js", pusherOptions(t, host, app, query))
			}
			// Bad first: it is told, and is nobody.
			wrong := open("wrong", "user=mallory&wrong=1")
			wrong.do(t, "signin")
			wrong.until(t, "a refusal", func(e seen) bool { return e.Event == "failed" })
			wrong.do(t, "close")

			ann := open("ann", "user=ann")
			ann.do(t, "signin")
			ann.untilEvent(t, "signed in")
			ann.event(t, "@watchlist", "offline")
			bob := open("bob", "user=bob")
			bob.do(t, "signin")
			bob.untilEvent(t, "signed in")
			if data := ann.event(t, "@watchlist", "online"); !strings.Contains(data, "bob") {
				t.Errorf("online is %s", data)
			}
			if said := back.calls(t, "sendToUser", "ann", "for-you", map[string]any{"n": 1}); said != "{}" {
				t.Errorf("the back end is answered %s", said)
			}
			if data := ann.event(t, "@user", "for-you"); !sameJSON(t, data, `{"n":1}`) {
				t.Errorf("ann heard %s", data)
			}
			if said := back.calls(t, "terminateUserConnections", "bob"); said != "{}" {
				t.Errorf("the back end is answered %s", said)
			}
			bob.until(t, "the end", func(e seen) bool {
				if e.Name == "for-you" {
					t.Errorf("bob heard %v", e)
				}
				return e.Event == "state" && e.Text == "disconnected"
			})
			ann.event(t, "@watchlist", "offline")
			ann.do(t, "close")
		})
	}
}

// TestPusherCredentials: the protocol's own refusals, each once.
func TestPusherCredentials(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	app := newApplication(t)
	host := serveProtocols(t, appsConfig("")+openConfig, origin)
	for _, s := range all {
		for _, library := range pusherReleases {
			t.Run(s.name+" "+library, func(t *testing.T) {
				name := s.name + library
				// A signature that is wrong: the message says what was signed, and the
				// connection stays.
				a := openPusher(t, s, name, library, pusherOptions(t, host, app, "user=ann&wrong=1"))
				for _, channel := range []string{"private-x", "presence-x"} {
					a.do(t, "subscribe", "channel", channel)
					failed := a.untilEvent(t, "failed")
					if !strings.Contains(string(failed.Data), channel) {
						t.Errorf("it is told %s, which does not say what was signed", failed.Data)
					}
				}
				a.subscribes(t, "public")
				a.do(t, "close")

				// An app that nobody knows: for good.
				b := s.open(t, name+" stranger", "pusher", library, "key", "unknown-key", "options", pusherOptions(t, host, app, ""))
				failed := b.untilEvent(t, "failed")
				if !strings.Contains(string(failed.Data), "4001") {
					t.Errorf("it is told %s, want code 4001", failed.Data)
				}
				b.do(t, "idle", "for", 1500) // it would come back after a second
				b.until(t, "nothing until it is idle", func(e seen) bool {
					if e.Event == "open" || e.Event == "state" && (e.Text == "connecting" || e.Text == "connected") {
						t.Errorf("it comes back: %v", e)
					}
					return e.Event == "idle"
				})
			})
		}
	}
}

// TestPusherRestart: after kill -9 every client is back by itself, with its channels.
func TestPusherRestart(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	app := newApplication(t)
	config := appsConfig("") + openConfig
	host, process := launchProtocols(t, config, "127.0.0.1:0", origin)
	back := openPusherAPI(t, all[0], host)
	var clients []*actor
	for _, s := range all {
		for _, library := range pusherReleases {
			a := openPusher(t, s, s.name+library, library, pusherOptions(t, host, app, fmt.Sprint("user=u", len(clients))))
			a.subscribes(t, "news")
			a.subscribes(t, "private-news")
			a.subscribes(t, "presence-room")
			clients = append(clients, a)
		}
	}
	restart(t, process, host, config, origin)
	for _, a := range clients {
		a.untilEvent(t, "open")
		back := map[string]bool{}
		for len(back) < 3 {
			back[a.until(t, "its channels", func(e seen) bool { return e.Name == "pusher:subscription_succeeded" }).Channel] = true
		}
	}
	back.calls(t, "trigger", []string{"news", "private-news", "presence-room"}, "after", "restart")
	for _, a := range clients {
		heard := map[string]bool{}
		for len(heard) < 3 {
			heard[a.until(t, "what comes then", func(e seen) bool { return e.Name == "after" }).Channel] = true
		}
	}
	// Joins are collected for a moment.
	for until := time.Now().Add(patience); ; {
		users := back.calls(t, "get", map[string]any{"path": "/channels/presence-room/users"})
		if sameMembers(t, users, "u0", "u1", "u2", "u3", "u4", "u5") {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("after the restart the room has %s", users)
		}
	}
}

// TestPusherWithoutWebSocket: where a page has no WebSockets, pusher-js falls back to
// transports of HTTP, which carry everything.
func TestPusherWithoutWebSocket(t *testing.T) {
	t.Parallel()
	site := packagesSite(t)
	app := newApplication(t)
	host := serveProtocols(t, appsConfig("")+openConfig, site.URL)
	page := openPageStage(t, chromiumtest.Shared(t), site.URL, site)
	for _, library := range pusherReleases {
		for _, transport := range []string{"xhr_streaming", "xhr_polling"} {
			t.Run(library+" "+transport, func(t *testing.T) {
				options := func(user string) map[string]any {
					o := pusherOptions(t, host, app, "user="+user)
					o["enabledTransports"] = []string{transport}
					return o
				}
				a := openPusher(t, page, library+transport+"a", library, options("ann"))
				b := openPusher(t, page, library+transport+"b", library, options("bob"))
				channel := "presence-" + transport + library
				a.subscribes(t, channel)
				b.subscribes(t, channel)
				a.event(t, channel, "pusher:member_added")
				a.do(t, "trigger", "channel", channel, "name", "client-said", "data", "äöü 🐦\u2028")
				if data := b.event(t, channel, "client-said"); !sameJSON(t, data, `"äöü 🐦\u2028"`) {
					t.Errorf("it heard %s", data)
				}
				b.do(t, "close")
				a.event(t, channel, "pusher:member_removed")
				a.do(t, "close")
			})
		}
	}
}

// TestLaravelEcho: Laravel's library on top, with both of its names for Pusher.
func TestLaravelEcho(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	app := newApplication(t)
	host := serveProtocols(t, appsConfig("")+openConfig, origin)
	back := openPusherAPI(t, all[0], host)
	for _, s := range all {
		for _, broadcaster := range []string{"pusher", "reverb"} {
			t.Run(s.name+" "+broadcaster, func(t *testing.T) {
				name := s.name + broadcaster
				open := func(user string) *actor {
					options := pusherOptions(t, host, app, "user="+user)
					options["broadcaster"], options["key"] = broadcaster, appKey
					if broadcaster == "pusher" {
						options["cluster"] = ""
					}
					a := s.open(t, name+user, "echo", "laravel-echo", "options", options)
					a.untilEvent(t, "open")
					return a
				}
				ann, bob := open("ann"), open("bob")
				orders, chat := "orders."+name, "chat."+name
				for _, a := range []*actor{ann, bob} {
					a.do(t, "listen", "kind", "channel", "channel", "news."+name, "names", []string{"OrderShipped", ".custom"})
					a.event(t, "news."+name, "subscribed")
					a.do(t, "listen", "kind", "private", "channel", orders, "names", []string{"OrderShipped"}, "whispers", []string{"typing"})
					a.event(t, orders, "subscribed")
				}
				ann.do(t, "listen", "kind", "join", "channel", chat)
				if here := ann.event(t, chat, "here"); !sameJSON(t, here, `[{"name":"ANN"}]`) {
					t.Errorf("here is %s", here)
				}
				bob.do(t, "listen", "kind", "join", "channel", chat)
				bob.event(t, chat, "here")
				if who := ann.event(t, chat, "joining"); !sameJSON(t, who, `{"name":"BOB"}`) {
					t.Errorf("joining is %s", who)
				}
				// As Laravel's broadcaster names and fills them.
				back.calls(t, "trigger", []string{"news." + name, "private-" + orders}, `App\Events\OrderShipped`, map[string]any{"id": 7})
				back.calls(t, "trigger", "news."+name, "custom", map[string]any{"id": 8})
				for _, channel := range []string{"news." + name, orders} {
					if data := ann.event(t, channel, "OrderShipped"); !sameJSON(t, data, `{"id":7}`) {
						t.Errorf("the event has %s", data)
					}
				}
				bob.event(t, "news."+name, ".custom")
				ann.do(t, "whisper", "channel", orders, "name", "typing", "data", map[string]any{"who": "ann"})
				if data := bob.event(t, orders, "whisper typing"); !sameJSON(t, data, `{"who":"ann"}`) {
					t.Errorf("the whisper has %s", data)
				}
				bob.do(t, "leave", "channel", chat)
				if who := ann.event(t, chat, "leaving"); !sameJSON(t, who, `{"name":"BOB"}`) {
					t.Errorf("leaving is %s", who)
				}
				ann.do(t, "close")
				bob.do(t, "close")
			})
		}
	}
}

// TestLaravelEchoSocketIO: the broadcaster that laravel-echo has for Socket.IO.
func TestLaravelEchoSocketIO(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	host := serveProtocols(t, "\nsocketio: {laravel_echo: true}\n", origin)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			channel := "orders." + s.name
			a := s.open(t, s.name, "echo", "laravel-echo", "options", map[string]any{"broadcaster": "socket.io", "host": "http://" + host})
			a.untilEvent(t, "open")
			a.do(t, "listen", "kind", "channel", "channel", channel, "names", []string{"OrderShipped"})
			until := time.Now().Add(patience)
			for { // the library is not told when it has subscribed
				presence := body(t, get(t, http.DefaultClient, "http://"+host+"/presence/"+channel), http.StatusOK)
				if strings.Contains(presence, `"count":1`) {
					break
				}
				if time.Now().After(until) {
					t.Fatalf("it does not subscribe: %s", presence)
				}
			}
			body(t, post(t, host, channel+`?event=App%5CEvents%5COrderShipped`, "application/json", `{"id":7}`), http.StatusCreated)
			if data := a.event(t, channel, "OrderShipped"); !sameJSON(t, data, `{"id":7}`) {
				t.Errorf("the event has %s", data)
			}
			a.do(t, "close")
		})
	}
}
