package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

var (
	far  = netip.MustParseAddr("192.0.2.1")
	near = netip.MustParseAddr("127.0.0.1")
)

func grants(t testing.TB, text string) access.Grants {
	t.Helper()
	var g access.Grants
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// client is a client that a Guard has let in.
func client(address netip.Addr, id *access.Identity) *transport.Client {
	return &transport.Client{Identity: id, Address: address, State: &state{isLocal: isLocal(address), rate: new(ratelimit.Bucket)}}
}

// decide asks about an act and waits for the decision.
func decide(g *Guard, c *transport.Client, act *transport.Act) error {
	later := make(chan error, 1)
	if decided, err := g.Authorize(c, act, func(err error) { later <- err }); decided {
		return err
	}
	return <-later
}

func causeOf(err error) access.Cause {
	var r *access.Refusal
	errors.As(err, &r)
	if r == nil {
		return 0
	}
	return r.Cause
}

func TestGrantsAndRulesDecide(t *testing.T) {
	p := policies(t, "lobby", "**")
	p.list[0].Rules = access.Rules{Source: "channels[0]", Allowed: []access.Action{access.Publish}}
	var told []string
	g := New(Options{RefusedTo: func(c *transport.Client, act *transport.Act, why *access.Refusal) {
		told = append(told, fmt.Sprint(c.Identity.User, " ", act.Session, " ", act.Action, " ", act.Channel, " ", why.Cause))
	}}, &Settings{Policies: p})
	ann := client(far, &access.Identity{Kind: access.Token, User: "ann", Grants: grants(t, `{"subscribe":["inbox/{user}"]}`)})
	nobody := client(far, &access.Identity{Kind: access.Anonymous})
	for _, row := range []struct {
		c       *transport.Client
		action  access.Action
		channel string
		want    access.Cause
	}{
		{ann, access.Subscribe, "inbox/ann", 0},
		{ann, access.Subscribe, "inbox/bob", access.Denied},
		{ann, access.Publish, "lobby", 0},
		{nobody, access.Publish, "lobby", 0},
		{nobody, access.Subscribe, "lobby", access.Unauthenticated},
	} {
		act := &transport.Act{Action: row.action, Channel: row.channel, Session: "s", Message: &hub.Message{}}
		if got := causeOf(decide(g, row.c, act)); got != row.want {
			t.Errorf("%v %v %s: %v, want %v", row.c.Identity, row.action, row.channel, got, row.want)
		}
		if d := g.Explain(row.c.Identity, row.action, row.channel); d.Allowed != (row.want == 0) {
			t.Errorf("it is explained with %v", d)
		}
	}
	if want := []string{fmt.Sprint("ann s subscribe inbox/bob ", access.Denied), fmt.Sprint(" s subscribe lobby ", access.Unauthenticated)}; !slices.Equal(told, want) {
		t.Errorf("it was told of %q, want %q", told, want)
	}
	if r := g.Rules("lobby"); r == nil || r.Source != "channels[0]" {
		t.Errorf("the rules of lobby are %v", r)
	}
}

func TestPublicationsAreLimited(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	p := policies(t, "slow/**")
	p.list[0].SessionRate, p.list[0].ChannelRate = ratelimit.PerSecond(1, 1), ratelimit.PerSecond(2, 2)
	g := New(Options{Now: func() time.Time { return now }}, &Settings{Policies: p, Limits: Limits{
		PublicationsPerSession: 2, PublicationsPerUser: 3, PublicationsPerAddress: 5,
	}})
	all := grants(t, `{"publish":["**"]}`)
	burst := func(channel string, clients ...*transport.Client) (n int, refusals []*access.Refusal) {
		now = now.Add(time.Hour) // everything is full
		for i := range 100 * len(clients) {
			err := decide(g, clients[i%len(clients)], &transport.Act{
				Action: access.Publish, Channel: channel, Session: fmt.Sprint(i % len(clients)), Message: &hub.Message{},
			})
			var r *access.Refusal
			if errors.As(err, &r) {
				refusals = append(refusals, r)
			} else if err == nil {
				n++
			}
		}
		return n, refusals
	}
	token := func(address netip.Addr, user string) *transport.Client {
		return client(address, &access.Identity{Kind: access.Token, User: user, Grants: all})
	}
	other := netip.MustParseAddr("192.0.2.2")
	for _, row := range []struct {
		about   string
		channel string
		clients []*transport.Client
		want    int
		reason  string
	}{
		{"a session", "c", []*transport.Client{token(far, "ann")}, 4, "at most 2 a second from one session"},
		{"a user of two sessions", "c", []*transport.Client{token(far, "ann"), token(other, "ann")}, 6, "at most 3 a second from one user"},
		{"an address of three users", "c", []*transport.Client{token(far, "a"), token(far, "b"), token(far, "c")}, 10, "at most 5 a second from one address"},
		{"a session in a slow channel", "slow/a", []*transport.Client{token(far, "ann")}, 1, "one session in this channel"},
		{"a slow channel", "slow/a", []*transport.Client{token(far, "a"), token(other, "b"), token(other, "c")}, 2, "in this channel"},
		{"this machine", "slow/a", []*transport.Client{token(near, "ann")}, 100, ""},
		{"a socket file", "slow/a", []*transport.Client{token(netip.Addr{}, "ann")}, 100, ""},
		{"a back end", "slow/a", []*transport.Client{client(far, &access.Identity{Kind: access.Key, Name: "shop", Grants: all})}, 100, ""},
	} {
		n, refusals := burst(row.channel, row.clients...)
		if n != row.want {
			t.Errorf("%s publishes %d at once, want %d", row.about, n, row.want)
		}
		if row.reason == "" {
			continue
		}
		if !slices.ContainsFunc(refusals, func(r *access.Refusal) bool {
			return r.Cause == access.TooMany && r.RetryAfter > 0 && strings.Contains(r.Reason, row.reason)
		}) {
			t.Errorf("%s is refused with %v, want %q", row.about, refusals, row.reason)
		}
	}
}

// An act that is not allowed uses nothing up.
func TestDenialsUseNothingUp(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	g := New(Options{Now: func() time.Time { return now }}, &Settings{Limits: Limits{PublicationsPerAddress: 1}})
	ann := client(far, &access.Identity{Kind: access.Token, User: "ann", Grants: grants(t, `{"publish":["mine"]}`)})
	for range 10 {
		if got := causeOf(decide(g, ann, &transport.Act{Action: access.Publish, Channel: "other", Message: &hub.Message{}})); got != access.Denied {
			t.Fatal(got)
		}
	}
	if err := decide(g, ann, &transport.Act{Action: access.Publish, Channel: "mine", Message: &hub.Message{}}); err != nil {
		t.Error(err)
	}
}

// site is a Guard in front of a Transport.
func site(t *testing.T, o Options, s *Settings) *httptest.Server {
	t.Helper()
	if o.Address == nil {
		o.Address = func(r *transport.Request) netip.Addr {
			a, _ := netip.ParseAddr(r.Get("From-Address"))
			return a
		}
	}
	h := newHub(t)
	tr, err := transport.New(h, &transport.Options{Guard: New(o, s)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(tr)
	t.Cleanup(server.Close)
	return server
}

func status(t *testing.T, server *httptest.Server, method, path, body string, fields ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func TestRequestsOfAnAddressAreLimited(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var refused []string
	server := site(t, Options{
		Now:     func() time.Time { return now },
		Refused: func(a access.Action, c access.Cause) { refused = append(refused, fmt.Sprint(a, " ", c)) },
	}, &Settings{Limits: Limits{RequestsPerAddress: 3}})
	for _, row := range []struct {
		from string
		want int
	}{{"192.0.2.1", 6}, {"2001:db8::1", 6}, {"0.0.0.0", 6}, {"127.0.0.1", 50}, {"::1", 50}, {"::ffff:127.0.0.1", 50}, {"", 50}} {
		n := 0
		for range 50 {
			code, content := status(t, server, "GET", "/channels/c", "", "From-Address", row.from)
			switch {
			case code == 200:
				n++
			case code != 429 || !strings.Contains(content, "at most 3 a second from one address"):
				t.Fatal(code, content)
			}
		}
		if n != row.want {
			t.Errorf("%q: %d requests were served, want %d", row.from, n, row.want)
		}
	}
	if code, _ := status(t, server, "GET", "/channels/c", "", "From-Address", "2001:db8::2"); code != 429 {
		t.Errorf("another address of the same /64 got %d", code)
	}
	if len(refused) != 133 || refused[0] != "action 0 4" {
		t.Errorf("%d refusals were told: %v", len(refused), refused[:1])
	}
}

func TestUsersAreCounted(t *testing.T) {
	l := newLimiter(func(string) {})
	limits := &Limits{ConnectionsPerUser: 2}
	for i, want := range []bool{true, true, false} {
		if got := l.enter("ann", limits) == nil; got != want {
			t.Errorf("connection %d: %v", i, got)
		}
	}
	l.leave("ann")
	if l.enter("ann", limits) != nil || l.enter("bob", limits) != nil {
		t.Error("a place that is free was not given")
	}
	if l.enter("ann", &Limits{}) != nil {
		t.Error("without a limit there is one")
	}
}

// The application decides where it is asked, and what it answers is what happens.
func TestTheApplicationDecides(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		text := string(b)
		switch {
		case r.URL.Path == "/connect" && r.Header.Get("Cookie") == "":
			io.WriteString(w, `{"deny":{"reason":"log in first"}}`)
		case r.URL.Path == "/connect":
			io.WriteString(w, `{"allow":{"user":"ann","grants":{"publish":["free"],"history":["**"]}}}`)
		case strings.Contains(text, "spam"):
			io.WriteString(w, `{"deny":{"reason":"no spam"}}`)
		case strings.Contains(text, "loud"):
			io.WriteString(w, `{"allow":{"data":"quiet"}}`)
		default:
			io.WriteString(w, `{"allow":{}}`)
		}
	}))
	defer application.Close()
	h, err := hooks.New(&hooks.Options{
		Connect:      &hooks.Question{URL: application.URL + "/connect", Forward: []string{"Cookie"}},
		Publish:      &hooks.Question{URL: application.URL + "/publish", Channels: []access.Pattern{policies(t, "asked/*").list[0].Match}},
		Secrets:      [][]byte{[]byte(strings.Repeat("k", 32))},
		AllowPrivate: true,
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
	var told atomic.Pointer[string]
	server := site(t, Options{RefusedTo: func(c *transport.Client, act *transport.Act, why *access.Refusal) {
		told.Store(new(fmt.Sprint(c.Identity.User, " ", act.Action, " ", act.Channel, ": ", why.Reason)))
	}}, &Settings{Identities: identities, Hooks: h, Forward: []string{"Cookie"}})
	for _, row := range []struct {
		path, body, cookie string
		code               int
		content            string
	}{
		{"/channels/free?x=1", "hello", "", 403, "log in first"},
		{"/channels/free?a=1", "hello", "s=1", 201, ""},
		{"/channels/other", "hello", "s=1", 403, "this needs the grant publish"},
		{"/channels/asked/a", "hello", "s=1", 201, ""},
		{"/channels/asked/a", "spam", "s=1", 403, "no spam"},
		{"/channels/asked/a", "loud", "s=1", 201, ""},
	} {
		code, content := status(t, server, "POST", row.path, row.body, "Cookie", row.cookie)
		if row.cookie == "" {
			code, content = status(t, server, "POST", row.path, row.body)
		}
		if code != row.code || !strings.Contains(content, row.content) {
			t.Errorf("%s %q: %d %s, want %d %q", row.path, row.body, code, content, row.code, row.content)
		}
	}
	if text := told.Load(); text == nil || *text != "ann publish asked/a: no spam" {
		t.Errorf("of what the application refused it was told %v", text)
	}
	// The browser of somebody who visits another page sends the cookie, too.
	if code, content := status(t, server, "GET", "/channels/free", "", "Cookie", "s=1", "Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Errorf("a cookie that a page elsewhere had sent was handed on: %d %s", code, content)
	}
	_, page := status(t, server, "GET", "/channels/asked/a", "", "Cookie", "s=1")
	if !strings.Contains(page, `"user":"ann","data":"hello"`) || !strings.Contains(page, `"user":"ann","data":"quiet"`) || strings.Contains(page, "spam") {
		t.Errorf("the history is %s", page)
	}
	g := New(Options{}, &Settings{Identities: identities, Hooks: h})
	if d := g.Explain(access.Everybody, access.Publish, "asked/a"); d.Allowed || !strings.Contains(d.Reason, "the application decides") {
		t.Error(d)
	}
}

// Where the application decides who subscribes and nobody has grants, it decides who sees
// the history and the members, too: else a client that may not subscribe reads pages.
func TestTheApplicationDecidesWhoReads(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"deny":{"reason":"not you"}}`)
	}))
	defer application.Close()
	h, err := hooks.New(&hooks.Options{
		Subscribe: &hooks.Question{URL: application.URL, Channels: []access.Pattern{policies(t, "private/*").list[0].Match}},
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
	server := site(t, Options{}, &Settings{Identities: identities, Hooks: h})
	for _, path := range []string{"/channels/private/a", "/channels/private/a?since=lost:1", "/presence/private/a"} {
		if code, content := status(t, server, "GET", path, ""); code != 403 || !strings.Contains(content, "not you") {
			t.Errorf("%s: %d %s", path, code, content)
		}
	}
	for _, path := range []string{"/channels/a", "/presence/a"} {
		if code, content := status(t, server, "GET", path, ""); code != 200 {
			t.Errorf("%s: %d %s", path, code, content)
		}
	}
	g := New(Options{}, &Settings{Identities: identities, Hooks: h})
	if d := g.Explain(nil, access.History, "private/a"); d.Allowed || !strings.Contains(d.Reason, "hooks.subscribe is asked") {
		t.Error(d)
	}
}

// Settings can be replaced while they are used.
func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{}, &Settings{})
		p := policies(t, "open")
		p.list[0].Rules.Allowed = []access.Action{access.Subscribe}
		nobody := client(far, &access.Identity{Kind: access.Anonymous})
		act := &transport.Act{Action: access.Subscribe, Channel: "open"}
		if causeOf(decide(g, nobody, act)) != access.Unauthenticated {
			t.Error("allowed before")
		}
		before := g.Replace(&Settings{Policies: p})
		if before.Policies != nil || decide(g, nobody, act) != nil {
			t.Error("denied after")
		}
	})
}

func TestQueriesWithoutTokens(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "token=x": "", "a=1&token=x&b=2": "a=1&b=2", "%74oken=x&a=1": "a=1", "tokens=1": "tokens=1",
	} {
		if got := WithoutToken(query); got != want {
			t.Errorf("%q is told as %q, want %q", query, got, want)
		}
	}
}
