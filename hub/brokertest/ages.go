package brokertest

import (
	"slices"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// realAge is the age that a publication reaches where time is real. A broker whose shortest
// unit is a second can keep to it.
const realAge = 2 * time.Second

// realPause is the pause between two looks at history that is to expire.
const realPause = 50 * time.Millisecond

// agesInRealTime stands for the tests of age, for a Broker whose time is real. Everything is published
// first, so that all of it grows old at once. Nothing here depends on the speed of the machine: a
// publication that is gone must have been old enough when it was last asked for, and must be gone at
// some time.
func agesInRealTime(t *testing.T, f *fixture) {
	f.start(nil)
	short := hub.Retention{Count: 100, Age: realAge}
	f.listen("silent")
	silent := f.publish("silent", short, "a", "b", "c")
	f.received.await(t, position(silent))
	f.mute("silent")

	listing, isListing := f.Broker.(hub.ListingBroker)
	listedAt := time.Now()
	f.publish("listed/long", plenty, "x")
	f.publish("listed/short", short, "x")

	old := time.Now()
	start := f.publishAll("aged", short, "old")[0]
	mixed := time.Now() // of two ages, the shorter one of the newer publication ends both
	f.publish("mixed", hub.Retention{Count: 100, Age: time.Hour}, "long")
	mixedTop := f.publish("mixed", short, "short")
	if f.suite.KeyAge {
		f.publishKey("long", time.Hour)
	}
	key := time.Now()
	if f.suite.KeyAge {
		f.publishKey("short", realAge)
	}
	f.silence(realAge / 2)
	young := time.Now()
	top := f.publish("aged", short, "new")

	f.expires("the older one", old, func() bool {
		page := f.history("aged", hub.Query{})
		if len(page.Publications) == 2 {
			f.wantPage(page, []string{"old", "new"}, top, hub.Position{})
			return false
		}
		return true
	})
	if page := f.history("aged", hub.Query{Since: start}); len(page.Publications) > 0 { // and else it was slow
		f.wantPage(page, []string{"new"}, top, start)
	}
	f.expires("the newer one", young, func() bool {
		page := f.history("aged", hub.Query{})
		f.wantPage(page, texts(page.Publications), top, hub.Position{})
		return len(page.Publications) == 0
	})
	f.wantPage(f.history("aged", hub.Query{Since: start}), nil, top, start)

	f.expires("both of two ages", mixed, func() bool {
		page := f.history("mixed", hub.Query{})
		want := []string{"long", "short"}
		if len(page.Publications) == 0 {
			want = nil
		}
		f.wantPage(page, want, mixedTop, hub.Position{})
		return want == nil
	})
	f.survivesSilence("silent", silent, short)

	if isListing {
		f.expires("a channel in the list", listedAt, func() bool {
			channels, err := listing.List(f.ctx, hub.ListQuery{Limit: 10})
			if err != nil {
				t.Fatal("List:", err)
			}
			got := listed(channels)
			if !slices.Contains(got, "listed/long:1") {
				t.Fatalf("List: %q, and listed/long has a history", got)
			}
			return !slices.Contains(got, "listed/short:1")
		})
	}
	if f.suite.KeyAge {
		f.expires("an idempotency key", key, func() bool { return !f.publishKey("short", realAge) })
		if !f.publishKey("short", realAge) || !f.publishKey("long", time.Hour) {
			t.Error("a key that is not old is no duplicate")
		}
	}
}

// expires waits until gone says that the publications after since, with an age of realAge, are gone.
// gone may be called often.
func (f *fixture) expires(what string, since time.Time, gone func() bool) {
	f.t.Helper()
	limit := time.Now().Add(patience)
	for !gone() {
		if f.t.Failed() {
			return
		}
		if time.Now().After(limit) {
			f.t.Errorf("%s is there after %v, and its age is %v", what, time.Since(since), realAge)
			return
		}
		f.silence(realPause)
	}
	if age := time.Since(since); age < realAge {
		f.t.Errorf("%s is gone after %v, and its age is %v", what, age, realAge)
	}
}

// publishKey publishes with an idempotency key that is remembered for an age, and reports whether
// that is a duplicate.
func (f *fixture) publishKey(key string, age time.Duration) (duplicate bool) {
	f.t.Helper()
	retention := plenty
	retention.KeyAge = age
	_, duplicate, err := f.put(hub.Message{Channel: "keys", IdempotencyKey: key}, retention)
	if err != nil {
		f.t.Fatal("Publish:", err)
	}
	return duplicate
}
