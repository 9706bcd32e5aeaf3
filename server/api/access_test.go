package api

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/server/identity"
)

// callers are those of the table in docs/api.md, with their grants, "" for a caller
// that has shown nothing.
var callers = []struct{ name, grants string }{
	{"nobody", ""},
	{"none", `{}`},
	{"subscribe", `{"subscribe":["**"]}`},
	{"publish", `{"publish":["a"]}`},
	{"presence", `{"presence":["a"]}`},
	{"history", `{"history":["**"]}`},
	{"other", `{"manage":["b"]}`},
	{"manage", `{"manage":["a"]}`},
	{"user", `{"publish":["@ann"]}`},
	{"all", `{"manage":["**"]}`},
	{"call", `{"call":["a"]}`},
}

// cells are what each request answers to each caller, in their order. A row of
// docs/api.md says the same in words.
var cells = []struct{ request, row, answers string }{
	{"POST publish", "`POST /publish`", "401 403 403 201 403 403 403 201 403 201 403"},
	{"POST batch", "`POST /batch`", "200 200 200 200 200 200 200 200 200 200 200"}, // each publication: see below
	{"GET channels", "`GET /channels`", "200 200 200 200 200 200 200 200 200 200 200"},
	{"DELETE channels/a/history", "`DELETE /channels/NAME/history`", "401 403 403 403 403 403 403 204 403 204 403"},
	{"GET channels/a/presence", "`GET /channels/NAME/presence`", "401 403 403 403 200 403 403 200 403 200 403"},
	{"GET sessions", "`GET /sessions`", "200 200 200 200 200 200 200 200 200 200 200"},
	{"GET sessions?channel=a", "`GET /sessions?channel=NAME`", "401 403 403 403 200 403 403 200 403 200 403"},
	{"DELETE sessions/{a}", "`DELETE /sessions/ID`", "404 404 404 404 404 404 404 204 404 204 404"},
	{"DELETE sessions/{ab}", "`DELETE /sessions/ID`", "404 404 404 404 404 404 403 403 404 204 404"},
	{"DELETE sessions/{idle}", "`DELETE /sessions/ID`", "404 404 404 404 404 404 404 404 404 204 404"},
	{"GET sessions/{a}", "`GET /sessions/ID`", "404 404 404 404 404 404 404 200 404 200 404"},
	{"POST sessions/{a}/subscriptions", "`POST /sessions/ID/subscriptions`", "401 403 403 403 403 403 403 409 403 409 403"}, // it is of one channel
	{"DELETE sessions/{a}/subscriptions/a", "`DELETE /sessions/ID/subscriptions/NAME`", "401 403 403 403 403 403 403 409 403 409 403"},
	{"POST users/ann/subscriptions", "`POST /users/USER/subscriptions`", "401 403 403 403 403 403 403 200 403 200 403"},
	{"DELETE users/ann/subscriptions/a", "`DELETE /users/USER/subscriptions/NAME`", "401 403 403 403 403 403 403 200 403 200 403"},
	{"DELETE users/ann/sessions", "`DELETE /users/USER/sessions`", "401 403 403 403 403 403 403 403 403 200 403"},
	{"POST users/ann/messages", "`POST /users/USER/messages`", "401 403 403 403 403 403 403 403 201 201 403"},
	{"POST call/a", "`POST /call/METHOD`", "401 403 403 403 403 403 403 403 403 403 404"}, // allowed, and nobody answers it
	{"POST revocations", "`POST /revocations`", "401 403 403 403 403 403 403 403 403 200 403"},
	{"GET info", "`GET /info`", "401 403 403 403 403 403 403 403 403 200 403"},
	{"GET cluster", "`GET /cluster`", "401 403 403 403 403 403 403 403 403 200 403"},
	{"GET explain?action=publish&channel=a", "`GET /explain`", "401 403 403 403 403 403 403 200 403 200 403"},
	{"GET explain?user=ann&channel=a&position=e:1", "`GET /explain`", "401 403 403 403 403 403 403 200 403 200 403"},
}

