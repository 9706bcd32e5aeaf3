package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// milestones are what an Observer was told.
type milestones struct {
	mu   sync.Mutex // guards what follows
	told []milestone
}

type milestone struct {
	kind    string // "begins", "gap" or "ends"
	session *hub.Session
	hub.Milestone
}

func (m *milestones) observer() *hub.Observer {
	note := func(kind string) func(*hub.Session, hub.Milestone) {
		return func(s *hub.Session, at hub.Milestone) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.told = append(m.told, milestone{kind, s, at})
		}
	}
	return &hub.Observer{Subscribed: note("begins"), Gapped: note("gap"), Unsubscribed: note("ends")}
}

// of returns the milestones of a session and a channel since the last subscription began.
func (m *milestones) of(s *hub.Session, channel string) (list []milestone) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.told {
		if t.session == s && t.Channel == channel {
			if t.kind == "begins" {
				list = nil
			}
			list = append(list, t)
		}
	}
	return list
}

// begins checks that the Observer knows where a subscription of the model begins.
func (m *milestones) begins(r *modelRun, client *modelClient, channel string, p hub.Position) {
	r.t.Helper()
	list := m.of(client.e.Session, channel)
	if len(list) == 0 || list[0].kind != "begins" || list[0].Position != p {
		r.failf("it begins at %v, and the Observer was told %+v", p, list)
	}
}

// agree checks that the Observer was told of what a client of the model has taken, and
// that each of its subscriptions says where it is.
func (m *milestones) agree(r *modelRun, client *modelClient, pushes []hub.Push) {
	r.t.Helper()
	gaps := map[string][]hub.Gap{}
	for _, p := range pushes {
		if p.Gap != nil {
			gaps[p.Channel] = append(gaps[p.Channel], *p.Gap)
		}
	}
	for channel, taken := range gaps {
		var told []hub.Gap
		for _, t := range m.of(client.e.Session, channel) {
			if t.kind == "gap" {
				told = append(told, *t.Gap)
			}
		}
		if n := len(told) - len(taken); n < 0 || !slices.Equal(told[n:], taken) {
			r.failf("the gaps %v were taken, and the Observer was told %v", taken, told)
		}
	}
	for channel, a := range client.accounts {
		state, ok := client.e.Subscription(channel)
		if !a.begun {
			continue // its outcome may not have been taken
		}
		if !ok || state.IsGapping || state.Position.Epoch != a.last.Epoch {
			r.failf("%s is at %v (%v, %v), and its client has %v", channel, state.Position, ok, state.IsGapping, a.last)
		}
		for _, p := range r.b.channels[channel].all { // a position may also be passed at which there is nothing
			if p.Attributes != nil && p.Attributes.Exclude == client.e.ID() {
				continue // passed over, and its client does not know
			}
			if p.Position.Epoch == a.last.Epoch && (p.Position.Offset > a.last.Offset) != (p.Position.Offset > state.Position.Offset) {
				r.failf("%s is at %v, and its client has %v: %v lies between", channel, state.Position, a.last, p.Position)
			}
		}
	}
}

// What an Observer is told of a subscription's way.
func TestMilestones(t *testing.T) {
	var told milestones
	h := newHub(t, newBroker(), &hub.Options{Observer: told.observer(), Retention: hub.Retention{Count: 2}})
	e := connect(t, h)
	at := publish(t, h, "chat", "1", "2", "3", "4", "5")
	position := func(offset uint64) hub.Position { return hub.Position{Epoch: at.Epoch, Offset: offset} }
	e.subscribe("chat", hub.SubscribeOptions{Since: position(1), ExcludeSelf: true})
	e.drain()
	e.publish(hub.Message{Channel: "chat", Data: []byte("own")})
	state, ok := e.Subscription("chat")
	if !ok || state.Position != position(6) || state.Queued != 0 || state.IsCatchingUp || !state.ExcludesOwn {
		t.Errorf("what it has published itself leaves it at %+v", state)
	}
	publish(t, h, "chat", "7")
	if state, _ = e.Subscription("chat"); state.Position != position(6) || state.Queued != 1 {
		t.Errorf("with one that waits it is at %+v", state)
	}
	e.unsubscribe("chat")
	if _, ok = e.Subscription("chat"); ok {
		t.Error("it is not subscribed, and has a state")
	}
	e.subscribe("chat", hub.SubscribeOptions{})
	e.Close()
	want := []string{"begins e:1", "gap e:3 e:1-e:3", "ends e:6", "begins e:7", "ends e:7"}
	for i, m := range told.told {
		got := fmt.Sprintf("%s e:%d", m.kind, m.Position.Offset)
		if m.Gap != nil {
			// Two of the rest were taken with the gap.
			got = fmt.Sprintf("%s e:%d e:%d-e:%d", m.kind, m.Gap.To.Offset, m.Gap.From.Offset, m.Gap.To.Offset)
		}
		if i >= len(want) || got != want[i] || m.Channel != "chat" || m.session != e.Session {
			t.Errorf("milestone %d is %s %+v", i, got, m)
		}
	}
	if len(told.told) != len(want) {
		t.Fatalf("%d milestones", len(told.told))
	}
	first, second := told.told[0].Since, told.told[3].Since
	if !second.After(first) || told.told[2].Since != first || told.told[4].Since != second || !told.told[0].ExcludesOwn || told.told[3].ExcludesOwn || told.told[2].IsClosed || !told.told[4].IsClosed {
		t.Errorf("the two subscriptions cannot be told apart: %+v", told.told)
	}
}

