package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// connectUser connects a session of a user, "" for a client that is not known.
func connectUser(t testing.TB, h *hub.Hub, user string) *edge {
	t.Helper()
	if user == "" {
		return connect(t, h)
	}
	e := &edge{t: t, woken: make(chan struct{}, 1)}
	var err error
	e.Session, err = h.ConnectAs(&access.Identity{User: user, Info: []byte(`"` + user + `!"`)}, "test", func() {
		select {
		case e.woken <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal("ConnectAs:", err)
	}
	t.Cleanup(e.Close)
	return e
}

// watch subscribes to channel "c" and is told of its members. It returns how many
// there are.
func (e *edge) watch(byUser bool) int {
	e.t.Helper()
	o := e.outcome(func(tag uint64) {
		e.Subscribe(tag, "c", hub.SubscribeOptions{Presence: true, PresenceByUser: byUser})
	})
	if o.Err != nil {
		e.t.Fatal("Subscribe:", o.Err)
	}
	return o.Count
}

// changes shows Changes as "+a +b -c =3", with the names of sessions or the users.
func changes(names map[string]string, c *hub.Changes) string {
	s := ""
	for sign, members := range map[string][]hub.Member{"+": c.Joined, "-": c.Left} {
		for _, m := range members {
			if c.ByUser {
				s += sign + m.User + " "
			} else {
				s += sign + names[m.ID] + " "
			}
		}
	}
	if c.IsPartial {
		s += "partial "
	}
	words := strings.Fields(s)
	slices.Sort(words)
	return strings.Join(append(words, fmt.Sprint("=", c.Count)), " ")
}

// house is a hub with sessions that have names, and users of the same names, for
// tests in virtual time.
type house struct {
	t     *testing.T
	h     *hub.Hub
	edges map[string]*edge
	names map[string]string // of sessions, by ID
	begin time.Time
}

func newHouse(t *testing.T, o *hub.Options) *house {
	return &house{t: t, h: newHub(t, nil, o), edges: map[string]*edge{}, names: map[string]string{}, begin: time.Now()}
}

// at waits for a time since the beginning.
func (h *house) at(d time.Duration) {
	h.t.Helper()
	wait := time.Until(h.begin.Add(d))
	if wait < 0 {
		h.t.Fatalf("it is later than %v", d)
	}
	<-time.After(wait)
	synctest.Wait()
}

// edge is the session of a name. That of "ann2" is of the user "ann".
func (h *house) edge(name string) *edge {
	e := h.edges[name]
	if e == nil {
		e = connectUser(h.t, h.h, strings.TrimRight(name, "0123456789"))
		h.edges[name] = e
		h.names[e.ID()] = name
	}
	return e
}

func (h *house) join(names ...string) {
	for _, name := range names {
		h.edge(name).subscribe("c", hub.SubscribeOptions{})
	}
}

func (h *house) leave(names ...string) {
	for _, name := range names {
		h.edge(name).unsubscribe("c")
	}
}

// told checks what a session is given now.
func (h *house) told(name string, want ...string) {
	h.t.Helper()
	var got []string
	for _, p := range h.edge(name).drain() {
		switch {
		case p.Changes != nil && p.Changes.Channel == p.Channel:
			got = append(got, changes(h.names, p.Changes))
		case p.Delivery != nil:
			got = append(got, string(p.Delivery.Data))
		default:
			got = append(got, fmt.Sprintf("%+v", p))
		}
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("after %v %s is told %q, want %q", time.Since(h.begin), name, got, want)
	}
}

func TestJoinsAreCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.join("old")
		if n := h.edge("w").watch(false); n != 2 {
			t.Errorf("%d members when it begins, want 2", n)
		}
		h.at(3 * time.Second)
		h.told("w") // not itself, which was there

		h.at(3300 * time.Millisecond)
		h.join("ann")
		h.at(3500 * time.Millisecond)
		h.join("bob", "cid")
		h.leave("old")
		h.at(4300*time.Millisecond - 1)
		h.told("w")
		h.at(4300 * time.Millisecond)
		h.told("w", "+ann +bob +cid -old =4")

		h.at(4400 * time.Millisecond) // not before the window that begins now has ended
		h.leave("bob")
		h.at(5400*time.Millisecond - 1)
		h.told("w")
		h.at(5400 * time.Millisecond)
		h.told("w", "-bob =3")
		h.at(time.Hour)
		h.told("w")
	})
}

func TestFlapIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.join("ann", "bob")
		h.edge("w").watch(false)
		h.leave("ann")
		h.at(900 * time.Millisecond)
		h.join("ann")         // went and came back
		h.join("cid")         // will not have been there
		h.leave("bob")        // is gone
		h.join("bob")         // and back
		h.leave("bob", "cid") // and gone
		h.join("dan")
		h.at(time.Second)
		h.told("w", "+dan -bob =3")
		h.leave("ann", "dan")
		h.join("ann", "dan")
		h.at(time.Minute)
		h.told("w")
		h.edge("eve").Close()
		h.edge("dan").Close() // a session that ends leaves, too
		h.at(61 * time.Second)
		h.told("w", "-dan =2")
	})
}

func TestUsersComeWithTheirFirstSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.join("ann", "12") // the user of 12 is not known
		if n := h.edge("w").watch(true); n != 2 {
			t.Errorf("%d users when it begins, want 2", n)
		}
		h.join("ann2", "bob", "34")
		h.leave("12")
		h.at(time.Second)
		h.told("w", "+bob =3")
		h.leave("ann")
		h.at(3 * time.Second)
		h.told("w") // there is another one of ann
		h.leave("ann2")
		h.at(3500 * time.Millisecond)
		h.join("ann3") // the page was loaded again
		h.leave("bob")
		h.at(5 * time.Second)
		h.told("w", "-bob =2")

		r, err := h.h.ListMembers("c", hub.PresenceQuery{ByUser: true})
		if err != nil || r.Count != 3 || r.Users != 2 || len(r.Members) != 2 {
			t.Fatal(r, err)
		}
		if m := r.Members[1]; m.User != "ann" || m.Sessions != 1 || m.ID != "" || m.Info != `"ann!"` {
			t.Errorf("a user is %+v", m)
		}
	})
}

// TestBothKindsOfWatches: a watch that begins in the middle of a window is told the
// changes since the roster that it can read.
func TestBothKindsOfWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.join("ann", "bob")
		h.edge("w").watch(false)
		h.leave("bob")
		h.join("cid")
		h.at(500 * time.Millisecond)
		h.edge("u").watch(true)
		r, err := h.h.ListMembers("c", hub.PresenceQuery{ByUser: true})
		isOf := func(user string) bool {
			return slices.ContainsFunc(r.Members, func(m hub.Member) bool { return m.User == user })
		}
		if err != nil || r.Users != 3 || len(r.Members) != 3 || !isOf("ann") || !isOf("bob") || !isOf("w") {
			t.Errorf("the roster of the last window is %+v, %v", r, err)
		}
		h.at(time.Second)
		h.told("w", "+cid +u -bob =4")
		h.told("u", "+cid +u -bob =4")
		h.edge("u").Close()
		h.at(2 * time.Second)
		h.told("w", "-u =3")
	})
}

func TestOneChangesForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		watchers := []string{"u", "v", "w"}
		for _, name := range watchers {
			h.edge(name).watch(false)
		}
		h.at(time.Second)
		h.join("ann")
		h.at(2 * time.Second)
		var first *hub.Changes
		for i, name := range watchers {
			pushes := h.edge(name).drain()
			last := pushes[len(pushes)-1].Changes
			if i == 0 {
				first = last
			}
			if last != first || len(last.Joined) != 1 {
				t.Errorf("%s has another one: %+v", name, last)
			}
		}
	})
}

func TestChangesComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, &hub.Options{JoinWindow: 100 * time.Millisecond})
		h.edge("w").watch(false)
		publish(t, h.h, "c", "1")
		h.join("ann")
		publish(t, h.h, "c", "2")
		h.at(100 * time.Millisecond)
		publish(t, h.h, "c", "3")
		h.leave("ann")
		h.at(200 * time.Millisecond)
		publish(t, h.h, "c", "4")
		h.told("w", "1", "2", "+ann =2", "3", "-ann =1", "4")

		// What waits is dropped with the subscription, and nothing comes after it.
		h.join("ann")
		h.at(300 * time.Millisecond)
		h.leave("ann")
		h.leave("w")
		h.at(time.Second)
		h.told("w")
	})
}

func TestManyChangesAreACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.edge("w").watch(false)
		for i := range hub.ChangesMax {
			h.join(fmt.Sprint("x", i))
		}
		h.at(time.Second)
		got := h.edge("w").drain()
		if len(got) != 1 || got[0].Changes.IsPartial || len(got[0].Changes.Joined) != hub.ChangesMax || got[0].Changes.Joined[3].User != "x" {
			t.Errorf("told of %d members: %+v", hub.ChangesMax, got)
		}
		for i := range hub.ChangesMax + 1 {
			h.join(fmt.Sprint("y", i))
		}
		h.at(2 * time.Second)
		h.told("w", "partial =202")

		// Long infos count, too.
		long := &access.Identity{User: "z", Info: []byte(`"` + strings.Repeat("z", 8<<10) + `"`)}
		for range 9 {
			s, err := h.h.ConnectAs(long, "test", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.Subscribe(0, "c", hub.SubscribeOptions{})
		}
		h.at(3 * time.Second)
		h.told("w", "partial =211")
	})
}

