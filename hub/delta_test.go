package hub_test

import (
	"testing"

	"github.com/godwit-io/godwit/hub"
)

// TestDeliveriesHaveABaseWhereItIsWanted: the publication before in the channel, from
// the second on, for all subscriptions of the channel while one wants it, and for no
// others.
func TestDeliveriesHaveABaseWhereItIsWanted(t *testing.T) {
	h := newHub(t, newBroker(), nil)
	s, other := connect(t, h), connect(t, h)
	bases := func(e *edge) (got []string) {
		t.Helper()
		for _, p := range e.drain() {
			if p.Delivery == nil {
				continue
			}
			base := ""
			if b := p.Delivery.Base(); b != nil {
				base = string(b.Data)
			}
			got = append(got, base+">"+string(p.Delivery.Data))
		}
		return got
	}
	check := func(e *edge, want ...string) {
		t.Helper()
		got := bases(e)
		if len(got) != len(want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
	other.subscribe("c", hub.SubscribeOptions{})
	publish(t, h, "c", "1", "2")
	check(other, ">1", ">2")
	o := s.outcome(func(tag uint64) { s.Subscribe(tag, "c", hub.SubscribeOptions{Deltas: true, Last: 1}) })
	if o.Err != nil || !o.Deltas {
		t.Fatalf("%+v", o)
	}
	check(s, ">2") // from history
	publish(t, h, "c", "3", "4", "5")
	check(s, ">3", "3>4", "4>5")
	check(other, ">3", "3>4", "4>5")

	s.Suspend()
	publish(t, h, "c", "6")
	s.outcome(func(tag uint64) {
		s.Subscribe(tag, "c", hub.SubscribeOptions{Deltas: true, Since: publish(t, h, "c", "7")})
	})
	publish(t, h, "c", "8")
	check(s, "7>8")

	s.unsubscribe("c")
	check(other, "5>6", "6>7", "7>8")
	publish(t, h, "c", "9", "10")
	check(other, ">9", ">10")
	if other.outcome(func(tag uint64) { other.Subscribe(tag, "d", hub.SubscribeOptions{}) }).Deltas {
		t.Error("deltas were not asked for")
	}
}

// TestDeltaFormIsMadeOnce: forms may be made of other forms of the same Delivery.
func TestDeltaFormIsMadeOnce(t *testing.T) {
	made := 0
	inner := hub.NewDeltaForm(func(d *hub.Delivery) string { made++; return string(d.Data) })
	outer := hub.NewDeltaForm(func(d *hub.Delivery) string { made++; return "<" + inner.Of(d) + ">" })
	d := &hub.Delivery{Publication: &hub.Publication{Data: []byte("x")}}
	if got := outer.Of(d) + inner.Of(d) + outer.Of(d); got != "<x>x<x>" || made != 2 {
		t.Errorf("%q, made %d times", got, made)
	}
}