// A subscription that is ended while the Observer is told of its gap has ended after it.
func TestEndComesAfterGap(t *testing.T) {
	var told milestones
	o := told.observer()
	note := o.Gapped
	var h *hub.Hub
	var e *edge
	o.Gapped = func(s *hub.Session, m hub.Milestone) {
		if state, ok := s.Subscription("chat"); !ok || !state.IsGapping {
			t.Errorf("while the Observer is told, the subscription is %+v", state)
		}
		s.Unsubscribe(0, "chat")
		note(s, m)
	}
	h = newHub(t, newBroker(), &hub.Options{Observer: o, NoHistory: true})
	e = connect(t, h)
	at := publish(t, h, "chat", "1", "2")
	e.subscribe("chat", hub.SubscribeOptions{Since: hub.Position{Epoch: at.Epoch, Offset: 1}})
	e.await(func([]hub.Push) bool {
		told.mu.Lock()
		defer told.mu.Unlock()
		return len(told.told) == 3
	})
	for i, kind := range []string{"begins", "gap", "ends"} {
		if m := told.told[i]; m.kind != kind || i > 0 && m.Position != at {
			t.Errorf("milestone %d is %s at %v", i, m.kind, m.Position)
		}
	}
}

// Subscriptions have times of their own, also where the clock stands still.
func TestSinceIsUnique(t *testing.T) {
	var told milestones
	h := newHub(t, newBroker(), &hub.Options{Observer: told.observer()})
	var wg sync.WaitGroup
	for range 4 {
		e := connect(t, h)
		wg.Go(func() {
			for i := range 200 {
				e.subscribe(fmt.Sprint("c", i), hub.SubscribeOptions{})
			}
		})
	}
	wg.Wait()
	seen := map[time.Time]bool{}
	for _, m := range told.told {
		if seen[m.Since] {
			t.Fatal("two subscriptions since", m.Since)
		}
		seen[m.Since] = true
	}
	if len(seen) != 800 {
		t.Errorf("%d subscriptions", len(seen))
	}
}

// The Observer is told of patterns by their text, with no position.
func TestPatternsHaveMilestones(t *testing.T) {
	var told milestones
	h := newHub(t, newBroker(), &hub.Options{Observer: told.observer()})
	e := connect(t, h)
	e.subscribe("a/*", hub.SubscribeOptions{ExcludeSelf: true})
	e.subscribe("a/**", hub.SubscribeOptions{})
	publish(t, h, "a/b", "1", "2")
	e.drain()
	e.unsubscribe("a/*")
	e.Close()
	for i, want := range []struct {
		kind, channel         string
		excludesOwn, isClosed bool
	}{{"begins", "a/*", true, false}, {"begins", "a/**", false, false}, {"ends", "a/*", true, false}, {"ends", "a/**", false, true}} {
		if i >= len(told.told) {
			t.Fatalf("told %d milestones", len(told.told))
		}
		m := told.told[i]
		if m.kind != want.kind || m.Channel != want.channel || !m.Position.IsZero() || m.ExcludesOwn != want.excludesOwn || m.IsClosed != want.isClosed || m.Since.IsZero() {
			t.Errorf("milestone %d is %s, %+v; want %+v", i, m.kind, m.Milestone, want)
		}
	}
	if len(told.told) != 4 {
		t.Errorf("told %+v", told.told)
	}
}

// The identity shown in a channel is told where it begins and where it ends, also when
// the session ends.
func TestMilestonesSayWhoIsShown(t *testing.T) {
	told := &milestones{}
	h := newHub(t, nil, &hub.Options{Observer: told.observer()})
	member := &access.Identity{User: "ann"}
	e := connect(t, h)
	e.SetIdentity(&access.Identity{User: "session"})
	e.subscribe("c", hub.SubscribeOptions{Member: member})
	e.subscribe("d", hub.SubscribeOptions{})
	e.Close()
	for channel, want := range map[string]string{"c": "begins ann, ends ann", "d": "begins session, ends session"} {
		var got []string
		for _, m := range told.of(e.Session, channel) {
			got = append(got, m.kind+" "+m.Member.User)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: told %q, want %q", channel, got, want)
		}
	}
}
