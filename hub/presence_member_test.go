package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// A subscription with a Member shows that one, in lists and to watchers, and the rest of
// its session shows the session's identity.
func TestASubscriptionShowsItsMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		watcher := h.edge("watcher")
		watcher.watch(true)
		as := func(name, channel, user string) {
			h.edge(name).subscribe(channel, hub.SubscribeOptions{Member: &access.Identity{User: user, Info: []byte(`"member"`)}})
		}
		as("x", "c", "ann")
		as("y", "c", "ann")
		as("z", "c", "bob")
		h.edge("x").subscribe("d", hub.SubscribeOptions{})
		as("z", "c/*", "nobody")
		<-time.After(hub.DefaultJoinWindow)
		synctest.Wait()
		var told []string
		for _, p := range watcher.drain() {
			if p.Changes != nil {
				told = append(told, changes(h.names, p.Changes))
			}
		}
		if want := []string{"+ann +bob =3"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		for channel, want := range map[string]string{
			"c": `[{ann 2 "member"} {bob 1 "member"} {watcher 1 "watcher!"}]`, "d": `[{x 1 "x!"}]`,
		} {
			r, err := h.h.ListMembers(channel, hub.PresenceQuery{ByUser: true})
			if err != nil {
				t.Fatal(err)
			}
			type shown struct {
				User     string
				Sessions int
				Info     string
			}
			var got []shown
			for _, m := range r.Members {
				got = append(got, shown{m.User, m.Sessions, m.Info})
			}
			slices.SortFunc(got, func(a, b shown) int { return strings.Compare(a.User, b.User) })
			if fmt.Sprint(got) != want {
				t.Errorf("%s: %v, want %s", channel, got, want)
			}
		}
		r, err := h.h.ListMembers("c", hub.PresenceQuery{})
		if err != nil || !slices.ContainsFunc(r.Members, func(m hub.Member) bool { return m.ID == h.edge("x").ID() && m.User == "ann" }) {
			t.Errorf("sessions: %v, %v", r.Members, err)
		}
		if id := h.edge("x").Identity(); id.User != "x" {
			t.Errorf("the session is of %q", id.User)
		}
		h.edge("x").unsubscribe("c")
		h.edge("z").Close()
		<-time.After(hub.DefaultJoinWindow)
		synctest.Wait()
		told = nil
		for _, p := range watcher.drain() {
			if p.Changes != nil {
				told = append(told, changes(h.names, p.Changes))
			}
		}
		if want := []string{"-bob =2"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

// The shown identity is read while a subscription gets its rare fields.
func TestAMemberIsReadWhileABacklogBegins(t *testing.T) {
	h := newHub(t, nil, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			if _, err := h.ListMembers("c", hub.PresenceQuery{ByUser: true}); err != nil {
				t.Error(err)
			}
		}
	}()
	member := &access.Identity{User: "ann"}
	for i := range 50 {
		e := connect(t, h)
		o := hub.SubscribeOptions{Rate: 1 + i%2}
		if i%3 == 0 {
			o.Member = member
		}
		e.subscribe("c", o)
		h.SetPolicies(func(string) *hub.Policy { return &hub.Policy{Rate: i % 3} })
	}
	<-done
	if r, err := h.ListMembers("c", hub.PresenceQuery{ByUser: true}); err != nil || len(r.Members) != 1 || r.Members[0].Sessions != 17 {
		t.Errorf("%v, %v", r.Members, err)
	}
}

// A caller that only looks sees members as they are, also those that no watcher was told of yet.
func TestLatestMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.edge("watcher").watch(true)
		<-time.After(hub.DefaultJoinWindow)
		h.edge("x").subscribe("c", hub.SubscribeOptions{Member: &access.Identity{User: "ann"}})
		h.edge("y").subscribe("c", hub.SubscribeOptions{Member: &access.Identity{User: "ann"}})
		synctest.Wait()
		for _, q := range []hub.PresenceQuery{{Latest: true}, {Latest: true, CountOnly: true}, {Latest: true, ByUser: true}, {Latest: true, ByUser: true, CountOnly: true}} {
			r, err := h.h.ListMembers("c", q)
			users, members := 0, 0
			if q.ByUser {
				users = 2
			}
			if !q.CountOnly {
				if members = 3; q.ByUser {
					members = 2
				}
			}
			if err != nil || r.Count != 3 || r.Users != users || len(r.Members) != members || r.Version != 0 {
				t.Errorf("%+v: %+v, %v", q, r, err)
			}
		}
		if r, err := h.h.ListMembers("c", hub.PresenceQuery{ByUser: true}); err != nil || r.Users != 1 || r.Version == 0 {
			t.Errorf("as it was told: %+v, %v", r, err)
		}
	})
}
