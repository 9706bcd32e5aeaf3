package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// socketioReleases are the clients of Socket.IO. The last of them speaks Engine.IO 3,
// which has to be switched on.
var socketioReleases = []string{"socket.io-client", "socket.io-client-3", "socket.io-client-2"}

// socketioTransports are what an application may allow. The first is what it has
// if it says nothing: it begins with polls and goes on over a WebSocket.
var socketioTransports = [][]string{{"polling", "websocket"}, {"polling"}, {"websocket"}}

// isOld says whether a release has no auth, joins "/" unasked, and is told of
// a refusal with whatever the server gave as its data.
func isOld(library string) bool { return library == "socket.io-client-2" }

// stages has Node, and Chromium with a page of another origin.
func stages(t *testing.T) (all []*stage, origin string) {
	t.Helper()
	site := packagesSite(t)
	return []*stage{startNodeStage(t), openPageStage(t, chromiumtest.Shared(t), site.URL, site)}, site.URL
}

// openSocketIO connects to a namespace, and returns a client that is connected.
func openSocketIO(t *testing.T, s *stage, conn, library, host, namespace string, options map[string]any) (*actor, seen) {
	t.Helper()
	a := s.open(t, conn, "socketio", library, "url", "http://"+host, "namespace", namespace, "options", options)
	return a, a.untilEvent(t, "open")
}

// said is the text of an event of Socket.IO with one argument.
func said(e seen) string {
	var text string
	if e.Event == "message" && len(e.Args) == 1 && json.Unmarshal(e.Args[0], &text) == nil {
		return text
	}
	return ""
}

// hears takes what a client of Socket.IO saw up to an event of this name, and
// compares its arguments.
func (a *actor) hears(t *testing.T, name, args string) {
	t.Helper()
	e := a.until(t, name, func(e seen) bool { return e.Event == "message" && e.Name == name })
	parts := make([]string, len(e.Args))
	for i, arg := range e.Args {
		parts[i] = string(arg)
	}
	if got := "[" + strings.Join(parts, ",") + "]"; !sameJSON(t, got, args) {
		t.Errorf("%s heard %q with %s, want %s", a.conn, name, got, args)
	}
}

// eachSocketIO runs a test with every release in Node and in Chromium, all of them
// at one server.
func eachSocketIO(t *testing.T, config string, run func(t *testing.T, host string, s *stage, library, name string)) {
	all, origin := stages(t)
	host := serveProtocols(t, config, origin)
	for _, s := range all {
		for _, library := range socketioReleases {
			t.Run(s.name+" "+library, func(t *testing.T) {
				t.Parallel()
				run(t, host, s, library, s.name+"-"+library)
			})
		}
	}
}

// TestSocketIONumbers: 10,000 messages both ways, of every release, in Node and in
// Chromium, over every transport and from one to the other.
func TestSocketIONumbers(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	host := serveProtocols(t, socketioConfig, origin)
	count := 0
	for _, s := range all {
		for _, library := range socketioReleases {
			for _, transports := range socketioTransports {
				count++
				// Short names: a release that knows no maxPayload sends all it has in
				// one request.
				conn := fmt.Sprint("c", count)
				t.Run(s.name+" "+library+" "+strings.Join(transports, " then "), func(t *testing.T) {
					t.Parallel()
					channel := "n/" + conn
					a := s.open(t, conn, "socketio", library, "url", "http://"+host, "namespace", "/"+channel, "options", map[string]any{"transports": transports})
					upgraded := false
					opened := a.until(t, "open", func(e seen) bool {
						upgraded = upgraded || e.Event == "upgraded"
						return e.Event == "open"
					})
					if opened.Transport != transports[0] {
						t.Errorf("it opened over %s, want %s", opened.Transport, transports[0])
					}
					numbers(t, host, channel, a, true, func(prefix string) {
						a.do(t, "numbers", "name", "number", "prefix", prefix, "count", numbersCount)
					}, func(e seen) string {
						upgraded = upgraded || e.Event == "upgraded"
						return said(e)
					})
					if len(transports) == 2 && !upgraded {
						a.wants(t, "upgraded")
					}
				})
			}
		}
	}
}

