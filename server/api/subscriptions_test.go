package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
)

// ofMany opens a session of many channels.
func (f *fixture) ofMany(id *access.Identity) *hub.Session {
	f.t.Helper()
	s, err := f.hub.ConnectAs(id, transport.Session, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(s.Close)
	return s
}

// told is what a session was told that no command asked for.
func told(t *testing.T, s *hub.Session) (list []string) {
	t.Helper()
	pushes, err := s.Take(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pushes {
		switch {
		case p.Outcome != nil && p.Outcome.Tag == hub.ByServer:
			list = append(list, fmt.Sprint(p.Outcome.Command, p.Channel, p.Outcome.Err))
		case p.Delivery != nil:
			list = append(list, string(p.Delivery.Data))
		}
	}
	return list
}

func TestSubscribeASession(t *testing.T) {
	f := newFixture(t, nil)
	f.publish("a/b", "1", "2")
	s := f.ofMany(nil)
	path := "sessions/" + s.ID() + "/subscriptions"
	var begun struct{ Session, Channel, Position string }
	f.do("root", "POST", path, `{"channel":"a/b","last":1}`).is(201).as(&begun)
	if begun.Session != s.ID() || begun.Channel != "a/b" || !strings.HasSuffix(begun.Position, ":1") {
		t.Errorf("%+v", begun)
	}
	if got := told(t, s); len(got) != 2 || got[1] != "2" {
		t.Errorf("the session was told %q", got)
	}
	f.do("root", "POST", path, `{"channel":"a/b"}`).is(409, "already-subscribed")
	f.do("root", "POST", path, fmt.Sprintf(`{"channel":"c","since":%q}`, begun.Position)).is(201)
	told(t, s)
	f.do("root", "DELETE", path+"/a/b", "").is(204)
	if got := told(t, s); len(got) != 1 || !strings.Contains(got[0], hub.ErrRemoved.Error()) || s.IsSubscribed("a/b") {
		t.Errorf("the session was told %q", got)
	}
	f.do("root", "DELETE", path+"/a%2Fb", "").is(404, "not subscribed")

	for body, says := range map[string]string{
		`{}`:                                     "the body has no field channel",
		`{"channel":7}`:                          "the field channel",
		`{"channel":"a","last":-1}`:              "the field last",
		`{"channel":"a","last":"1"}`:             "the field last",
		`{"channel":"a","since":"?"}`:            "the field since",
		`{"channel":"a","presence":1}`:           "presence",
		`{"channel":"a","since":"E:1","last":1}`: "without since",
		`{"channel":"a//b"}`:                     "a//b",
	} {
		f.do("root", "POST", path, body).is(400, says)
	}
	f.do("root", "POST", "sessions/none/subscriptions", `{"channel":"a"}`).is(404)
	f.do("root", "DELETE", "sessions/none/subscriptions/a", "").is(404)
	raw := f.session(nil, "a")
	f.do("root", "POST", "sessions/"+raw.ID()+"/subscriptions", `{"channel":"b"}`).is(409, "session-of-one-channel: the transport of this session is test")
	f.do("root", "DELETE", "sessions/"+raw.ID()+"/subscriptions/a", "").is(409, "session-of-one-channel")
	s.Close()
	f.do("root", "POST", path, `{"channel":"a"}`).is(404)
}

func TestSubscribeAUser(t *testing.T) {
	f := newFixture(t, nil)
	ann := &access.Identity{Kind: access.Token, User: "ann"}
	one, two := f.ofMany(ann), f.ofMany(ann)
	bob := f.ofMany(&access.Identity{Kind: access.Token, User: "bob"})
	f.session(ann, "x")
	two.Subscribe(0, "news", hub.SubscribeOptions{})
	var counts struct{ Subscribed, Already, Skipped int }
	f.do("root", "POST", "users/ann/subscriptions", `{"channel":"news"}`).is(200).as(&counts)
	if counts.Subscribed != 1 || counts.Already != 1 || counts.Skipped != 1 || !one.IsSubscribed("news") || bob.IsSubscribed("news") {
		t.Errorf("%+v", counts)
	}
	var ended struct{ Unsubscribed, Skipped int }
	f.do("root", "DELETE", "users/ann/subscriptions/news", "").is(200).as(&ended)
	if ended.Unsubscribed != 2 || ended.Skipped != 1 || one.IsSubscribed("news") || two.IsSubscribed("news") {
		t.Errorf("%+v", ended)
	}
}

// slowBroker begins to listen when it is told to.
type slowBroker struct {
	hub.Broker
	asked, gate chan struct{}
}

func (b *slowBroker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	b.asked <- struct{}{}
	select {
	case <-b.gate:
	case <-ctx.Done():
	}
	return b.Broker.Listen(ctx, channel)
}

// TestAnswerWaitsForTheSubscription: it says what has happened.
func TestAnswerWaitsForTheSubscription(t *testing.T) {
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowBroker{broker, make(chan struct{}), make(chan struct{})}
	f := newFixtureOn(t, slow, nil, nil)
	s := f.ofMany(nil)
	answer := make(chan answered)
	go func() {
		a, err := f.try("root", "POST", "sessions/"+s.ID()+"/subscriptions", `{"channel":"a"}`)
		if err != nil {
			t.Error(err)
		}
		answer <- a
	}()
	<-slow.asked
	select {
	case a := <-answer:
		t.Errorf("answered before: %d %s", a.status, a.body)
	default:
	}
	close(slow.gate)
	if a := <-answer; a.status != 201 || !s.IsSubscribed("a") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestSessionOfMany(t *testing.T) {
	var state transport.SessionState
	f := newFixture(t, func(o *Options) { o.SessionState = func(string) (transport.SessionState, bool) { return state, true } })
	f.let("a", `{"manage":["a"]}`)
	f.let("present", `{"presence":["a"]}`)
	s := f.ofMany(nil)
	s.Subscribe(0, "a", hub.SubscribeOptions{})
	s.Register(0, "sum/*", hub.RegisterOptions{})
	state = transport.SessionState{IsAttached: true, Client: "app/1.2"}
	const all = `"state":"attached","client":"app/1.2"`
	if a := f.do("root", "GET", "sessions/"+s.ID(), "").is(200); !strings.Contains(a.body, all+`,"methods":["sum/*"],"channels":["a"]`) {
		t.Error(a.body)
	}
	if a := f.do("a", "GET", "sessions", "").is(200); !strings.Contains(a.body, all+`,"channels":["a"]`) {
		t.Error(a.body)
	}
	state.IsAttached = false
	if a := f.do("present", "GET", "sessions?channel=a", "").is(200); !strings.Contains(a.body, `"state":"waiting","channels":["a"]`) {
		t.Error(a.body)
	}
	f.do("present", "GET", "sessions/"+s.ID(), "").is(404)
}
