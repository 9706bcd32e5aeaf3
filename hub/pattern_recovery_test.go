package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/membroker"
)

// sorted shows pushes of channels in the order of the channels.
func sorted(pushes []hub.Push) string {
	byChannel := slices.Clone(pushes)
	slices.SortStableFunc(byChannel, func(a, b hub.Push) int { return strings.Compare(a.Channel, b.Channel) })
	return channelsOf(byChannel)
}

// away is the publications given to a client before it went away.
func away(t *testing.T, e *edge, pattern string, channelsMax int) *hub.Vector {
	t.Helper()
	o := e.outcome(func(tag uint64) { e.Subscribe(tag, pattern, hub.SubscribeOptions{}) })
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	tracker := hub.NewVectorTracker(o.Vector, channelsMax, 0)
	for _, p := range e.drain() {
		tracker.Note(p.Channel, p.Delivery.Position, p.Delivery.Time)
	}
	return tracker.Vector()
}

// follow notes the pushes that are taken.
func follow(e *edge, v *hub.Vector, channelsMax int) *hub.Vector {
	tracker := hub.NewVectorTracker(v, channelsMax, 0)
	for _, p := range e.drain() {
		if p.Delivery != nil {
			tracker.Note(p.Channel, p.Delivery.Position, p.Delivery.Time)
		}
	}
	return tracker.Vector()
}

// step lets time pass, so that publications differ in it.
func step() { <-time.After(time.Millisecond) }

func TestPatternResumes(t *testing.T) {
	for _, waits := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var broker hub.Broker = newBroker()
			if waits {
				broker = brokertest.NewTroubled(broker)
			}
			h := newHub(t, broker, nil)
			publish(t, h, "a/old", "before")
			publish(t, h, "a/known", "before")
			<-time.After(time.Minute)
			e := connect(t, h)
			v := away(t, e, "a/*", 10)
			step()
			publish(t, h, "a/known", "1")
			publish(t, h, "a/silent", "1")
			synctest.Wait()
			v = follow(e, v, 10)
			if len(v.Positions) != 2 {
				t.Fatalf("the vector is %+v", v)
			}
			e.Close()
			step()
			publish(t, h, "a/known", "2", "3")
			publish(t, h, "a/new", "1", "2")
			publish(t, h, "a/old", "after")
			publish(t, h, "b/new", "no")
			f := connect(t, h)
			f.Subscribe(0, "a/*", hub.SubscribeOptions{Vector: v})
			synctest.Wait()
			var got []hub.Push
			for range 30 {
				got = append(got, f.drain()...)
				synctest.Wait()
			}
			if got, want := sorted(got), "a/known:2 a/known:3 a/new:1 a/new:2 a/old:after"; got != want {
				t.Errorf("waits %v: took %q, want %q", waits, got, want)
			}
			publish(t, h, "a/silent", "2")
			publish(t, h, "a/new", "3")
			synctest.Wait()
			if got := sorted(f.drain()); got != "a/new:3 a/silent:2" {
				t.Errorf("waits %v: took %q live", waits, got)
			}
		})
	}
}

// TestPatternResumesPastEviction: what a vector does not hold any more is a gap, as far
// as the client may have seen it.
func TestPatternResumesPastEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		e := connect(t, h)
		v := away(t, e, "*", 1)
		step()
		publish(t, h, "a", "1")
		step()
		publish(t, h, "b", "1")
		v = follow(e, v, 1) // a is not in it any more
		e.Close()
		step()
		publish(t, h, "a", "2")
		publish(t, h, "c", "1")
		f := connect(t, h)
		f.Subscribe(0, "*", hub.SubscribeOptions{Vector: v})
		pushes := f.drain()
		if got := sorted(pushes); got != "a:gap(0-1) a:2 c:1" {
			t.Errorf("took %q", got)
		}
	})
}

