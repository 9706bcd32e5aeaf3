package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

type channelsPage struct {
	Channels []struct {
		Channel, Position         string
		Subscribers, Publications int
	}
	Cursor string
}

type sessionsPage struct {
	Sessions []struct {
		ID, Transport, User, Expires string
		Info                         any
		Channels                     []string
	}
	Cursor string
}

func (f *fixture) channels(who, query string) (p channelsPage, names []string) {
	f.t.Helper()
	f.do(who, "GET", "channels"+query, "").is(200).as(&p)
	for _, c := range p.Channels {
		names = append(names, c.Channel)
	}
	return p, names
}

func (f *fixture) sessions(who, query string) (p sessionsPage, ids []string) {
	f.t.Helper()
	f.do(who, "GET", "sessions"+query, "").is(200).as(&p)
	for _, s := range p.Sessions {
		ids = append(ids, s.ID)
	}
	return p, ids
}

func TestChannels(t *testing.T) {
	f := newFixture(t, nil)
	f.let("scores", `{"manage":["scores/*"],"publish":["**"],"subscribe":["**"]}`)
	f.session(nil, "scores/a", "chat")
	f.session(nil, "scores/a", "@ann")
	f.publish("scores/a", "1", "2")
	f.publish("scores/b/deep", "1")
	for _, row := range []struct{ who, query, want string }{
		{"root", "", "@ann chat scores/a scores/b/deep"},
		{"root", "?match=**", "@ann chat scores/a scores/b/deep"},
		{"root", "?match=*", "@ann chat"},
		{"root", "?match=scores/**", "scores/a scores/b/deep"},
		{"root", "?match=scores%2F%2A", "scores/a"},
		{"root", "?match=chat", "chat"},
		{"root", "?match=none", ""},
		{"scores", "", "scores/a"},
		{"scores", "?match=chat", ""},
	} {
		if _, got := f.channels(row.who, row.query); strings.Join(got, " ") != row.want {
			t.Errorf("%s %s: %q, want %q", row.who, row.query, got, row.want)
		}
	}
	p, _ := f.channels("root", "?match=scores/*")
	if c := p.Channels[0]; c.Subscribers != 2 || c.Publications != 2 || !strings.HasSuffix(c.Position, ":2") || p.Cursor != "" {
		t.Errorf("%+v", p)
	}
	f.do("root", "GET", "channels?match=a**", "").is(400, `bad-parameter: match is no pattern of channels: pattern "a**"`)
	f.do("root", "HEAD", "channels", "").is(200)
}

