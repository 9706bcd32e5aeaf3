package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// After any additions and removals, it is as a map would have it.
func TestSubscriptions(t *testing.T) {
	var s subscriptions
	want := map[string]*subscription{}
	channels := make([]*subscription, 5)
	for i := range channels {
		channels[i] = &subscription{channel: &channel{name: fmt.Sprint(i)}}
	}
	for step := range 10_000 {
		sub := channels[rand.N(len(channels))]
		if want[sub.channel.name] == nil {
			s.add(sub)
			want[sub.channel.name] = sub
		} else {
			s.remove(sub)
			delete(want, sub.channel.name)
		}
		if s.len() != len(want) || len(slices.Collect(s.all())) != len(want) {
			t.Fatalf("step %d: %d of %d", step, s.len(), len(want))
		}
		for _, sub := range channels {
			if s.get(sub.channel.name) != want[sub.channel.name] {
				t.Fatalf("step %d: %s is wrong", step, sub.channel.name)
			}
		}
		for sub := range s.all() {
			if want[sub.channel.name] != sub {
				t.Fatalf("step %d: %s is not there", step, sub.channel.name)
			}
		}
	}
}