// TestPatternResumesWithLoss: what history has lost is a gap, in channels that the vector
// holds and in others.
func TestPatternResumesWithLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, &hub.Options{Retention: hub.Retention{Count: 2}})
		e := connect(t, h)
		v := away(t, e, "*", 10)
		step()
		publish(t, h, "a", "1")
		v = follow(e, v, 10)
		e.Close()
		step()
		publish(t, h, "a", "2", "3", "4")
		publish(t, h, "b", "1", "2", "3")
		f := connect(t, h)
		f.Subscribe(0, "*", hub.SubscribeOptions{Vector: v})
		if got := sorted(f.drain()); got != "a:gap(1-2) a:3 a:4 b:gap(0-1) b:2 b:3" {
			t.Errorf("took %q", got)
		}
		f.Close()
		<-time.After(time.Hour)
		g := connect(t, h)
		g.Subscribe(0, "*", hub.SubscribeOptions{Vector: v})
		if got := sorted(g.drain()); got != "*:gap(0-0) a:gap(1-4)" {
			t.Errorf("took %q after an hour", got)
		}
	})
}

// wholeBroker says from when on its histories are whole.
type wholeBroker struct {
	*membroker.Broker
	whole time.Time
}

func (b *wholeBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	page, err := b.Broker.History(ctx, channel, q)
	page.WholeAfter = b.whole
	return page, err
}

// TestPatternResumesWhole: where offsets do not begin at 1, something may seem to be missing
// before the oldest publication of a channel. The broker may know that nothing is.
func TestPatternResumesWhole(t *testing.T) {
	for after, want := range map[time.Duration]string{
		-time.Second: "b:2 b:3",
		time.Second:  "b:gap(0-1) b:2 b:3",
	} {
		synctest.Test(t, func(t *testing.T) {
			broker := &wholeBroker{Broker: newBroker()}
			h := newHub(t, broker, &hub.Options{Retention: hub.Retention{Count: 2}})
			e := connect(t, h)
			v := away(t, e, "*", 10)
			broker.whole = v.Began.Add(after)
			step()
			publish(t, h, "a", "1")
			v = follow(e, v, 10)
			e.Close()
			step()
			publish(t, h, "b", "1", "2", "3")
			f := connect(t, h)
			f.Subscribe(0, "*", hub.SubscribeOptions{Vector: v})
			if got := sorted(f.drain()); got != want {
				t.Errorf("whole %v after it began: took %q, want %q", after, got, want)
			}
		})
	}
}

// TestPatternResumesPastExpiry: what expired before the client went away is no gap in a channel that it
// has never heard of, and what was dropped since is one.
func TestPatternResumesPastExpiry(t *testing.T) {
	for _, waits := range []bool{false, true} {
		for _, isKept := range []bool{false, true} { // by a subscription
			synctest.Test(t, func(t *testing.T) {
				var broker hub.Broker = newBroker()
				if waits {
					broker = brokertest.NewTroubled(broker)
				}
				h := newHub(t, broker, &hub.Options{Retention: hub.Retention{Count: 2, Age: time.Minute}})
				if isKept {
					other := connect(t, h)
					other.Subscribe(0, "a/old", hub.SubscribeOptions{})
					other.Subscribe(0, "a/lost", hub.SubscribeOptions{})
				}
				publish(t, h, "a/old", "1", "2", "3")
				publish(t, h, "a/lost", "1")
				<-time.After(2 * time.Minute)
				e := connect(t, h)
				v := away(t, e, "a/*", 10)
				e.Close()
				step()
				publish(t, h, "a/old", "4")
				publish(t, h, "a/lost", "2", "3", "4")
				f := connect(t, h)
				f.Subscribe(0, "a/*", hub.SubscribeOptions{Vector: v})
				var got []hub.Push
				for range 30 {
					synctest.Wait()
					got = append(got, f.drain()...)
				}
				if got, want := sorted(got), "a/lost:gap(0-2) a/lost:3 a/lost:4 a/old:4"; got != want {
					t.Errorf("waits %v, kept %v: took %q, want %q", waits, isKept, got, want)
				}
			})
		}
	}
}

