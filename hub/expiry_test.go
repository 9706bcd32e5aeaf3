package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Publications that have expired when it is their turn are passed over with one gap that
// says so, live and in a replay. The others are delivered, and the history keeps all of
// them.
func TestExpiredIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		put := func(data string, ttl time.Duration) {
			m := hub.Message{Channel: "c", Data: []byte(data)}
			if ttl > 0 {
				m.Attributes = &hub.Attributes{Expires: time.Now().Add(ttl)}
			}
			if _, _, err := h.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		quick, slow := connect(t, h), connect(t, h)
		for _, e := range []*edge{quick, slow} {
			e.subscribe("c", hub.SubscribeOptions{})
		}
		for i, ttl := range []time.Duration{0, time.Second, 2 * time.Second, 0, time.Second, time.Minute} {
			put(fmt.Sprint(i+1), ttl)
		}
		want(t, quick.drain(), "1 2 3 4 5 6")
		before := h.Stats()
		<-time.After(2 * time.Second)
		pushes := slow.drain()
		want(t, pushes, "1 gap(1-3) 4 gap(4-5) 6")
		if pushes[1].Gap.Reason != hub.GapExpired || pushes[3].Gap.Reason != hub.GapExpired {
			t.Error("the gaps do not say that it has expired")
		}
		if after := h.Stats(); after.Deliveries-before.Deliveries != 3 || after.Gaps-before.Gaps != 2 {
			t.Errorf("%d deliveries and %d gaps were counted", after.Deliveries-before.Deliveries, after.Gaps-before.Gaps)
		}
		late := connect(t, h)
		late.subscribe("c", hub.SubscribeOptions{Last: 10})
		want(t, late.await(func(all []hub.Push) bool { return len(all) == 5 }), "1 gap(1-3) 4 gap(4-5) 6")
		put("7", 0)
		want(t, late.drain(), "7")
		if page, err := h.History(t.Context(), "c", hub.Query{}); err != nil || len(page.Publications) != 7 {
			t.Errorf("the history has %d publications, %v", len(page.Publications), err)
		}
	})
}

// A queue in which much has expired is taken in parts and counted like any other.
func TestExpiredInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, &hub.Options{PublicationBytesMax: 1 << 20, QueueBytesMax: 64 << 20})
		e := connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		for i := range 20 {
			m := hub.Message{Channel: "c", Kind: hub.Binary, Data: make([]byte, 100<<10)}
			if i%2 == 0 {
				m.Attributes = &hub.Attributes{Expires: time.Now().Add(time.Second)}
			}
			if _, _, err := h.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Second)
		gaps, deliveries := 0, 0
		for _, p := range e.drain() {
			if p.Gap != nil {
				gaps++
			} else {
				deliveries++
			}
		}
		if gaps != 10 || deliveries != 10 {
			t.Errorf("%d gaps and %d deliveries, want 10 of each", gaps, deliveries)
		}
		publish(t, h, "c", "live")
		want(t, e.drain(), "live")
	})
}
