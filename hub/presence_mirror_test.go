package hub_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// neighbours are other hubs of which a test knows everything. They note what they are told.
type neighbours struct {
	mu   sync.Mutex
	told []string
}

func (n *neighbours) note(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, fmt.Sprintf(format, args...))
}

// take returns the news since the last call.
func (n *neighbours) take() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := strings.Join(n.told, "; ")
	n.told = nil
	return s
}

func (n *neighbours) Changed(c hub.MembersChange) {
	var users []string
	for _, m := range c.Joined {
		users = append(users, m.User)
	}
	n.note("%d>%d +%v -%d ~%d =%d", c.Previous, c.Number, users, len(c.Left), len(c.Moving), c.Count)
}
func (n *neighbours) Watch(channel string)                     { n.note("watch %s", channel) }
func (n *neighbours) Unwatch(channel string)                   { n.note("unwatch %s", channel) }
func (n *neighbours) Complete(_ string, _ bool, _ func()) bool { return true }
func (n *neighbours) Count(_ string, then func(elsewhere int)) { then(7) }

// member is a session of a user in another hub.
func member(id, user string, since time.Time) hub.Member {
	return hub.Member{ID: id, User: user, Transport: "test", Since: since}
}

// TestNeighboursAreTold: what changes is told once for each channel and window, numbered, and of
// a channel that keeps its members to itself nothing.
func TestNeighboursAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, n := newHub(t, nil, nil), &neighbours{}
		h.SetPolicies(func(channel string) *hub.Policy { return &hub.Policy{NoPresence: channel == "secret"} })
		m, err := h.Mirror(n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Mirror(n); err != hub.ErrMirrored {
			t.Errorf("a second Mirror: %v", err)
		}
		ann, bob := connectUser(t, h, "ann"), connectUser(t, h, "bob")
		step := func(want string, do func()) {
			t.Helper()
			do()
			<-time.After(time.Second)
			synctest.Wait()
			if got := n.take(); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		step("0>1 +[ann bob] -0 ~0 =2", func() {
			ann.subscribe("c", hub.SubscribeOptions{})
			bob.subscribe("c", hub.SubscribeOptions{})
			bob.subscribe("secret", hub.SubscribeOptions{})
		})
		step("1>2 +[ann] -0 ~0 =2", func() { // a user that is back has not left
			ann.unsubscribe("c")
			ann.subscribe("c", hub.SubscribeOptions{})
		})
		step("2>3 +[Ann] -0 ~0 =2", func() { ann.SetIdentity(&access.Identity{User: "Ann"}) })
		step("3>4 +[] -1 ~0 =1; 0>5 +[bob] -0 ~0 =1", func() {
			ann.unsubscribe("c")
			bob.subscribe("d", hub.SubscribeOptions{})
		})
		if own := m.Own("c"); own.Number != 4 || own.AsOf != 5 || len(own.Members) != 1 || own.Members[0].User != "bob" {
			t.Errorf("in c are %+v", own)
		}
		if own := m.Own("secret"); own.Number != 0 || len(own.Members) != 1 {
			t.Errorf("in a channel that tells nobody are %+v", own)
		}
		step("5>6 +[] -1 ~0 =0", func() { bob.unsubscribe("d") })
		step("4>7 +[] -0 ~1 =0", func() { // the hub ends
			for _, s := range h.Sessions() {
				defer s.Close()
			}
			go func() { _ = h.Shutdown(t.Context()) }()
			synctest.Wait()
		})
		if own := m.Own("c"); own.Number != 0 || own.AsOf != 7 || len(own.Members) != 0 {
			t.Errorf("of an empty channel is said %+v", own)
		}
	})
}

// TestSessionInTwoHubs: a session that two hubs claim while it moves is a member once, and no
// watcher is told of the move.
func TestSessionInTwoHubs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, n := newHub(t, nil, nil), &neighbours{}
		m, err := h.Mirror(n)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Keep("c")()
		watcher := connectUser(t, h, "watcher")
		watcher.watch(false)
		began := time.Now()
		moves := connectUser(t, h, "moves")
		names := map[string]string{moves.ID(): "moves", watcher.ID(): "watcher", "other": "other"}
		step := func(what, want string, count int, do func()) {
			t.Helper()
			do()
			<-time.After(2 * time.Second)
			synctest.Wait()
			var got []string
			for _, p := range watcher.drain() {
				if p.Changes != nil {
					got = append(got, changes(names, p.Changes))
				}
			}
			if strings.Join(got, "; ") != want {
				t.Errorf("%s: told %q, want %q", what, got, want)
			}
			r, err := h.ListMembers("c", hub.PresenceQuery{})
			if err != nil || r.Count != count || len(r.Members) != count {
				t.Errorf("%s: %d members are counted, %d listed, %v; want %d", what, r.Count, len(r.Members), err, count)
			}
		}
		apply := func(node string, c hub.MembersChange) {
			c.Channel = "c"
			m.Apply(node, &c)
		}
		id := moves.ID()
		step("it is here", "+moves =2", 2, func() { moves.subscribe("c", hub.SubscribeOptions{}) })
		step("and elsewhere", "", 2, func() {
			apply("b", hub.MembersChange{Number: 1, Joined: []hub.Member{member(id, "moves", began)}, Count: 1})
		})
		step("it leaves here", "", 2, func() { moves.unsubscribe("c") })
		step("another one says so, too", "", 2, func() {
			apply("a", hub.MembersChange{Number: 1, Joined: []hub.Member{member(id, "moves", began.Add(time.Second))}, Count: 1})
		})
		step("the first one says that it has left", "", 2, func() { apply("b", hub.MembersChange{Previous: 1, Number: 2, Left: []string{id}}) })
		step("it is back, and left there", "", 2, func() {
			moves.subscribe("c", hub.SubscribeOptions{})
			apply("a", hub.MembersChange{Previous: 1, Number: 2, Left: []string{id}})
		})
		step("it leaves", "-moves =1", 1, func() { moves.unsubscribe("c") })

		step("somebody else is sent away", "+other =2", 2, func() {
			apply("b", hub.MembersChange{Number: 3, Joined: []hub.Member{member("other", "other", began)}, Count: 1})
		})
		step("and is waited for", "", 2, func() { apply("b", hub.MembersChange{Previous: 3, Number: 4, Moving: []string{"other"}}) })
		step("in vain", "-other =1", 1, func() { m.Settle("b", "c", time.Now()) })
	})
}

// TestCountElsewhere: a count is that of all hubs, also where identities are not kept.
func TestCountElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		if _, err := h.Mirror(&neighbours{}); err != nil {
			t.Fatal(err)
		}
		for _, channel := range []string{"c", "nobody's"} {
			if channel == "c" {
				connectUser(t, h, "ann").subscribe(channel, hub.SubscribeOptions{})
			}
			want := map[string]int{"c": 8, "nobody's": 7}[channel]
			r, err := h.Members(t.Context(), channel, hub.PresenceQuery{CountOnly: true})
			if err != nil || r.Count != want {
				t.Errorf("%d in %q, %v", r.Count, channel, err)
			}
		}
		if _, err := h.Members(t.Context(), "c", hub.PresenceQuery{After: "x"}); err != hub.ErrCursor {
			t.Errorf("a cursor that is none: %v", err)
		}
	})
}
