package hub_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

func TestPoliciesDecide(t *testing.T) {
	h := newHub(t, nil, &hub.Options{PublicationBytesMax: 100})
	h.SetPolicies(func(channel string) *hub.Policy {
		switch kind, _, _ := strings.Cut(channel, "/"); kind {
		case "short":
			return &hub.Policy{Retention: hub.Retention{Count: 2}}
		case "none":
			return &hub.Policy{NoHistory: true, NoPresence: true}
		case "small":
			return &hub.Policy{PublicationBytesMax: 3}
		case "large":
			return &hub.Policy{PublicationBytesMax: 1000}
		case "state":
			return &hub.Policy{LastValue: true}
		}
		return nil
	})
	for channel, held := range map[string]int{"short/a": 2, "none/a": 0, "other/a": 3} {
		publish(t, h, channel, "1", "2", "3")
		if page, err := h.History(context.Background(), channel, hub.Query{}); err != nil || len(page.Publications) != held {
			t.Errorf("%s holds %d publications, %v; want %d", channel, len(page.Publications), err, held)
		}
	}
	if _, err := h.ListMembers("none/a", hub.PresenceQuery{}); err != hub.ErrNoPresence {
		t.Errorf("presence is off: %v", err)
	}
	for _, row := range []struct {
		channel string
		size    int
		fits    bool
	}{{"small/a", 3, true}, {"small/a", 4, false}, {"large/a", 100, true}, {"large/a", 101, false}, {"other/a", 100, true}} {
		m := hub.Message{Channel: row.channel, Data: make([]byte, row.size)}
		_, _, err := h.Publish(t.Context(), m)
		if row.fits != (err == nil) || err != nil && !errors.Is(err, hub.ErrTooLarge) {
			t.Errorf("%d bytes to %s: %v", row.size, row.channel, err)
		}
		if o := connect(t, h).publish(m); row.fits != (o.Err == nil) {
			t.Errorf("%d bytes to %s from a session: %v", row.size, row.channel, o.Err)
		}
	}

	publish(t, h, "state/a", "old", "new")
	e := connect(t, h)
	e.subscribe("state/a", hub.SubscribeOptions{})
	e.subscribe("state/empty", hub.SubscribeOptions{})
	want(t, e.await(func(all []hub.Push) bool { return len(all) == 1 }), "new")

	h.SetPolicies(nil)
	publish(t, h, "short/a", "4", "5", "6")
	if page, _ := h.History(t.Context(), "short/a", hub.Query{}); len(page.Publications) != 3 {
		t.Errorf("without its policy the channel holds %d publications, want 3", len(page.Publications))
	}
}

func TestPolicyWhereOptionsKeepNothing(t *testing.T) {
	h := newHub(t, nil, &hub.Options{NoHistory: true})
	h.SetPolicies(func(channel string) *hub.Policy {
		if channel == "kept" {
			return &hub.Policy{Retention: hub.Retention{Age: time.Minute}}
		}
		return &hub.Policy{LastValue: true}
	})
	publish(t, h, "kept", "1", "2")
	publish(t, h, "other", "1", "2")
	for channel, held := range map[string]int{"kept": 2, "other": 0} {
		if page, err := h.History(t.Context(), channel, hub.Query{}); err != nil || len(page.Publications) != held {
			t.Errorf("%s holds %d publications, %v; want %d", channel, len(page.Publications), err, held)
		}
	}
}

// Policies that change reach sessions that are given the channel by a pattern.
func TestPoliciesChangeUnderPattern(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, &hub.Options{QueueCountMax: 3})
		set := func(p *hub.Policy) {
			h.SetPolicies(func(channel string) *hub.Policy {
				if channel == "a/*" {
					t.Error("a pattern was asked for its policy")
				}
				return p
			})
		}
		e := connect(t, h)
		e.subscribe("a/*", hub.SubscribeOptions{Rate: 1})
		fast := connect(t, h)
		fast.subscribe("a/**", hub.SubscribeOptions{})
		publish(t, h, "a/b", "1")
		e.drain()
		fast.drain()

		set(&hub.Policy{Slow: hub.DropOldest})
		publish(t, h, "a/b", "2", "3", "4", "5", "6")
		if all := fast.drain(); len(all) != 4 || all[0].Gap == nil || all[0].Gap.Reason != hub.GapDropped || describe(all[1:]) != "4 5 6" {
			t.Errorf("of five, with the new policy, it takes %s", describe(all))
		}

		set(&hub.Policy{Slow: hub.Disconnect})
		publish(t, h, "a/b", "7", "8", "9")
		want(t, fast.drain(), "7 8 9")
		publish(t, h, "a/b", "10", "11", "12", "13")
		if !fast.WasEnded() {
			t.Error("a session that is too slow goes on, which the newest policy does not allow")
		}
		<-time.After(time.Minute)
		if all := e.drain(); len(all) == 0 || all[len(all)-1].Delivery == nil || string(all[len(all)-1].Delivery.Data) != "13" {
			t.Errorf("with a rate of its own it takes %s", describe(all))
		}
	})
}
