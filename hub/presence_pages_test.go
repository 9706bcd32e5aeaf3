package hub_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

func TestMembersArePaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, isWatched := range []bool{false, true} {
			h := newHouse(t, nil)
			if isWatched {
				h.edge("w").watch(false)
			}
			for i := range 250 {
				h.join(fmt.Sprintf("%c%d", 'A'+i%25, i))
				if i%3 == 0 {
					<-time.After(time.Millisecond)
				}
			}
			<-time.After(2 * time.Second)
			for _, byUser := range []bool{false, true} {
				want := 250
				if byUser {
					want = 25
				}
				if isWatched {
					want++
				}
				for _, limit := range []int{0, 1, 7, 1000, hub.NoLimit} {
					q := hub.PresenceQuery{Limit: limit, ByUser: byUser}
					var all []hub.Member
					pages := 0
					for {
						r, err := h.h.ListMembers("c", q)
						if err != nil {
							t.Fatal(err)
						}
						if pages++; len(r.Members) == 0 || len(r.Members) > max(limit, 1) && limit != 0 || (r.Version != 0) != isWatched {
							t.Fatalf("limit %d, page %d has %d members, version %d", limit, pages, len(r.Members), r.Version)
						}
						all = append(all, r.Members...)
						if q.After = r.Next; q.After == "" {
							break
						}
					}
					sessions := 0
					for i, m := range all {
						sessions += m.Sessions
						if i > 0 && m.Since.Before(all[i-1].Since) {
							t.Fatal("not the longest first")
						}
					}
					per := limit
					if limit == 0 {
						per = hub.DefaultMembers
					}
					if len(all) != want || (want-1)/per+1 != pages || byUser && sessions != h.count() {
						t.Errorf("limit %d, by user %v: %d members of %d sessions on %d pages, want %d", limit, byUser, len(all), sessions, pages, want)
					}
				}
			}
		}
	})
}

func (h *house) count() int {
	n, err := h.h.PresenceCount("c")
	if err != nil {
		h.t.Error(err)
	}
	return n
}

func TestPresenceQueries(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	for _, after := range []string{"x", strings.Repeat("0", 16), strings.Repeat("0", 99), "-000000000000001a", "00000000000000FFa"} {
		if _, err := h.ListMembers("c", hub.PresenceQuery{After: after}); err != hub.ErrCursor {
			t.Errorf("after %q: %v", after, err)
		}
	}
	var option *hub.OptionError
	if _, err := h.ListMembers("c", hub.PresenceQuery{Limit: -1}); !errors.As(err, &option) {
		t.Errorf("a negative limit: %v", err)
	}
	if o := e.outcome(func(tag uint64) { e.Presence(tag, "c/*", hub.PresenceQuery{}) }); o.Err == nil || o.Roster != nil {
		t.Errorf("a pattern: %+v", o)
	}
	for _, byUser := range []bool{false, true} {
		o := e.outcome(func(tag uint64) { e.Presence(tag, "c", hub.PresenceQuery{CountOnly: true, ByUser: byUser}) })
		if r := o.Roster; o.Err != nil || r.Count != 1 || r.Users != 0 || r.Members != nil {
			t.Errorf("a count is %+v, %v", r, o.Err)
		}
	}
	// A page that is long ends early.
	info := []byte(`"` + strings.Repeat("x", 100<<10) + `"`)
	for range 5 {
		s, err := h.ConnectAs(&access.Identity{User: "ann", Info: info}, "test", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		s.Subscribe(0, "long", hub.SubscribeOptions{})
	}
	r, err := h.ListMembers("long", hub.PresenceQuery{})
	if err != nil || len(r.Members) != 2 || r.Next == "" || r.Count != 5 {
		t.Errorf("a page with long infos has %d members, %v", len(r.Members), err)
	}
}

// TestOneRosterIsHeld: with any number of requests of a client, one page of members waits for it.
func TestOneRosterIsHeld(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	for i := range 5 {
		e.Presence(uint64(i+1), "c", hub.PresenceQuery{})
	}
	for i := range 5 {
		got, err := e.Take(nil)
		if err != nil || len(got) != 1 || got[0].Outcome.Tag != uint64(i+1) || len(got[0].Outcome.Roster.Members) != 1 {
			t.Fatalf("took %s, %v", describe(got), err)
		}
	}
}

// TestWatchersLeave: of members that came and went nothing is left.
func TestWatchersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.join("ann")
		for round := range 3 {
			var watchers []*edge
			for i := range 200 {
				e := connect(t, h.h)
				e.watch(i%2 == 0)
				watchers = append(watchers, e)
			}
			for i, e := range watchers {
				if i%3 == 0 {
					e.Close()
				} else {
					e.unsubscribe("c")
				}
				if i == 100 {
					<-time.After(1500 * time.Millisecond)
				}
			}
			<-time.After(time.Minute)
			if r, err := h.h.ListMembers("c", hub.PresenceQuery{}); err != nil || r.Version != 0 || r.Count != 1 {
				t.Errorf("round %d: %+v, %v", round, r, err)
			}
		}
	})
}

// TestPresenceThatNobodyWatchesIsFree: members come and go without an allocation for it.
func TestPresenceThatNobodyWatchesAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector; .ci/run budgets runs this without")
	}
	h := newHub(t, nil, nil)
	connect(t, h).subscribe("c", hub.SubscribeOptions{})
	s, err := h.Connect("test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := testing.AllocsPerRun(500, func() {
		s.Subscribe(0, "c", hub.SubscribeOptions{})
		s.Unsubscribe(0, "c")
	})
	if got > 2 { // the subscription, and how it is to begin
		t.Errorf("%v allocations to come and go, want 2", got)
	}
	runtime.KeepAlive(h)
}

func FuzzPresenceCursor(f *testing.F) {
	h := newHub(f, nil, nil)
	for range 3 {
		connect(f, h).subscribe("c", hub.SubscribeOptions{})
	}
	q := hub.PresenceQuery{Limit: 1}
	for range 2 {
		r, err := h.ListMembers("c", q)
		if err != nil {
			f.Fatal(err)
		}
		q.After = r.Next
		f.Add(q.After)
	}
	f.Add("")
	f.Add("0000000000000000a")
	f.Fuzz(func(t *testing.T, after string) {
		r, err := h.ListMembers("c", hub.PresenceQuery{After: after})
		if err != nil && err != hub.ErrCursor || err == nil && len(r.Members) > 3 {
			t.Errorf("%d members, %v", len(r.Members), err)
		}
	})
}
