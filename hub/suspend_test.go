package hub_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// TestSuspendedSessionGoesOnFromWhereItsClientIs loses nothing that was queued, or was
// published meanwhile, and repeats nothing.
func TestSuspendedSessionGoesOnFromWhereItsClientIs(t *testing.T) {
	h := newHub(t, newBroker(), nil)
	s := connect(t, h)
	s.Subscribe(1, "a", hub.SubscribeOptions{})
	s.Subscribe(2, "b", hub.SubscribeOptions{})
	var at [4]hub.Position
	for i := range at {
		at[i] = publish(t, h, "a", "x")
		if i == 1 {
			s.drain() // written to a connection that is about to break
		}
	}
	s.Suspend()
	missed := publish(t, h, "a", "x")
	if pushes := s.drain(); len(pushes) != 0 {
		t.Fatalf("a suspended session handed out %v", pushes)
	}
	if !s.IsSubscribed("a") || !s.IsSubscribed("b") {
		t.Error("it is no member any more")
	}
	s.Subscribe(3, "a", hub.SubscribeOptions{Since: at[0]}) // the client has got one of the two
	var got []hub.Position
	for _, p := range s.drain() {
		switch {
		case p.Outcome != nil && (p.Outcome.Tag != 3 || p.Outcome.Err != nil):
			t.Errorf("outcome %+v", p.Outcome)
		case p.Gap != nil:
			t.Errorf("gap %+v", p.Gap)
		case p.Delivery != nil:
			got = append(got, p.Delivery.Position)
		}
	}
	want := []hub.Position{at[1], at[2], at[3], missed}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	publish(t, h, "b", "x") // b was not subscribed to again
	if pushes := s.drain(); len(pushes) != 0 {
		t.Errorf("b was not resumed and handed out %v", pushes)
	}
	s.Subscribe(4, "a", hub.SubscribeOptions{})
	if pushes := s.drain(); len(pushes) != 1 || pushes[0].Outcome == nil || pushes[0].Outcome.Err != hub.ErrSubscribed {
		t.Errorf("a second subscription has %v", pushes)
	}
	s.Subscribe(5, "b", hub.SubscribeOptions{Last: 1})
	if pushes := s.drain(); len(pushes) != 2 || pushes[1].Delivery == nil {
		t.Errorf("b goes on with %v", pushes)
	}
	live := publish(t, h, "a", "x")
	if pushes := s.drain(); len(pushes) != 1 || pushes[0].Delivery == nil || pushes[0].Delivery.Position != live {
		t.Errorf("live: %v", pushes)
	}
}

// TestSuspendedBacklogIsReadFromHistory has what waited for a rate, or would have ended
// the session, handed out after the client said where it is, and nothing before.
func TestSuspendedBacklogIsReadFromHistory(t *testing.T) {
	for name, policy := range map[string]hub.Policy{
		"rate": {Rate: 1}, "conflate": {Slow: hub.Conflate}, "drop-oldest": {Slow: hub.DropOldest}, "disconnect": {Slow: hub.Disconnect},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, newBroker(), nil)
				h.SetPolicies(func(string) *hub.Policy { return &policy })
				s := connect(t, h)
				s.Subscribe(1, "a", hub.SubscribeOptions{})
				at := publish(t, h, "a", "x")
				s.drain()
				waited := publish(t, h, "a", "x", "x")
				s.Suspend()
				if count, bytes := s.Backlogs(); count != 0 || bytes != 0 {
					t.Errorf("%d of %d bytes wait in a suspended session", count, bytes)
				}
				missed := publish(t, h, "a", "x")
				<-time.After(time.Minute) // a timer of the rate has passed
				if pushes := s.drain(); len(pushes) != 0 {
					t.Fatalf("a suspended session handed out %v", pushes)
				}
				if count, _ := s.Backlogs(); count != 0 {
					t.Errorf("%d wait in a suspended session", count)
				}
				s.Subscribe(2, "a", hub.SubscribeOptions{Since: at, Rate: 2})
				var got []hub.Position
				for _, p := range s.drain() {
					switch {
					case p.Gap != nil:
						t.Errorf("gap %+v", p.Gap)
					case p.Delivery != nil:
						got = append(got, p.Delivery.Position)
					}
				}
				if len(got) != 3 || got[1] != waited || got[2] != missed {
					t.Errorf("got %v after %v, want two up to %v, and %v", got, at, waited, missed)
				}
				// The rate that was asked for anew holds: a second has at most two.
				publish(t, h, "a", "x", "x", "x", "x", "x")
				delivered := 0
				for _, p := range s.drain() {
					if p.Delivery != nil {
						delivered++
					}
				}
				if delivered > 2 {
					t.Errorf("%d publications were handed out at once with a rate of 2", delivered)
				}
			})
		})
	}
}

