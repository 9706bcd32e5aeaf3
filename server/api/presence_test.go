package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

type presencePage struct {
	Channel      string
	Count, Users int
	Version      uint64
	Connections  []struct {
		ID, Transport, Since, User string
		Info                       any
	}
	Members []struct {
		Since, User string
		Info        any
		Sessions    int
	}
	Cursor string
}

func TestPresence(t *testing.T) {
	f := newFixture(t, nil)
	f.let("see", `{"presence":["a/**"]}`)
	ann := &access.Identity{User: "ann", Info: []byte(`{"color": "red"}`)}
	for range 3 {
		f.session(ann, "a/b")
	}
	f.session(nil, "a/b")
	f.session(&access.Identity{User: "bob"}, "a/b")
	for query, want := range map[string]string{
		"?count=1":         `{"channel":"a/b","count":5}`,
		"?count=1&by=user": `{"channel":"a/b","count":5,"users":2}`,
	} {
		if a := f.do("see", "GET", "channels/a/b/presence"+query, "").is(200); a.body != want+"\n" {
			t.Errorf("%s answers %s", query, a.body)
		}
	}
	for _, row := range []struct {
		query string
		want  int
	}{{"", 5}, {"&by=session", 5}, {"&by=user", 2}} {
		ids := map[string]bool{}
		cursor := ""
		for pages := 0; pages == 0 || cursor != ""; pages++ {
			var p presencePage
			query := "?limit=1" + row.query
			if cursor != "" {
				query += "&cursor=" + cursor
			}
			f.do("see", "GET", "channels/a%2Fb/presence"+query, "").is(200).as(&p)
			for _, m := range p.Connections {
				ids[m.ID] = true
			}
			for _, m := range p.Members {
				ids[m.User] = true
				if m.User == "ann" && (m.Sessions != 3 || fmt.Sprint(m.Info) != "map[color:red]") {
					t.Errorf("%+v", m)
				}
			}
			if len(ids) != pages+1 || p.Count != 5 {
				t.Fatalf("%s: page %d is %+v", query, pages, p)
			}
			cursor = p.Cursor
		}
		if len(ids) != row.want {
			t.Errorf("%s lists %d members, want %d", row.query, len(ids), row.want)
		}
	}
	for query, want := range map[string]string{
		"by=users":           `by is "users"; it is session or user`,
		"count=yes":          `count is "yes"; it is 0 or 1`,
		"count=1&limit=3":    "count=1 has no list",
		"limit=1001":         `limit is "1001"`,
		"cursor=x":           "cursor is none of this list",
		"cursor=":            "cursor is none of this list",
		"count=1&cursor=x":   "count=1 has no list",
		"limit=3&after=x":    `"after" is not a parameter`,
		"by=user&by=session": "the parameter by is given more than once",
	} {
		f.do("see", "GET", "channels/a/b/presence?"+query, "").is(400, "bad-parameter: "+want)
	}
	f.do("see", "GET", "channels/a//b/presence", "").is(400, "bad-channel-name")
	f.do("see", "GET", "channels/b/presence", "").is(403, "forbidden")
	f.do("see", "POST", "channels/a/presence", "").is(405)

	// What a policy keeps to itself is for callers that manage the channel.
	f.hub.SetPolicies(func(string) *hub.Policy { return &hub.Policy{NoPresence: true} })
	f.let("manage", `{"manage":["a/b"]}`)
	f.do("see", "GET", "channels/a/b/presence", "").is(403, "presence-off")
	if a := f.do("manage", "GET", "channels/a/b/presence?count=1", "").is(200); !strings.Contains(a.body, `"count":5`) {
		t.Error(a.body)
	}
}