// TestSocketIOEvents: what an application sends comes to others and to itself as it
// was, acknowledged, and with bytes in it.
func TestSocketIOEvents(t *testing.T) {
	t.Parallel()
	eachSocketIO(t, socketioConfig, func(t *testing.T, host string, s *stage, library, name string) {
		channel := "events/" + name
		a, opened := openSocketIO(t, s, name+"-a", library, host, "/"+channel, nil)
		b, _ := openSocketIO(t, s, name+"-b", library, host, "/"+channel, map[string]any{"transports": []string{"websocket"}})
		for i, c := range []struct{ name, args string }{
			{"nothing", `[]`},
			{"text", `["äöü 🐦 \u0000\u001e\u2028"]`},
			{"numbers", `[1,-0.5,123456789012]`},
			{"two", `["a",{"b":[null,true,{"c":""}]}]`},
			{"array", `[[1,2,3]]`},
			{"null", `[null]`},
			{"bytes", `[{"$bytes":"AAECA/8="}]`},
			{"bytes within", `[{"a":{"$bytes":"AQ=="},"b":[{"$bytes":""},{"$bytes":"/w=="}],"c":"text"},{"$bytes":"Ag=="}]`},
			{"placeholders that are none", `[{"_placeholder":true,"num":0,"x":1}]`},
		} {
			var args []any
			if err := json.Unmarshal([]byte(c.args), &args); err != nil {
				t.Fatal(err)
			}
			tag := fmt.Sprint("ack", i)
			a.do(t, "emit", "name", c.name, "args", args, "tag", tag)
			ack := a.until(t, "an acknowledgement of "+c.name, func(e seen) bool { return e.Event == "ack" })
			var answer struct{ Position string }
			if ack.Tag != tag || len(ack.Args) != 1 || json.Unmarshal(ack.Args[0], &answer) != nil || answer.Position == "" {
				t.Errorf("acknowledged with %v", ack)
			}
			b.hears(t, c.name, c.args)
		}
		// Its own come back, in their order.
		a.do(t, "emit", "name", "last", "args", []string{"one"})
		a.hears(t, "last", `["one"]`)
		b.hears(t, "last", `["one"]`)

		page := body(t, get(t, http.DefaultClient, "http://"+host+"/channels/"+channel, "Accept", "application/json"), http.StatusOK)
		if !strings.Contains(page, `"event":"text"`) || !strings.Contains(page, `"$base64":"AAECA/8="`) && !strings.Contains(page, `"data_base64":"AAECA/8="`) {
			t.Errorf("the channel has %s", page)
		}

		// Presence has both, with the IDs that the applications see. In the release before
		// those are made from what nobody else may know.
		presence := body(t, get(t, http.DefaultClient, "http://"+host+"/presence/"+channel), http.StatusOK)
		if !strings.Contains(presence, `"count":2`) || strings.Contains(presence, opened.ID) == isOld(library) {
			t.Errorf("%s is in a channel whose presence is %s", opened.ID, presence)
		}

		// A name that no channel has, and one that has no say.
		for _, namespace := range []string{"/a//b", "/events/*"} {
			c := s.open(t, name+namespace, "socketio", library, "url", "http://"+host, "namespace", namespace)
			refused := c.until(t, "refused", func(e seen) bool { return e.Event == "refused" })
			if want := "Invalid namespace"; refused.Text != want && (!isOld(library) || !strings.Contains(string(refused.Data), "bad-channel-name")) {
				t.Errorf("%s is refused with %v", namespace, refused)
			}
			c.do(t, "close")
		}
		b.do(t, "close")
		a.do(t, "close")
		if e := a.untilEvent(t, "closed"); e.Text != "io client disconnect" {
			t.Errorf("closed with %v", e)
		}
	})
}

// sameJSON says whether two texts are the same values.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	for _, side := range []struct {
		text  string
		value *any
	}{{a, &x}, {b, &y}} {
		if err := json.Unmarshal([]byte(side.text), side.value); err != nil {
			t.Fatalf("%q: %v", side.text, err)
		}
	}
	return reflect.DeepEqual(x, y)
}

// TestSocketIORestart: after kill -9 every client is back by itself, and hears what
// is said from then on.
func TestSocketIORestart(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	host, process := launchProtocols(t, socketioConfig, "127.0.0.1:0", origin)
	var clients []*actor
	for _, s := range all {
		for _, library := range socketioReleases {
			for _, transports := range socketioTransports {
				a, _ := openSocketIO(t, s, fmt.Sprint(s.name, library, len(clients)), library, host, "/restart", map[string]any{"transports": transports})
				clients = append(clients, a)
			}
		}
	}
	body(t, post(t, host, "restart?event=news", "text/plain", "before"), http.StatusCreated)
	for _, a := range clients {
		a.hears(t, "news", `["before"]`)
	}
	restart(t, process, host, socketioConfig, origin)
	for _, a := range clients {
		// Between, it says how it fails to connect, and nothing of being refused.
		a.untilEvent(t, "closed")
		a.untilEvent(t, "open")
	}
	body(t, post(t, host, "restart?event=news", "text/plain", "after"), http.StatusCreated)
	for _, a := range clients {
		a.hears(t, "news", `["after"]`)
	}
}

