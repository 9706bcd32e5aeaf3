package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

// Pages of a list come one after another and miss nothing that is there all the
// time, whether a channel is there for its subscribers or for its history.
func TestListChannels(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	subscribed := []string{"both", "used/1", "used/2", "a"}
	for _, name := range subscribed {
		e.subscribe(name, hub.SubscribeOptions{})
	}
	for _, name := range []string{"both", "both", "held/1", "held/2", "z"} {
		publish(t, h, name, "x")
	}
	want := []string{"a 1 0", "both 1 2", "held/1 0 1", "held/2 0 1", "used/1 1 0", "used/2 1 0", "z 0 1"}
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		q := hub.ListQuery{Limit: limit}
		for {
			channels, err := h.ListChannels(t.Context(), q)
			if err != nil || len(channels) > limit {
				t.Fatal(channels, err)
			}
			for _, c := range channels {
				got = append(got, fmt.Sprint(c.Name, " ", c.Subscribers, " ", c.Publications))
				if c.Position.IsZero() != (c.Publications == 0) {
					t.Errorf("%+v", c)
				}
				q.After = c.Name
			}
			if len(channels) < limit {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q, want %q", limit, got, want)
		}
	}
	channels, err := h.ListChannels(t.Context(), hub.ListQuery{Limit: 2, Match: func(name string) bool { return name > "both" }})
	if err != nil || len(channels) != 2 || channels[0].Name != "held/1" {
		t.Errorf("after both: %v, %v", channels, err)
	}
	if _, err := h.ListChannels(t.Context(), hub.ListQuery{}); !errors.Is(err, hub.ErrListLimit) {
		t.Errorf("without a limit: %v", err)
	}
	_ = h.Close()
	if _, err := h.ListChannels(t.Context(), hub.ListQuery{Limit: 1}); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("of a closed hub: %v", err)
	}
}

// With a broker that does not know its channels the list has those with subscribers.
func TestListChannelsOfSubscribersOnly(t *testing.T) {
	h := newHub(t, immediate{newBroker()}, nil)
	e := connect(t, h)
	e.subscribe("used", hub.SubscribeOptions{})
	publish(t, h, "held", "x")
	channels, err := h.ListChannels(t.Context(), hub.ListQuery{Limit: 10})
	if err != nil || len(channels) != 1 || channels[0].Name != "used" {
		t.Errorf("%v, %v", channels, err)
	}
}

func TestListSessions(t *testing.T) {
	h := newHub(t, nil, nil)
	var ids []string
	for i := range 10 {
		e := connect(t, h)
		if i%2 == 0 {
			e.subscribe("even", hub.SubscribeOptions{})
		}
		if h.FindSession(e.ID()) != e.Session {
			t.Error("a session is not found by its ID")
		}
		ids = append(ids, e.ID())
	}
	slices.Sort(ids)
	after, seen := "", []string{}
	for {
		page := h.ListSessions(after, 3, func(*hub.Session) bool { return true })
		for _, s := range page {
			seen, after = append(seen, s.ID()), s.ID()
		}
		if len(page) < 3 {
			break
		}
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("%q, want %q", seen, ids)
	}
	even := h.ListSessions("", 10, func(s *hub.Session) bool { return s.IsSubscribed("even") })
	if len(even) != 5 || h.FindSession("") != nil {
		t.Errorf("%d are subscribed, want 5", len(even))
	}
}

// A pattern is no channel, wherever channels are counted, listed or asked about.
func TestPatternsAreNoChannels(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connectUser(t, h, "ann")
	e.subscribe("room/*", hub.SubscribeOptions{})
	e.subscribe("**", hub.SubscribeOptions{})
	check := func(channels int, list string) {
		t.Helper()
		if s := h.Stats(); s.Channels != channels {
			t.Errorf("%d channels are counted, want %d", s.Channels, channels)
		}
		if got := h.Channels(); len(got) != 0 {
			t.Errorf("channels with subscribers are %v", got)
		}
		got, err := h.ListChannels(t.Context(), hub.ListQuery{Limit: 10})
		var names []string
		for _, c := range got {
			names = append(names, fmt.Sprint(c.Name, " ", c.Subscribers))
		}
		if err != nil || strings.Join(names, ",") != list {
			t.Errorf("the list is %q (%v), want %q", names, err, list)
		}
		if n, err := h.PresenceCount("room/8"); err != nil || n != 0 {
			t.Errorf("a pattern has made %d members (%v)", n, err)
		}
		if n, err := h.PresenceCount("room/*"); err == nil {
			t.Errorf("a pattern has %d members", n)
		}
		if _, err := h.ListMembers("room/*", hub.PresenceQuery{}); err == nil {
			t.Error("a pattern has a roster")
		}
	}
	check(0, "")
	publish(t, h, "room/8", "1")
	check(1, "room/8 0") // a pattern is given it
	e.Close()
	check(0, "room/8 0")
}
