package hub_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/hub"
)

var errDenied = errors.New("denied")

// TestServerSubscribesASession: the session is told, has the publications from there on,
// and none of it counts against the client's commands under way.
func TestServerSubscribesASession(t *testing.T) {
	h := newHub(t, newBroker(), &hub.Options{CommandsMax: 1})
	s := connect(t, h)
	first := publish(t, h, "a", "x")
	second := publish(t, h, "a", "x")
	o := <-s.Add("a", hub.SubscribeOptions{Since: first})
	if o.Err != nil || o.Position != first || o.Tag != hub.ByServer {
		t.Fatalf("outcome %+v", o)
	}
	if o := <-s.Add("a", hub.SubscribeOptions{}); !errors.Is(o.Err, hub.ErrSubscribed) {
		t.Errorf("a second one has %+v", o)
	}
	if o := <-s.Add("", hub.SubscribeOptions{}); o.Err == nil {
		t.Error("a channel without a name was subscribed to")
	}
	for _, channel := range []string{"b", "c", "d", "e", "f"} {
		if o := <-s.Add(channel, hub.SubscribeOptions{}); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	if s.IsBusy() {
		t.Error("what the server does makes the session busy")
	}
	pushes := s.drain()
	if len(pushes) != 7 || pushes[0].Outcome == nil || pushes[0].Outcome.Tag != hub.ByServer || pushes[0].Outcome.Command != hub.CommandSubscribe ||
		pushes[6].Delivery == nil || pushes[6].Delivery.Position != second {
		t.Fatal(describe(pushes))
	}
	if !s.IsByServer("a") {
		t.Error("it is not known that the server has subscribed to a")
	}

	if !s.Remove("a", errDenied) || s.Remove("a", errDenied) || s.Remove("none", errDenied) {
		t.Error("Remove does not say what it has done")
	}
	publish(t, h, "a", "x")
	pushes = s.drain()
	if len(pushes) != 1 || pushes[0].Outcome == nil || pushes[0].Outcome.Tag != hub.ByServer ||
		pushes[0].Outcome.Command != hub.CommandUnsubscribe || pushes[0].Outcome.Channel != "a" || pushes[0].Outcome.Err != errDenied {
		t.Fatal(describe(pushes))
	}
	if s.IsSubscribed("a") || s.IsByServer("a") {
		t.Error("it is a member after it was removed")
	}
	s.subscribe("a", hub.SubscribeOptions{})
	if s.IsByServer("a") {
		t.Error("a subscription of the client is the server's")
	}
	if s.IsBusy() {
		t.Error("busy")
	}
	s.Close()
	if o := <-s.Add("z", hub.SubscribeOptions{}); !errors.Is(o.Err, hub.ErrClosed) {
		t.Errorf("after the end: %+v", o)
	}
	if s.Remove("b", errDenied) {
		t.Error("a subscription of a session that is over was removed")
	}
}

// TestServerActsWhileTheBrokerIsAsked: every Add has one outcome, in any order of events.
func TestServerActsWhileTheBrokerIsAsked(t *testing.T) {
	down := errors.New("down")
	for name, test := range map[string]struct {
		act  func(*edge, *gateBroker)
		want error
	}{
		"it begins":           {func(_ *edge, b *gateBroker) { b.gate <- nil }, nil},
		"it fails":            {func(_ *edge, b *gateBroker) { b.gate <- down }, down},
		"client unsubscribes": {func(s *edge, b *gateBroker) { s.Unsubscribe(0, "c"); b.gate <- nil }, hub.ErrUnsubscribed},
		"server removes it":   {func(s *edge, b *gateBroker) { s.Remove("c", errDenied); b.gate <- nil }, errDenied},
		"session closes":      {func(s *edge, b *gateBroker) { s.Close(); b.gate <- nil }, hub.ErrClosed},
		"session is ended":    {func(s *edge, b *gateBroker) { s.End(errDenied); b.gate <- nil }, hub.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := &gateBroker{Broker: newBroker(), gate: make(chan error, 1)}
				h := newHub(t, slow, nil)
				s := connect(t, h)
				outcome := s.Add("c", hub.SubscribeOptions{})
				synctest.Wait()
				select {
				case o := <-outcome:
					t.Fatalf("an outcome before there is one: %+v", o)
				default:
				}
				if !s.IsByServer("c") {
					t.Error("it is not the server's while it begins")
				}
				test.act(s, slow)
				synctest.Wait()
				select {
				case o := <-outcome:
					if !errors.Is(o.Err, test.want) || (test.want == nil) != (o.Err == nil) {
						t.Errorf("outcome %+v", o)
					}
				default:
					t.Fatal("no outcome")
				}
				if s.HasEnded() {
					return
				}
				n := 0
				if test.want == nil {
					n = 1
				}
				if pushes := s.drain(); len(pushes) != n {
					t.Error(describe(pushes))
				}
			})
		})
	}
}

// TestRemovedWhileItBegins: the command of the client has the reason as its outcome.
func TestRemovedWhileItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &gateBroker{Broker: newBroker(), gate: make(chan error)}
		h := newHub(t, slow, nil)
		s := connect(t, h)
		s.Subscribe(7, "c", hub.SubscribeOptions{})
		synctest.Wait()
		if !s.Remove("c", errDenied) {
			t.Error("there was nothing to remove")
		}
		slow.gate <- nil
		synctest.Wait()
		if pushes := s.drain(); len(pushes) != 1 || pushes[0].Outcome == nil || pushes[0].Outcome.Tag != 7 || pushes[0].Outcome.Err != errDenied {
			t.Error(describe(pushes))
		}
		if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 {
			t.Errorf("left over: %+v", got)
		}
	})
}