// TestSocketIOCredentials: a client that may not is told so by the protocol's own refusal, once,
// and does not try again; the token of the server is what an application hands to the
// library.
func TestSocketIOCredentials(t *testing.T) {
	t.Parallel()
	token := signedJWT(tokensSecret, `{"sub":"ann","exp":4102444800,"godwit":{"subscribe":["secret"],"publish":["secret"]}}`)
	eachSocketIO(t, socketioConfig+tokensConfig, func(t *testing.T, host string, s *stage, library, name string) {
		credentials := func(token string) map[string]any {
			if isOld(library) {
				return map[string]any{"query": map[string]any{"token": token}}
			}
			return map[string]any{"auth": map[string]any{"token": token}}
		}
		for what, options := range map[string]map[string]any{"none": nil, "wrong": credentials(token + "x")} {
			a := s.open(t, name+what, "socketio", library, "url", "http://"+host, "namespace", "/secret", "options", options)
			refusals := 1
			if isOld(library) { // for "/" and for the namespace
				refusals = 2
			}
			for range refusals {
				refused := a.until(t, "refused", func(e seen) bool { return e.Event == "refused" })
				if !strings.Contains(string(refused.Data), `"type"`) {
					t.Errorf("with %s it is refused without a problem: %v", what, refused)
				}
			}
			a.do(t, "idle", "for", 1500) // it would wait for 100 to 500 ms
			a.until(t, "nothing until it is idle", func(e seen) bool {
				if e.Event == "open" || e.Event == "refused" {
					t.Errorf("with %s it tries again: %v", what, e)
				}
				return e.Event == "idle"
			})
		}
		a, _ := openSocketIO(t, s, name, library, host, "/secret", credentials(token))
		a.do(t, "emit", "name", "hello", "args", []string{name})
		a.until(t, "its own hello", func(e seen) bool { return e.Event == "message" && said(e) == name })
		a.do(t, "close")
	})
}

// TestSocketIORecovery: with recovery on, a client whose connection is cut comes back as
// who it was, and gets what was said meanwhile, once and in order.
func TestSocketIORecovery(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	host := serveProtocols(t, "\nsocketio: {recovery: true}\n", origin)
	for _, s := range all {
		for _, transports := range socketioTransports {
			t.Run(s.name+" "+strings.Join(transports, " then "), func(t *testing.T) {
				channel := "recovery/" + s.name + transports[0] + transports[len(transports)-1]
				b := newBreaker(t, host)
				a := s.open(t, channel, "socketio", "socket.io-client", "url", "http://"+b.Addr().String(), "namespace", "/"+channel, "options", map[string]any{"transports": transports})
				upgraded := len(transports) < 2
				var opened seen
				for opened.Event == "" || !upgraded {
					e := a.until(t, "open", func(e seen) bool { return e.Event == "open" || e.Event == "upgraded" })
					if e.Event == "open" {
						opened = e
					}
					upgraded = upgraded || e.Event == "upgraded"
				}
				say := func(text string) {
					t.Helper()
					body(t, post(t, host, channel+"?event=news", "text/plain", text), http.StatusCreated)
				}
				// With recovery each event has its offset as one more argument.
				news := func() (text string) {
					e := a.until(t, "news", func(e seen) bool { return e.Event == "message" })
					if len(e.Args) != 2 || json.Unmarshal(e.Args[0], &text) != nil {
						t.Errorf("it heard %v", e)
					}
					return text
				}
				say("one")
				if got := news(); got != "one" {
					t.Errorf("it heard %s", got)
				}
				b.cut("")
				a.untilEvent(t, "closed")
				say("two")
				say("three")
				b.turn(host)
				// What was missed may come before it is open again.
				var got []string
				again := a.until(t, "open", func(e seen) bool {
					var text string
					if e.Event == "message" && json.Unmarshal(e.Args[0], &text) == nil {
						got = append(got, text)
					}
					return e.Event == "open"
				})
				say("four")
				for len(got) < 3 {
					got = append(got, news())
				}
				if !again.Recovered || again.ID != opened.ID || strings.Join(got, " ") != "two three four" {
					t.Errorf("it is back as %s (recovered: %t), was %s, and heard %q", again.ID, again.Recovered, opened.ID, got)
				}
				a.do(t, "close")
			})
		}
	}
}
