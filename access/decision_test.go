package access_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

func grants(t testing.TB, text string) access.Grants {
	t.Helper()
	var g access.Grants
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestDecide(t *testing.T) {
	ann := &access.Identity{Kind: access.Token, User: "ann", Grants: grants(t, `{"subscribe":["chat/*","inbox/{user}"],"publish":["chat/*"]}`)}
	nobody := &access.Identity{Kind: access.Anonymous, Grants: grants(t, `{"subscribe":["public/**","inbox/{user}"]}`)}
	shop := &access.Identity{Kind: access.Key, Name: "shop", Grants: grants(t, `{"manage":["**"]}`)}
	open := &access.Rules{Source: `channels[0], match "lobby"`, Allowed: []access.Action{access.Publish}}
	caller := &access.Identity{Kind: access.Token, User: "cat", Grants: grants(t, `{"call":["math/*"],"answer":["jobs/{user}"]}`)}
	everything := &access.Rules{Source: "channels[1]", Allowed: access.Actions()}
	for _, row := range []struct {
		id      *access.Identity
		rules   *access.Rules
		action  access.Action
		channel string
		want    string
	}{
		{nil, nil, access.Manage, "a", "allowed: nothing is protected on this server: neither tokens, keys nor anonymous are configured"},
		{access.Everybody, nil, access.Publish, "@ann", "allowed: nothing is protected on this server: neither tokens, keys nor anonymous are configured"},
		{ann, nil, access.Subscribe, "inbox/ann", `allowed: the token of user "ann" has the grant subscribe on inbox/{user}`},
		{ann, nil, access.Subscribe, "inbox/bob", `denied: the token of user "ann" may subscribe on chat/*, inbox/{user}, none of which matches`},
		{ann, nil, access.History, "chat/a", `denied: the token of user "ann" has no grant to read history`},
		{ann, open, access.Publish, "lobby", `allowed: everybody may publish there: channels[0], match "lobby"`},
		{ann, open, access.Subscribe, "lobby", `denied: the token of user "ann" may subscribe on chat/*, inbox/{user}, none of which matches`},
		{ann, nil, access.Subscribe, "@ann", `allowed: it is the channel of user "ann", who may always read it`},
		{ann, nil, access.Publish, "@ann", `denied: the token of user "ann" may publish on chat/*, none of which matches`},
		{ann, nil, access.Subscribe, "@bob", `denied: the token of user "ann" may subscribe on chat/*, inbox/{user}, none of which matches`},
		{nobody, nil, access.Subscribe, "public/a/b", `allowed: an anonymous client has the grant subscribe on public/**`},
		{nobody, nil, access.Subscribe, "inbox/{user}", `denied: an anonymous client may subscribe on public/**, inbox/{user}, none of which matches`},
		{shop, nil, access.Publish, "chat/a", `allowed: the key "shop" has the grant manage on **, which includes publish`},
		{caller, nil, access.Call, "math/add", `allowed: the token of user "cat" has the grant call on math/*`},
		{caller, nil, access.Answer, "math/add", `denied: the token of user "cat" may answer methods on jobs/{user}, none of which matches`},
		{caller, nil, access.Answer, "jobs/cat", `allowed: the token of user "cat" has the grant answer on jobs/{user}`},
		{caller, nil, access.Subscribe, "math/add", `denied: the token of user "cat" has no grant to subscribe`},
		{shop, nil, access.Call, "math/add", `denied: the key "shop" has no grant to call methods`},
		{shop, nil, access.Answer, "math/add", `denied: the key "shop" has no grant to answer methods`},
		{ann, everything, access.Call, "lobby", `denied: the token of user "ann" has no grant to call methods`},
		{access.Everybody, nil, access.Answer, "a", "allowed: nothing is protected on this server: neither tokens, keys nor anonymous are configured"},
		{nil, nil, access.Subscribe, "private-a", `denied: nothing is protected on this server, but no rule names this channel; a segment that begins with "private-" or "presence-" closes a channel, and no wildcard stands for it, so write the segment itself`},
		{nil, open, access.Publish, "private-a", `allowed: everybody may publish there: channels[0], match "lobby"`},
		{nil, nil, access.Call, "private-a", "allowed: nothing is protected on this server: neither tokens, keys nor anonymous are configured"},
		{nobody, nil, access.Subscribe, "public/private-a", `denied: an anonymous client may subscribe on public/**, inbox/{user}, none of which matches; a segment that begins with "private-" or "presence-" closes a channel, and no wildcard stands for it, so write the segment itself`},
		{shop, nil, access.Publish, "chat/private-a", `allowed: the key "shop" has the grant manage on **, which includes publish`},
		{shop, nil, access.Subscribe, "presence-a/*", `allowed: the key "shop" has the grant manage on **, which includes subscribe`},
		{shop, nil, access.Manage, "@ann", `allowed: the key "shop" has the grant manage on **`},
	} {
		d := access.Decide(row.id, row.rules, row.action, row.channel)
		if d.String() != row.want {
			t.Errorf("%v %v %s:\n got %s\nwant %s", row.id, row.action, row.channel, d, row.want)
		}
		if may := access.May(row.id, row.rules, row.action, row.channel); may != d.Allowed {
			t.Errorf("%v %v %s: May is %v, Decide %v", row.id, row.action, row.channel, may, d.Allowed)
		}
	}
	if got := access.Decide(ann, nil, access.History, "chat/a").Missing(); got != `this needs the grant history on channel "chat/a"` {
		t.Error(got)
	}
	if got := access.Missing(access.Publish, "a/private-b"); got != `this needs a grant publish, or a rule, that names channel "a/private-b": a segment that begins with "private-" or "presence-" closes a channel, and no wildcard stands for it, so write the segment itself` {
		t.Error(got)
	}
	if got := access.Missing(access.Call, "math/add"); got != `this needs the grant call on method "math/add"` {
		t.Error(got)
	}
}

func TestMayEverywhere(t *testing.T) {
	some := &access.Identity{Kind: access.Key, Grants: grants(t, `{"manage":["a/**","*"],"publish":["a","**"]}`)}
	for _, row := range []struct {
		id   *access.Identity
		a    access.Action
		want bool
	}{{nil, access.Manage, true}, {access.Everybody, access.Manage, true}, {some, access.Manage, false}, {some, access.Publish, true}, {some, access.History, false}} {
		if got := access.MayEverywhere(row.id, row.a); got != row.want {
			t.Errorf("%v %v: %v", row.id, row.a, got)
		}
	}
}

func TestManyPatternsAreListedInPart(t *testing.T) {
	var patterns []string
	for _, c := range "abcdefghij" {
		patterns = append(patterns, string(c))
	}
	g, err := access.ParseGrants(map[string][]string{"publish": patterns})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.String(); got != "publish on a, b, c, d, e, f, g, h and 2 more" {
		t.Error(got)
	}
}

func TestGrantsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		`{"read":["a"]}`:          `"read" is not an action; the actions are subscribe, publish, presence, history, call, answer, manage`,
		`{"":["a"]}`:              `"" is not an action`,
		`{"publish":["a","b**"]}`: `(in publish)`,
		`["a"]`:                   "grants are an object of lists",
		`{"publish":["a",1]}`:     "grants are an object of lists",
		`{"publish":["a"` + strings.Repeat(`,"a"`, access.PatternsMax) + `]}`: "more than 1000 patterns",
	} {
		var g access.Grants
		if err := g.UnmarshalJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if !g.IsZero() {
			t.Errorf("%s: something was granted", text)
		}
	}
}