// Whatever comes and goes between pages, what is there all the time comes once.
func TestChannelsPageByPage(t *testing.T) {
	f := newFixture(t, nil)
	var want []string
	for i := range 25 {
		name := fmt.Sprintf("c/%02d", i)
		want = append(want, name)
		f.publish(name, "x")
	}
	var got []string
	query := "?limit=4"
	for page := 0; ; page++ {
		p, names := f.channels("root", query)
		for _, name := range names {
			if strings.HasPrefix(name, "c/") {
				got = append(got, name)
			}
		}
		if p.Cursor == "" {
			break
		}
		query = "?limit=4&cursor=" + p.Cursor
		f.publish(fmt.Sprintf("b/%02d", page), "x") // before all others
		f.publish(fmt.Sprintf("d/%02d", page), "x") // behind them
		if last := names[len(names)-1]; strings.HasPrefix(last, "d/") {
			f.do("root", "DELETE", "channels/"+last+"/history", "").is(204) // the one that the cursor is behind
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSessions(t *testing.T) {
	f := newFixture(t, nil)
	f.let("a", `{"manage":["a"]}`)
	ann := &access.Identity{Kind: access.Token, User: "ann", Info: []byte(`{ "name": "Ann" }`), Grants: access.All()}
	one := f.session(ann, "a", "b").ID()
	two := f.session(nil, "b").ID()
	three := f.session(&access.Identity{Kind: access.Token, User: "bob"}).ID()
	sorted := func(ids ...string) string {
		slices.Sort(ids)
		return strings.Join(ids, " ")
	}
	for _, row := range []struct{ who, query, want string }{
		{"root", "", sorted(one, two, three)},
		{"root", "?user=ann", one},
		{"root", "?user=bob", three},
		{"root", "?user=", ""},
		{"root", "?channel=b", sorted(one, two)},
		{"root", "?channel=b&user=ann", one},
		{"root", "?channel=b&user=bob", ""},
		{"a", "", one},
		{"a", "?user=bob", ""},
		{"a", "?channel=a", one},
	} {
		if _, got := f.sessions(row.who, row.query); strings.Join(got, " ") != row.want {
			t.Errorf("%s %s: %q, want %q", row.who, row.query, got, row.want)
		}
	}
	p, _ := f.sessions("root", "?user=ann")
	if s := p.Sessions[0]; s.User != "ann" || s.Transport != "test" || fmt.Sprint(s.Channels, s.Info) != "[a b] map[name:Ann]" {
		t.Errorf("%+v", s)
	}
	if p, _ = f.sessions("a", ""); fmt.Sprint(p.Sessions[0].Channels) != "[a]" {
		t.Errorf("somebody sees a channel that others manage: %+v", p)
	}
	f.do("root", "GET", "sessions?channel=a*", "").is(400, "bad-channel-name")
}

func TestSessionsPageByPage(t *testing.T) {
	f := newFixture(t, nil)
	var want []string
	for range 23 {
		want = append(want, f.session(nil, "c").ID())
	}
	slices.Sort(want)
	var got []string
	query := "?channel=c&limit=5"
	for {
		p, ids := f.sessions("root", query)
		if len(ids) > 5 {
			t.Fatalf("a page of %d", len(ids))
		}
		for _, id := range ids {
			if slices.Contains(want, id) {
				got = append(got, id)
			}
		}
		if p.Cursor == "" {
			break
		}
		f.hub.FindSession(ids[len(ids)-1]).Close() // the one that the cursor is behind
		f.session(nil, "c")
		query = "?channel=c&limit=5&cursor=" + p.Cursor
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParametersThatAreWrong(t *testing.T) {
	f := newFixture(t, nil)
	f.publish("a", "x")
	f.publish("b", "x")
	p, _ := f.channels("root", "?limit=1")
	for query, want := range map[string]string{
		"channels?limit=0":            `limit is "0"; it is a whole number from 1 to 1000`,
		"channels?limit=1001":         `limit is "1001"`,
		"channels?limit=-1":           `limit is "-1"`,
		"channels?limit=1e2":          `limit is "1e2"`,
		"channels?limit=":             `limit is ""`,
		"channels?limit=1&limit=2":    "the parameter limit is given more than once",
		"channels?cursor=x":           `cursor is "x", which is none of this list`,
		"channels?cursor=":            `cursor is ""`,
		"sessions?cursor=" + p.Cursor: `cursor is "` + p.Cursor + `", which is none of this list`,
		"sessions?chanel=a":           `"chanel" is not a parameter of this request; the parameters are user, channel, limit, cursor`,
		"info?x=1":                    `"x" is not a parameter of this request; there are no parameters`,
		"channels?%zz":                "the query cannot be read",
		"channels?a;b":                "the query cannot be read",
	} {
		f.do("root", "GET", query, "").is(400, "bad-parameter: "+want)
	}
	f.do("root", "GET", "channels?token=x", "").is(200) // it is for Identify
}

// What a policy keeps to itself is for callers that manage the channel.
func TestSessionsWithoutPresence(t *testing.T) {
	f := newFixture(t, nil)
	f.hub.SetPolicies(func(string) *hub.Policy { return &hub.Policy{NoPresence: true} })
	f.let("see", `{"presence":["**"]}`)
	f.let("manage", `{"manage":["a"]}`)
	s := f.session(nil, "a")
	f.do("see", "GET", "sessions?channel=a", "").is(403, "presence-off")
	if _, ids := f.sessions("manage", "?channel=a"); !slices.Equal(ids, []string{s.ID()}) {
		t.Errorf("%q", ids)
	}
}

// unlisting is a broker that can do only what every broker can.
type unlisting struct{ hub.Broker }

func TestWhatTheBrokerCannotDo(t *testing.T) {
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixtureOn(t, unlisting{broker}, nil, nil)
	f.publish("held", "x")
	f.do("root", "DELETE", "channels/held/history", "").is(501, "not-supported: the broker behind this server")
	if _, names := f.channels("root", ""); len(names) > 0 {
		t.Errorf("%q", names)
	}
}