var bodies = map[string]string{
	"publish": `{"channel":"a","data":1}`, "batch": `{"publications":[{"channel":"a","data":1}]}`,
	"users/ann/messages": `{"data":1}`, "revocations": `{"user":"nobody"}`, "call/a": `{}`,
}

// Every operation answers every caller as the table says.
func TestEveryCell(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, cell := range cells {
		if !strings.Contains(string(page), "\n| "+cell.row+" |") {
			t.Errorf("docs/api.md has no row %s", cell.row)
		}
		for i, want := range strings.Fields(cell.answers) {
			caller := callers[i]
			f := newFixture(t, func(o *Options) {
				o.Revoke = func(identity.Revocation) error { return nil }
				o.IsRevoked = func(*access.Identity) bool { return false }
				o.Cluster = func() any {
					return json.RawMessage(`{"node":"","broker":{"kind":"memory","state":"up","lag_seconds":0},"nodes":[],"bus":{"sent":0,"received":0,"malformed":0,"unanswered":0}}`)
				}
				o.Flight = flight.New(flight.BytesMin)
			})
			who := caller.name
			if caller.grants == "" {
				who = ""
			} else {
				f.let(who, caller.grants)
			}
			request := cell.request
			for mark, channels := range map[string][]string{"{a}": {"a"}, "{ab}": {"a", "b"}, "{idle}": nil} {
				request = strings.Replace(request, mark, f.session(nil, channels...).ID(), 1)
			}
			method, path, _ := strings.Cut(request, " ")
			body := bodies[path]
			if strings.HasSuffix(path, "/subscriptions") {
				body = `{"channel":"a"}`
			}
			a := f.do(who, method, path, body)
			if fmt.Sprint(a.status) != want {
				t.Errorf("%s by %s: %d, want %s: %s", cell.request, caller.name, a.status, want, a.body)
			}
			if a.status == 401 && a.header.Get("WWW-Authenticate") != `Bearer realm="godwit"` {
				t.Errorf("%s by %s: no WWW-Authenticate", cell.request, caller.name)
			}
			for _, rt := range routes {
				clean, _, _ := strings.Cut(path, "?")
				if _, _, ok := rt.match(clean); ok && rt.method == method {
					tried[rt.method+rt.path] = true
				}
			}
		}
	}
	for _, rt := range routes {
		if !tried[rt.method+rt.path] {
			t.Errorf("%s %s is not in the table: who may do it?", rt.method, rt.path)
		}
	}
	if rows := strings.Count(string(page), "\n| `GET /") + strings.Count(string(page), "\n| `POST /") + strings.Count(string(page), "\n| `DELETE /"); rows != len(routes)+1 {
		t.Errorf("docs/api.md has %d rows of operations", rows)
	}
}