// TestSlowWatcher: what waits for it is bounded, and it can tell that it has missed
// something.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.edge("w").watch(false)
		h.edge("fast").watch(false)
		h.at(time.Second)
		h.told("fast", "+fast =2")
		var versions []uint64
		add := func(n int) {
			for i := range n {
				h.join(fmt.Sprintf("%c%d", 'a'+len(versions), i))
			}
			<-time.After(time.Second)
			synctest.Wait()
			all := h.edge("fast").drain()
			if len(all) != 1 || len(all[0].Changes.Joined) != n {
				t.Fatal(all)
			}
			versions = append(versions, all[0].Changes.Version)
		}
		add(60)
		add(38) // with fast itself 99
		publish(t, h.h, "c", "1")
		h.edge("fast").drain()
		pushes := h.edge("w").drain()
		if len(pushes) != 4 || len(pushes[1].Changes.Joined) != 60 || len(pushes[2].Changes.Joined) != 38 || pushes[3].Delivery == nil {
			t.Fatalf("99 members wait as %s", describe(pushes))
		}
		last := pushes[2].Changes.Version
		add(60)
		publish(t, h.h, "c", "2")
		h.edge("fast").drain()
		add(41)
		add(1)
		pushes = h.edge("w").drain()
		if len(pushes) != 2 || pushes[0].Delivery == nil {
			t.Fatalf("102 members wait as %s", describe(pushes))
		}
		c := pushes[1].Changes
		if !c.IsPartial || c.Count != 202 || c.Previous != last || c.Version != versions[4] || len(c.Joined) != 0 {
			t.Errorf("102 members wait as %+v", c)
		}
		add(2)
		if got := h.edge("w").drain(); len(got) != 1 || len(got[0].Changes.Joined) != 2 || got[0].Changes.Previous != versions[4] {
			t.Errorf("after that it is told %+v", got[0].Changes)
		}
	})
}

// TestWhileTheyAreTold: what happens while the watchers are being told is news of
// the next window, and no remaining watcher is left out.
func TestWhileTheyAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		meanwhile := func() {}
		s, err := h.h.Connect("test", func() { meanwhile() })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Subscribe(0, "c", hub.SubscribeOptions{Presence: true})
		h.edge("u").watch(false)
		h.edge("v").watch(false)
		h.edge("w").watch(false)
		h.at(time.Second)
		h.told("v", "+u +v +w =4")
		h.told("w", "+u +v +w =4") // also of those that were there before it in this window
		h.join("ann")
		meanwhile = func() {
			h.leave("u")
			h.join("bob")
			h.edge("x").watch(false)
		}
		if _, err := s.Take(nil); err != nil {
			t.Fatal(err)
		}
		h.at(2 * time.Second)
		meanwhile = func() {}
		h.told("v", "+ann =5")
		h.told("w", "+ann =5")
		h.told("x")
		h.at(3 * time.Second)
		h.told("w", "+bob +x -u =6")
		h.told("x", "+bob +x -u =6")
	})
}

// TestChannelThatTellsNobody: the policy decides, also later.
func TestChannelThatTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		set := func(p *hub.Policy) { h.h.SetPolicies(func(string) *hub.Policy { return p }) }
		set(&hub.Policy{JoinWindow: 10 * time.Millisecond})
		h.edge("w").watch(false)
		h.join("ann")
		h.at(10 * time.Millisecond)
		h.told("w", "+ann =2")
		for _, c := range []struct {
			want error
			off  hub.Policy
		}{{hub.ErrNoPresence, hub.Policy{NoPresence: true}}, {hub.ErrNoJoins, hub.Policy{NoJoins: true}}} {
			set(&c.off)
			e := connect(t, h.h)
			if err := e.trySubscribe("c", hub.SubscribeOptions{Presence: true}); err != c.want || !errors.Is(err, hub.ErrNoPresence) {
				t.Errorf("%+v: %v", c.off, err)
			}
			if err := e.trySubscribe("c", hub.SubscribeOptions{}); err != nil {
				t.Errorf("%+v: %v", c.off, err)
			}
			<-time.After(time.Minute)
			synctest.Wait()
			h.told("w") // it watched before that
		}
		set(nil)
		if n, err := h.h.PresenceCount("c"); n != 4 || err != nil {
			t.Errorf("%d members, %v", n, err)
		}
		h.join("bob")
		<-time.After(time.Minute)
		synctest.Wait()
		all := h.edge("w").drain()
		if len(all) != 1 || all[0].Changes == nil {
			t.Fatalf("told %+v", all)
		}
		if c := all[0].Changes; c.Previous != c.Version-1 || c.Count != 5 {
			t.Errorf("told %+v", c)
		}
	})
}