// TestPatternResumesInAnotherEpoch is a restart.
func TestPatternResumesInAnotherEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		e := connect(t, h)
		v := away(t, e, "*", 10)
		step()
		publish(t, h, "a", "1")
		v = follow(e, v, 10)
		restarted := newHub(t, nil, nil)
		step()
		publish(t, restarted, "a", "2")
		publish(t, restarted, "b", "1")
		f := connect(t, restarted)
		f.Subscribe(0, "*", hub.SubscribeOptions{Vector: v})
		if got := sorted(f.drain()); got != "*:gap(0-0) a:gap(1-0) a:2 b:1" { // what else there was went with it
			t.Errorf("took %q", got)
		}
	})
}

// TestPatternResumesManyChannels has more channels than a session keeps, than are listed
// at a time, and than catch up at a time; live publications come in between.
func TestPatternResumesManyChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const channels = 2500
		h := newHub(t, nil, &hub.Options{PatternChannelsMax: 100})
		e := connect(t, h)
		v := away(t, e, "**", 50)
		step()
		for i := range 40 {
			publish(t, h, fmt.Sprintf("c/%04d", i*7), "seen")
		}
		v = follow(e, v, 50)
		e.Close()
		step()
		for i := range channels {
			publish(t, h, fmt.Sprintf("c/%04d", i), "1", "2")
		}
		f := connect(t, h)
		f.Subscribe(0, "**", hub.SubscribeOptions{Vector: v})
		given := make(map[string]string)
		var pushes []hub.Push
		for i := 0; ; i++ {
			var err error
			if pushes, err = f.Take(pushes[:0]); err != nil {
				t.Fatal(err)
			}
			for _, p := range pushes {
				given[p.Channel] += describe([]hub.Push{p})
			}
			if i%10 == 0 && i < 20_000 {
				channel := fmt.Sprintf("c/%04d", (i*131)%channels)
				if !strings.HasSuffix(given[channel], "3") && i < 10_000 {
					publish(t, h, channel, "3")
					given[channel+"!"] = "3"
				}
			}
			if len(pushes) == 0 {
				select {
				case <-f.woken:
				default:
					goto done
				}
			}
		}
	done:
		wrong := 0
		for i := range channels {
			channel := fmt.Sprintf("c/%04d", i)
			live := strings.TrimLeft(given[channel], "12")
			if !strings.HasPrefix(given[channel], "12") || strings.Trim(live, "3") != "" || given[channel+"!"] != "" && live == "" {
				if wrong++; wrong < 5 {
					t.Errorf("%s was given %q", channel, given[channel])
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%d channels are wrong", wrong)
		}
	})
}

// TestPatternListFails: what cannot be listed is tried again, and the client is told.
func TestPatternListFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := brokertest.NewTroubled(newBroker())
		h := newHub(t, broker, nil)
		v := &hub.Vector{Began: time.Now()}
		step()
		publish(t, h, "a", "1")
		broker.Make(brokertest.List, "", brokertest.Trouble{Err: errors.New("no list today")})
		e := connect(t, h)
		e.Subscribe(0, "*", hub.SubscribeOptions{Vector: v})
		synctest.Wait()
		e.drain()
		synctest.Wait()
		if got := channelsOf(e.drain()); got != "*:behind(*)" {
			t.Errorf("took %q", got)
		}
		broker.Make(brokertest.List, "", brokertest.Trouble{})
		<-time.After(time.Minute)
		var got []hub.Push
		for range 5 {
			got = append(got, e.drain()...)
			synctest.Wait()
		}
		if got := channelsOf(got); got != "a:1 *:level(*)" {
			t.Errorf("took %q", got)
		}
	})
}

func TestVectorIsBounded(t *testing.T) {
	h := newHub(t, nil, &hub.Options{VectorChannelsMax: 1})
	e := connect(t, h)
	at := hub.Position{Epoch: "e", Offset: 1}
	var fault *hub.VectorError
	for _, v := range []*hub.Vector{{}, {Began: noon, Positions: map[string]hub.Position{"a": at, "b": at}}, {Began: noon, Positions: map[string]hub.Position{"a": {}}}} {
		if err := e.trySubscribe("*", hub.SubscribeOptions{Vector: v}); !errors.As(err, &fault) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}
