package api

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/server/flight"
)

// recorded returns a server that remembers its sessions.
func recorded(t *testing.T) *fixture {
	r := flight.New(flight.BytesMin)
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var o hub.Observer
	r.Observe(&o)
	return newFixtureOn(t, broker, &hub.Options{Observer: &o}, func(o *Options) { o.Flight = r })
}

// take takes one push, which is there.
func (f *fixture) take(s *hub.Session) {
	f.t.Helper()
	if pushes, err := s.Take(nil); err != nil || len(pushes) != 1 {
		f.t.Fatal(pushes, err)
	}
}

func TestExplainDelivery(t *testing.T) {
	f := recorded(t)
	ann := &access.Identity{Kind: access.Token, User: "ann"}
	first, second := f.session(ann, "a", "b"), f.session(ann)
	f.publish("a", "x")
	f.take(first)
	f.publish("a", "y")
	history := f.history("a")
	x, y := history[0].Position.String(), history[1].Position.String()

	ask := func(query string) (r flight.Report) {
		t.Helper()
		f.do("root", "GET", "explain?channel=a&"+query, "").is(200).as(&r)
		return r
	}
	if r := ask("session=" + first.ID() + "&position=" + x); r.Outcome != flight.Given || len(r.Sessions) != 1 || r.Sessions[0].User != "ann" || r.Newest != y ||
		!strings.Contains(r.Text, "was given "+x) || r.Publication.Bytes != 1 || r.Publication.Time.IsZero() || r.KnownSince.IsZero() {
		t.Errorf("%+v", r)
	} else if e := r.Sessions[0].Events; len(e) != 2 || e[0].Event != "opened" || e[1].Event != "subscribed" || e[1].At == "" || e[1].Time.IsZero() {
		t.Errorf("the evidence is %+v", e)
	}
	if r := ask("user=ann&position=" + y); r.Outcome != flight.Waiting || len(r.Sessions) != 2 {
		t.Errorf("%+v", r)
	}
	if r := ask("session=" + second.ID() + "&position=" + y); r.Outcome != flight.NotSubscribed {
		t.Errorf("%+v", r)
	}
	if r := ask("user=ann&position=" + strings.TrimSuffix(y, "2") + "3"); r.Outcome != flight.NotPublished || r.Sessions == nil {
		t.Errorf("%+v", r)
	}

	// A caller that manages the channel alone learns nothing of sessions that have nothing to do with it.
	f.let("manager", `{"manage":["a"]}`)
	var r flight.Report
	f.do("manager", "GET", "explain?channel=a&user=ann&position="+y, "").is(200).as(&r)
	if len(r.Sessions) != 1 || r.Sessions[0].Session != first.ID() {
		t.Errorf("%+v", r)
	}
	f.do("manager", "GET", "explain?channel=a&session="+second.ID()+"&position="+y, "").is(200).as(&r)
	if len(r.Sessions) != 0 || strings.Contains(r.Text, "opened") {
		t.Errorf("%+v", r)
	}
}

func TestExplainIsAskedWell(t *testing.T) {
	f := recorded(t)
	for query, says := range map[string]string{
		"channel=a":                                      "a parameter is missing: action asks",
		"user=ann&position=e:1":                          "channel is missing",
		"channel=a&user=ann":                             "position is that of the publication",
		"channel=a&user=ann&position=1":                  "it has no colon",
		"channel=a&position=e:1":                         "give session",
		"channel=a&position=e:1&user=&session=":          "give session",
		"channel=a&position=e:1&user=ann&session=s":      "not both",
		"channel=a&position=e:1&user=ann&action=publish": "action and user belong to two questions",
		"channel=a&position=e:1&token=t":                 "token and position belong to two questions",
	} {
		f.do("root", "GET", "explain?"+query, "").is(400, says)
	}
	f.do("root", "GET", "explain?channel=/&user=ann&position=e:1", "").is(400, "channel")
	without := newFixture(t, nil)
	without.do("root", "GET", "explain?channel=a&user=ann&position=e:1", "").is(501, "remembers nothing")
	_ = f.hub.Close()
	f.do("root", "GET", "explain?channel=a&user=ann&position=e:1", "").is(503, "going away")
}
