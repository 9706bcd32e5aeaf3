package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// listed are the names of a list, with how many publications each has.
func listed(channels []hub.ChannelInfo) (names []string) {
	for _, c := range channels {
		names = append(names, fmt.Sprintf("%s:%d", c.Name, c.Publications))
	}
	return names
}

// listOfChannels is about a Broker that knows which channels have history.
func listOfChannels(t *testing.T, f *fixture) {
	f.start(nil)
	b, ok := f.Broker.(hub.ListingBroker)
	if !ok {
		t.Skip("this broker is no hub.ListingBroker")
	}
	list := func(q hub.ListQuery, want ...string) []hub.ChannelInfo {
		t.Helper()
		channels, err := b.List(f.ctx, q)
		if err != nil {
			t.Fatal("List:", err)
		}
		if got := listed(channels); !slices.Equal(got, want) {
			t.Errorf("List after %q, at most %d: %q, want %q", q.After, q.Limit, got, want)
		}
		return channels
	}
	list(hub.ListQuery{Limit: 10})
	var newest hub.Position
	for i, name := range []string{"b", "a/2", "@ann", "a", "ä", "c"} {
		newest = f.publishAll(name, plenty, numbered(i+1)...)[i+1]
	}
	f.publishAll("not kept", hub.Retention{}, "x")
	f.listen("only heard")
	all := list(hub.ListQuery{Limit: 10}, "@ann:3", "a:4", "a/2:2", "b:1", "c:6", "ä:5")
	if len(all) == 6 && all[4].Position != newest {
		t.Errorf("the newest position of c is %v, want %v", all[4].Position, newest)
	}
	list(hub.ListQuery{Limit: 2}, "@ann:3", "a:4")
	list(hub.ListQuery{Limit: 2, After: "a"}, "a/2:2", "b:1")
	list(hub.ListQuery{Limit: 2, After: "a/1"}, "a/2:2", "b:1")
	list(hub.ListQuery{Limit: 2, After: "ä"})
	list(hub.ListQuery{Limit: 2, Match: func(name string) bool { return !strings.HasPrefix(name, "a") }}, "@ann:3", "b:1")
	if clearing, ok := f.Broker.(hub.ClearingBroker); ok {
		if err := clearing.Clear(f.ctx, "a"); err != nil {
			t.Fatal(err)
		}
		list(hub.ListQuery{Limit: 2}, "@ann:3", "a/2:2")
	}
	for _, limit := range []int{0, -1} {
		if _, err := b.List(f.ctx, hub.ListQuery{Limit: limit}); !errors.Is(err, hub.ErrListLimit) {
			t.Errorf("List of at most %d: %v, want ErrListLimit", limit, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.List(f.ctx, hub.ListQuery{Limit: 1}); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("List after Close: %v, want ErrClosed", err)
	}
}

// listForgets does not list a channel whose history has expired.
func listForgets(t *testing.T, f *fixture) {
	f.start(nil)
	b, ok := f.Broker.(hub.ListingBroker)
	if !ok {
		t.Skip("this broker is no hub.ListingBroker")
	}
	f.publishAll("long", plenty, "x")
	f.publishAll("short", hub.Retention{Count: 10, Age: 10 * time.Second}, "x")
	f.silence(12 * time.Second)
	channels, err := b.List(f.ctx, hub.ListQuery{Limit: 10})
	if got := listed(channels); err != nil || !slices.Equal(got, []string{"long:1"}) {
		t.Errorf("List: %q, %v", got, err)
	}
}