// TestRemovedInJoined: the Observer may remove the subscription that it is told of.
func TestRemovedInJoined(t *testing.T) {
	h := newHub(t, newBroker(), &hub.Options{Observer: &hub.Observer{Joined: func(s *hub.Session, channel string) { s.Remove(channel, errDenied) }}})
	s := connect(t, h)
	if err := s.trySubscribe("c", hub.SubscribeOptions{}); err != errDenied {
		t.Errorf("error %v", err)
	}
	if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 {
		t.Errorf("left over: %+v", got)
	}
}

// TestSuspendedSessionIsToldOfWhatTheServerDid: its client does not know of a new
// subscription, so that one goes on by itself; one that it was told of waits for it.
func TestSuspendedSessionIsToldOfWhatTheServerDid(t *testing.T) {
	h := newHub(t, newBroker(), nil)
	s := connect(t, h)
	s.subscribe("old", hub.SubscribeOptions{})
	if o := <-s.Add("told", hub.SubscribeOptions{}); o.Err != nil {
		t.Fatal(o.Err)
	}
	s.drain()
	s.Suspend()
	if o := <-s.Add("old", hub.SubscribeOptions{}); !errors.Is(o.Err, hub.ErrSubscribed) {
		t.Errorf("the server went on with a subscription of the client: %+v", o)
	}
	if o := <-s.Add("new", hub.SubscribeOptions{}); o.Err != nil {
		t.Fatal(o.Err)
	}
	var at []hub.Position
	for range 3 {
		publish(t, h, "old", "x")
		publish(t, h, "told", "x")
		at = append(at, publish(t, h, "new", "x"))
	}
	s.Remove("old", errDenied)
	s.Suspend() // as when a client comes back
	pushes := s.drain()
	var got []hub.Position
	var told []string
	for _, p := range pushes {
		switch {
		case p.Outcome != nil && p.Outcome.Tag == hub.ByServer:
			told = append(told, p.Outcome.Channel)
		case p.Delivery != nil && p.Channel == "new":
			got = append(got, p.Delivery.Position)
		default:
			t.Errorf("pushed %s", describe([]hub.Push{p}))
		}
	}
	if len(told) != 2 || told[0] != "new" || told[1] != "old" {
		t.Errorf("told of %v", told)
	}
	if len(got) != 3 || got[0] != at[0] || got[2] != at[2] {
		t.Errorf("got %v, want %v", got, at)
	}
	s.Subscribe(9, "told", hub.SubscribeOptions{Last: 1})
	if pushes := s.drain(); len(pushes) != 2 || pushes[1].Delivery == nil {
		t.Error(describe(pushes))
	}
	if !s.IsByServer("told") {
		t.Error("the server's subscription is the client's because it was resumed")
	}
}

// TestServerEndsARegistration tells the session, and calls go to it no more.
func TestServerEndsARegistration(t *testing.T) {
	h := newHub(t, newBroker(), nil)
	s := connect(t, h)
	if o := s.outcome(func(tag uint64) { s.Register(tag, "sum/*", hub.RegisterOptions{}) }); o.Err != nil {
		t.Fatal(o.Err)
	}
	if s.RemoveMethod("sum", errDenied) || !s.RemoveMethod("sum/*", errDenied) || s.RemoveMethod("sum/*", errDenied) {
		t.Error("RemoveMethod does not say what it has done")
	}
	pushes := s.drain()
	if len(pushes) != 1 || pushes[0].Outcome == nil || pushes[0].Outcome.Command != hub.CommandUnregister ||
		pushes[0].Outcome.Channel != "sum/*" || pushes[0].Outcome.Err != errDenied {
		t.Error(describe(pushes))
	}
	if _, err := h.Call(t.Context(), nil, hub.Call{Method: "sum/all"}); !errors.Is(err, hub.ErrNoMethod) {
		t.Errorf("it is still called: %v", err)
	}
}

// TestServerDoesNotFillTheQueueOfASession that takes nothing.
func TestServerDoesNotFillTheQueueOfASession(t *testing.T) {
	h := newHub(t, newBroker(), nil)
	s := connect(t, h)
	for range 10_000 {
		if o := <-s.Add("c", hub.SubscribeOptions{}); o.Err != nil {
			if !errors.Is(o.Err, hub.ErrTooManyCommands) {
				t.Fatal(o.Err)
			}
			s.drain()
			if o := <-s.Add("c", hub.SubscribeOptions{}); o.Err != nil {
				t.Errorf("once it has taken all: %v", o.Err)
			}
			return
		}
		s.Remove("c", errDenied)
	}
	t.Error("there is no bound")
}

// TestServerTakesAPatternAway, and with it the channels that only this one matches.
func TestServerTakesAPatternAway(t *testing.T) {
	h := newHub(t, newBroker(), nil)
	s := connect(t, h)
	s.subscribe("a/*", hub.SubscribeOptions{})
	publish(t, h, "a/1", "x")
	s.drain()
	if o := <-s.Add("b/*", hub.SubscribeOptions{}); o.Err == nil {
		t.Error("the server subscribed a session to a pattern")
	}
	if !s.Remove("a/*", errDenied) || s.Remove("a/*", errDenied) {
		t.Error("Remove does not say what it has done")
	}
	publish(t, h, "a/1", "x")
	pushes := s.drain()
	if len(pushes) != 1 || pushes[0].Outcome == nil || pushes[0].Outcome.Tag != hub.ByServer || pushes[0].Outcome.Channel != "a/*" || pushes[0].Outcome.Err != errDenied {
		t.Error(describe(pushes))
	}
}