// All grants that can be read are written as they were, and allow nothing that no
// pattern of theirs matches.
func FuzzGrants(f *testing.F) {
	f.Add(`{"subscribe":["chat/*","inbox/{user}"],"manage":["**"]}`, "chat/a", "ann")
	f.Add(`{"publish":[]}`, "@ann", "")
	f.Fuzz(func(t *testing.T, text, channel, user string) {
		var g, again access.Grants
		if json.Unmarshal([]byte(text), &g) != nil {
			return
		}
		b, err := json.Marshal(g)
		var lists map[string][]string
		if err := json.Unmarshal([]byte(text), &lists); err != nil {
			t.Fatal(err)
		}
		parsed, err2 := access.ParseGrants(lists)
		if err2 != nil || parsed.String() != g.String() {
			t.Fatalf("%s is %s, or %s: %v", text, g, parsed, err2)
		}
		for name := range lists {
			if a, err := access.ParseAction(name); err != nil || a.String() != name {
				t.Fatalf("%q is the action %v: %v", name, a, err)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &again); err != nil || again.String() != g.String() {
			t.Fatalf("%s is written %s: %v", text, b, err)
		}
		id := &access.Identity{Kind: access.Token, User: user, Grants: g}
		for _, a := range access.Actions() {
			if own, err := access.UserChannel(user); err == nil && own == channel && (a == access.Subscribe || a == access.History) {
				continue // whatever the grants are
			}
			if !access.May(id, nil, a, channel) {
				continue
			}
			matched := false
			for _, granted := range []access.Action{a, access.Manage} {
				if granted == access.Manage && a.IsOfMethods() {
					continue
				}
				for _, p := range g.Patterns(granted) {
					matched = matched || p.Matches(channel, user) || granted == access.Manage && strings.HasPrefix(channel, "@")
				}
			}
			if !matched {
				t.Fatalf("%s lets %q %v %q", text, user, a, channel)
			}
		}
	})
}

func BenchmarkMay(b *testing.B) {
	ann := &access.Identity{Kind: access.Token, User: "ann", Grants: grants(b, `{"subscribe":["chat/*","inbox/{user}","scores/**"]}`)}
	b.ReportAllocs()
	for b.Loop() {
		if !access.May(ann, nil, access.Subscribe, "scores/football/final") {
			b.Fatal("denied")
		}
	}
}

func TestMayDoesNotAllocate(t *testing.T) {
	ann := &access.Identity{Kind: access.Token, User: "ann", Grants: grants(t, `{"subscribe":["chat/*","inbox/{user}","scores/**"]}`)}
	if n := testing.AllocsPerRun(100, func() { access.May(ann, nil, access.Subscribe, "scores/football/final") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
