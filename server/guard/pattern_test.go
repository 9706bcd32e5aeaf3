package guard

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

// What a pattern matches has to be allowed everywhere: by one grant, or by the policies
// of all of it.
func TestPatternsNeedAllTheyMatch(t *testing.T) {
	p := policies(t, "secret/x", "news/*", "news/**", "open/**", "*", "mixed/a", "mixed/*")
	read := access.Rules{Source: "channels", Allowed: []access.Action{access.Subscribe}}
	for _, i := range []int{1, 2, 3, 4, 6} {
		p.list[i].Rules = read
	}
	identities, err := identity.New(&identity.Options{Anonymous: &access.Grants{}})
	if err != nil {
		t.Fatal(err)
	}
	defer identities.Close()
	g := New(Options{}, &Settings{Policies: p, Identities: identities})
	ann := client(far, &access.Identity{Kind: access.Token, User: "ann", Grants: grants(t, `{"subscribe":["a/**","inbox/{user}/*"],"publish":["**"]}`)})
	for channel, allowed := range map[string]bool{
		"a/*": true, "a/b/**": true, "inbox/ann/*": true, "news/**": true, "news/*": true, "open/**": true, "*": true,
		"**":      false, // most of it has no policy
		"inbox/*": false, "inbox/*/*": false, "inbox/bob/*": false, "*/x": false,
		"secret/*": false, "secret/**": false, // one policy denies, and the rest has none
		"mixed/*": false, // a policy before the one that covers it denies
		"a*":      false, "@ann/*": false,
	} {
		act := &transport.Act{Action: access.Subscribe, Channel: channel}
		err := decide(g, ann, act)
		if (err == nil) != allowed {
			t.Errorf("%s: %v", channel, err)
		}
		if stands := g.Stands(ann.Identity, channel); (stands == nil) != allowed {
			t.Errorf("%s after a reload: %v", channel, stands)
		}
		if d := g.Explain(ann.Identity, access.Subscribe, channel); d.Allowed != allowed {
			t.Errorf("%s is explained with %v", channel, d)
		}
		if err != nil && channel != "a*" && !strings.Contains(err.Error(), "this needs the grant subscribe on all that the pattern") {
			t.Errorf("%s: %v does not name the grant", channel, err)
		}
	}
	for _, a := range []access.Action{access.Publish, access.History, access.Presence} {
		if err := decide(g, ann, &transport.Act{Action: a, Channel: "a/*"}); err == nil {
			t.Errorf("%v on a pattern is allowed", a)
		}
	}
}

// The application is asked about a pattern that is all its own, and a pattern that is so
// in part is refused.
func TestTheApplicationDecidesAboutPatterns(t *testing.T) {
	var asked atomic.Value
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked.Store(string(body))
		io.WriteString(w, `{"allow":{}}`)
	}))
	defer application.Close()
	h, err := hooks.New(&hooks.Options{
		Subscribe: &hooks.Question{URL: application.URL, Channels: []access.Pattern{policies(t, "private/**").list[0].Match}},
		Secrets:   [][]byte{[]byte(strings.Repeat("k", 32))}, AllowPrivate: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	identities, err := identity.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer identities.Close()
	g := New(Options{}, &Settings{Identities: identities, Hooks: h})
	somebody := client(far, access.Everybody)
	subscribe := func(channel string) error {
		return decide(g, somebody, &transport.Act{Action: access.Subscribe, Channel: channel})
	}
	for _, channel := range []string{"private/*", "private/a/**"} {
		asked.Store("")
		if err := subscribe(channel); err != nil || !strings.Contains(asked.Load().(string), `"channel":"`+channel+`"`) {
			t.Errorf("%s: %v, asked %s", channel, err, asked.Load())
		}
		if refusal := g.Stands(somebody.Identity, channel); refusal != nil {
			t.Errorf("%s after a reload: %v", channel, refusal)
		}
	}
	asked.Store("")
	for _, channel := range []string{"**", "*/a"} {
		if err := subscribe(channel); err == nil || !strings.Contains(err.Error(), "the application decides about some") {
			t.Errorf("%s: %v", channel, err)
		}
		if refusal := g.Stands(somebody.Identity, channel); refusal == nil {
			t.Errorf("%s stands after a reload", channel)
		}
	}
	if err := subscribe("public/*"); err != nil || asked.Load() != "" {
		t.Errorf("public/*: %v, asked %s", err, asked.Load())
	}
}