// What a list shows, and which publication of a batch is accepted, is decided for
// each of them.
func TestEveryCellOfLists(t *testing.T) {
	f := newFixture(t, nil)
	names := map[string]string{}
	for _, channels := range [][]string{{"a"}, {"a", "b"}, {"b"}, nil} {
		names[f.session(nil, channels...).ID()] = strings.Join(channels, "")
	}
	f.publish("held", "x")
	for _, row := range []struct{ who, grants, channels, sessions, channelsOfA, accepted string }{
		{"none", `{}`, "", "", "403", ""},
		{"publish", `{"publish":["a"]}`, "", "", "403", "a"},
		{"presence", `{"presence":["a"]}`, "", "", "a[a] ab[a]", ""},
		{"manage", `{"manage":["a"]}`, "a", "a[a] ab[a]", "a[a] ab[a]", "a"},
		{"both", `{"manage":["b"],"presence":["a"]}`, "b", "ab[b] b[b]", "a[a] ab[a b]", "b"},
		{"all", `{"manage":["**"]}`, "a b held", "[] a[a] ab[a b] b[b]", "a[a] ab[a b]", "a b"},
		{"wide", `{"manage":["*"]}`, "a b held", "a[a] ab[a b] b[b]", "a[a] ab[a b]", "a b"},
	} {
		f.let(row.who, row.grants)
		if _, got := f.channels(row.who, ""); strings.Join(got, " ") != row.channels {
			t.Errorf("%s sees the channels %q", row.who, got)
		}
		seen := func(query string) string {
			a := f.do(row.who, "GET", "sessions"+query, "")
			if a.status != 200 {
				return fmt.Sprint(a.status)
			}
			p, _ := f.sessions(row.who, query)
			var list []string
			for _, s := range p.Sessions {
				list = append(list, names[s.ID]+fmt.Sprint(s.Channels))
			}
			slices.Sort(list)
			return strings.Join(list, " ")
		}
		if got := seen(""); got != row.sessions {
			t.Errorf("%s sees the sessions %s, want %s", row.who, got, row.sessions)
		}
		if got := seen("?channel=a"); got != row.channelsOfA {
			t.Errorf("%s sees the sessions of a %s, want %s", row.who, got, row.channelsOfA)
		}
		var outcome struct {
			Results []result
			Failed  int
		}
		f.do(row.who, "POST", "batch", `{"publications":[{"channel":"a","data":1},{"channel":"b","data":1}]}`).is(200).as(&outcome)
		var accepted []string
		for i, r := range outcome.Results {
			if r.Error == nil {
				accepted = append(accepted, []string{"a", "b"}[i])
			} else if r.Error.Status != 403 {
				t.Errorf("%+v", r.Error)
			}
		}
		if strings.Join(accepted, " ") != row.accepted {
			t.Errorf("%s published to %q", row.who, accepted)
		}
		for _, name := range []string{"a", "b"} { // or else it has history, which the next one sees
			f.do("root", "DELETE", "channels/"+name+"/history", "").is(204)
		}
	}
}

// Rules of a channel hold here as everywhere.
func TestRulesOfChannels(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.Rules = func(channel string) *access.Rules {
			if channel == "lobby" {
				return &access.Rules{Source: "channels[0]", Allowed: []access.Action{access.Publish}}
			}
			return nil
		}
	})
	f.do("", "POST", "publish", `{"channel":"lobby","data":1}`).is(201)
	f.do("", "POST", "publish", `{"channel":"other","data":1}`).is(401, `this needs the grant publish on channel "other", and there is no token`)
	if a := f.do("root", "GET", "explain?action=publish&channel=lobby", ""); !strings.Contains(a.body, "publish on **") {
		t.Error(a.body)
	}
}

func TestWhoCalls(t *testing.T) {
	f := newFixture(t, nil)
	f.know("open", access.Everybody)
	f.do("open", "GET", "info", "").is(200)
	f.do("unknown", "GET", "info", "").is(401, "unauthorized: the token is not known")
	if a := f.do("late", "GET", "info", "").is(503, "undecided: the keys"); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if a := f.do("broken", "GET", "info", "").is(503, "undecided"); strings.Contains(a.body, "secret") {
		t.Error(a.body)
	}
	if !strings.Contains(f.logged(), "secret detail") {
		t.Error("the log does not say what failed")
	}
}

func TestPathsAndMethods(t *testing.T) {
	f := newFixture(t, nil)
	for _, row := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "publish", 405, "POST"},
		{"PUT", "channels", 405, "GET, HEAD"},
		{"OPTIONS", "batch", 405, "POST"},
		{"PUT", "sessions/x", 405, "GET, HEAD, DELETE"},
		{"GET", "users/ann/messages", 405, "POST"},
		{"GET", "", 404, ""},
		{"GET", "publish/", 404, ""},
		{"GET", "Channels", 404, ""},
		{"DELETE", "sessions/a/b", 404, ""},
		{"DELETE", "sessions/a%2Fb", 404, ""},
		{"POST", "../../publish", 404, ""},
	} {
		a := f.do("root", row.method, row.path, "").is(row.status)
		if a.header.Get("Allow") != row.allow || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %v", row.method, row.path, a.header)
		}
	}
	response, err := f.http.Client().Get(f.http.URL + "/other")
	if err != nil || response.StatusCode != 404 {
		t.Error(response, err)
	}
	response.Body.Close()
}
