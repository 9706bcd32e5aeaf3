package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

// startPatterns starts a Broker that can listen to patterns, or skips the test.
func (f *fixture) startPatterns() {
	f.t.Helper()
	f.start(nil)
	b, ok := f.Broker.(hub.PatternBroker)
	if !ok {
		f.t.Skip("this broker is no hub.PatternBroker")
	}
	if err := b.MutePattern(f.ctx, "none/*"); errors.Is(err, hub.ErrNotSupported) {
		f.t.Skip("what this broker stands on is no hub.PatternBroker")
	}
}

func (f *fixture) listenPattern(pattern string) {
	f.t.Helper()
	if err := f.Broker.(hub.PatternBroker).ListenPattern(f.ctx, pattern); err != nil {
		f.t.Fatalf("ListenPattern(%q): %v", pattern, err)
	}
}

func (f *fixture) mutePattern(pattern string) {
	f.t.Helper()
	if err := f.Broker.(hub.PatternBroker).MutePattern(f.ctx, pattern); err != nil {
		f.t.Fatalf("MutePattern(%q): %v", pattern, err)
	}
}

// wantDelivered publishes in a channel that is listened to by its name, and compares
// all that was delivered of others, as "channel data", by channel. A broker need not keep
// the order of channels, so what should not have come is waited for in each channel:
// the last publication of a channel that is delivered comes behind it.
func (f *fixture) wantDelivered(last []hub.Position, want map[string][]string) {
	f.t.Helper()
	var all []*hub.Publication
	for _, p := range last {
		all = f.received.await(f.t, position(p))
	}
	got := make(map[string][]string)
	for _, p := range all {
		got[p.Channel] = append(got[p.Channel], string(p.Data))
	}
	for channel := range got {
		if !slices.Equal(got[channel], want[channel]) {
			f.t.Errorf("of %q was delivered %q, want %q", channel, got[channel], want[channel])
		}
	}
	for channel := range want {
		if got[channel] == nil {
			f.t.Errorf("of %q nothing was delivered, want %q", channel, want[channel])
		}
	}
}

// patternDelivers: every channel that matches is delivered, the first publication too,
// and no other is.
func patternDelivers(t *testing.T, f *fixture) {
	f.startPatterns()
	f.publish("a/old", plenty, "before")
	f.listenPattern("a/*")
	f.listenPattern("b/**")
	f.listenPattern("*/x/*")
	var last []hub.Position
	want := make(map[string][]string)
	for _, channel := range []string{"a/old", "a/new", "b/c", "b/c/d/e", "c/x/y", "a/@user"} {
		f.publish(channel, plenty, "1")
		last = append(last, f.publish(channel, plenty, "2"))
		want[channel] = []string{"1", "2"}
	}
	for _, channel := range []string{"a", "a/b/c", "b", "c/y/x", "@u/x/y"} {
		f.publish(channel, plenty, "no")
		f.listen(channel)
		last = append(last, f.publish(channel, plenty, "yes"))
		want[channel] = []string{"yes"}
	}
	f.wantDelivered(last, want)
}

// patternsAreOne: what several patterns and a Listen are about is delivered once, in
// order, and the end of one leaves the others alone.
func patternsAreOne(t *testing.T, f *fixture) {
	f.startPatterns()
	f.listenPattern("**")
	f.listenPattern("a/*")
	f.listenPattern("a/*")
	f.listen("a/b")
	f.publish("a/b", plenty, "1")
	f.mute("a/b")
	f.publish("a/b", plenty, "2")
	f.mutePattern("a/*")
	f.publish("a/b", plenty, "3")
	f.listen("a/b")
	f.mutePattern("**")
	f.mutePattern("**")
	f.mutePattern("never/*")
	last := f.publish("a/b", plenty, "4")
	f.received.await(f.t, position(last)) // Mute ends deliveries, also those under way
	f.mute("a/b")
	f.publish("a/b", plenty, "no")
	f.listenPattern("a/**")
	end := f.publish("a/b", plenty, "5")
	f.wantDelivered([]hub.Position{last, end}, map[string][]string{"a/b": {"1", "2", "3", "4", "5"}})
	f.wantChainOf("a/b", 4)
}

// wantChainOf checks that the first n deliveries of a channel follow each other.
func (f *fixture) wantChainOf(channel string, n int) {
	f.t.Helper()
	all, _ := f.received.snapshot()
	all = slices.DeleteFunc(all, func(p *hub.Publication) bool { return p.Channel != channel })
	f.wantChain(all[:n])
}

// patternsWhilePublishing: patterns come and go during publishing; a pattern that stays
// has all its publications delivered.
func patternsWhilePublishing(t *testing.T, f *fixture) {
	const channels, each = 4, 200
	f.startPatterns()
	f.listenPattern("a/*")
	stop := make(chan struct{})
	var comers, publishers sync.WaitGroup
	comers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			channel := fmt.Sprint("a/", i%channels)
			f.listenPattern("a/**")
			f.listen(channel)
			f.mutePattern("a/**")
			f.mute(channel)
		}
	})
	for c := range channels {
		publishers.Go(func() {
			for i := range each {
				if _, _, err := f.put(hub.Message{Channel: fmt.Sprint("a/", c), Data: fmt.Append(nil, i)}, plenty); err != nil {
					t.Error("Publish:", err)
					return
				}
			}
		})
	}
	publishers.Wait()
	close(stop)
	comers.Wait()
	all := f.received.await(t, count(channels*each))
	if len(all) != channels*each {
		t.Fatalf("%d deliveries of %d publications", len(all), channels*each)
	}
	for c := range channels {
		f.wantChainOf(fmt.Sprint("a/", c), each)
	}
}

// patternsWithoutHistory: publications that are not kept are delivered all the same.
func patternsWithoutHistory(t *testing.T, f *fixture) {
	f.startPatterns()
	f.listenPattern("a/*")
	f.publish("a/b", hub.Retention{}, "1")
	last := f.publish("a/b", hub.Retention{}, "2")
	f.wantDelivered([]hub.Position{last}, map[string][]string{"a/b": {"1", "2"}})
}