// TestSubscriptionThatHadNotBegunIsAskedForAnew: the session was suspended while the
// Broker was asked to listen, and its client is back before the answer. It begins once,
// as it was asked for last.
func TestSubscriptionThatHadNotBegunIsAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &gateBroker{Broker: newBroker(), gate: make(chan error)}
		h := newHub(t, slow, nil)
		first := publish(t, h, "c", "x")
		second := publish(t, h, "c", "x")
		s := connect(t, h)
		s.Subscribe(1, "c", hub.SubscribeOptions{Presence: true})
		synctest.Wait()
		s.Suspend()
		s.Subscribe(2, "c", hub.SubscribeOptions{Since: first})
		synctest.Wait()
		slow.gate <- nil
		synctest.Wait()
		third := publish(t, h, "c", "x")
		var got []hub.Position
		outcomes := make(map[uint64]*hub.Outcome)
		for range 3 { // a page is read meanwhile
			for _, p := range s.drain() {
				switch {
				case p.Outcome != nil:
					outcomes[p.Outcome.Tag] = p.Outcome
				case p.Delivery != nil:
					got = append(got, p.Delivery.Position)
				default:
					t.Errorf("pushed %+v", p)
				}
			}
			synctest.Wait()
		}
		if o := outcomes[1]; o == nil || !errors.Is(o.Err, hub.ErrUnsubscribed) {
			t.Errorf("the outcome of the first is %+v", o)
		}
		if o := outcomes[2]; o == nil || o.Err != nil || o.Position != first {
			t.Errorf("the outcome of the second is %+v", o)
		}
		if len(got) != 2 || got[0] != second || got[1] != third {
			t.Errorf("got %v, want %v and %v", got, second, third)
		}
	})
}

// TestSuspendedPatternIsSilentUntilItsVectorComes: publications queued before and
// published meanwhile, also in a new channel, come after the vector was given, once.
func TestSuspendedPatternIsSilentUntilItsVectorComes(t *testing.T) {
	h := newHub(t, newBroker(), nil)
	s := connect(t, h)
	s.Subscribe(1, "a/*", hub.SubscribeOptions{})
	pushes := s.drain()
	if len(pushes) != 1 || pushes[0].Outcome == nil || pushes[0].Outcome.Vector == nil {
		t.Fatalf("the pattern begins with %v", pushes)
	}
	vector := pushes[0].Outcome.Vector
	publish(t, h, "a/1", "x")
	s.Suspend()
	publish(t, h, "a/1", "x")
	publish(t, h, "a/2", "x")
	if pushes := s.drain(); len(pushes) != 0 {
		t.Fatalf("a suspended session handed out %v", pushes)
	}
	s.Subscribe(2, "a/*", hub.SubscribeOptions{Vector: vector})
	publish(t, h, "a/2", "x")
	got := make(map[string]int)
	for range 10 { // a page is read at a time
		for _, p := range s.drain() {
			switch {
			case p.Outcome != nil && (p.Outcome.Tag != 2 || p.Outcome.Err != nil):
				t.Errorf("outcome %+v", p.Outcome)
			case p.Gap != nil:
				t.Errorf("gap %+v of %s", p.Gap, p.Channel)
			case p.Delivery != nil:
				got[p.Channel]++
			}
		}
	}
	if got["a/1"] != 2 || got["a/2"] != 2 {
		t.Errorf("got %v, want two of each channel", got)
	}
}

// TestSuspendedSubscriptionWatchesNothing, also if it begins only now.
func TestSuspendedSubscriptionWatchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &gateBroker{Broker: newBroker(), gate: make(chan error, 1)}
		h := newHub(t, slow, nil)
		s, other := connect(t, h), connect(t, h)
		s.Subscribe(1, "c", hub.SubscribeOptions{Presence: true})
		synctest.Wait()
		s.Suspend()
		slow.gate <- nil
		synctest.Wait()
		other.Subscribe(1, "c", hub.SubscribeOptions{})
		<-time.After(2 * hub.DefaultJoinWindow)
		for _, p := range s.drain() {
			if p.Changes != nil {
				t.Errorf("it is told of %+v", p.Changes)
			}
		}
		s.Subscribe(2, "c", hub.SubscribeOptions{Presence: true})
		other.Unsubscribe(2, "c")
		<-time.After(2 * hub.DefaultJoinWindow)
		changes := 0
		for _, p := range s.drain() {
			if p.Changes != nil {
				changes++
			}
		}
		if changes != 1 {
			t.Errorf("it is told of %d changes when it is resumed", changes)
		}
	})
}
