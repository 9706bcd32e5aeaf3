package hub_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

// drainAll takes until nothing more comes, from a broker that may wait.
func drainAll(e *edge) (got []hub.Push) {
	for range 30 {
		synctest.Wait()
		got = append(got, e.drain()...)
	}
	return got
}

// TestPatternBeginsWithNewest: of each channel the newest so many, and then the new ones.
func TestPatternBeginsWithNewest(t *testing.T) {
	for _, waits := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var broker hub.Broker = newBroker()
			if waits {
				broker = brokertest.NewTroubled(broker)
			}
			h := newHub(t, broker, nil)
			publish(t, h, "a/1", "1", "2", "3")
			publish(t, h, "a/2", "1")
			publish(t, h, "a/b/c", "no")
			<-time.After(time.Minute) // more than clocks may differ
			e := connect(t, h)
			o := e.outcome(func(tag uint64) { e.Subscribe(tag, "a/*", hub.SubscribeOptions{Last: 2}) })
			if o.Err != nil || o.Vector.Newest != 2 {
				t.Fatalf("%v, the vector is %+v", o.Err, o.Vector)
			}
			if got, want := sorted(drainAll(e)), "a/1:2 a/1:3 a/2:1"; got != want {
				t.Errorf("waits %v: took %q, want %q", waits, got, want)
			}
			if !e.HasCaughtUp() {
				t.Error("it has not caught up")
			}
			publish(t, h, "a/2", "2")
			publish(t, h, "a/3", "1")
			synctest.Wait()
			if got := sorted(e.drain()); got != "a/2:2 a/3:1" {
				t.Errorf("waits %v: took %q live", waits, got)
			}
		})
	}
}

// TestPatternNewestLosesNothing: publications while the newest are looked for come in
// order, without a loss, in any number.
func TestPatternNewestLosesNothing(t *testing.T) {
	for _, early := range []int{0, 1, 5} { // publications before the pattern is subscribed to
		synctest.Test(t, func(t *testing.T) {
			broker := brokertest.NewTroubled(newBroker())
			h := newHub(t, broker, nil)
			for i := range early {
				publish(t, h, "a/1", fmt.Sprint("early", i))
			}
			<-time.After(time.Minute) // more than clocks may differ
			e := connect(t, h)
			if o := e.outcome(func(tag uint64) { e.Subscribe(tag, "a/*", hub.SubscribeOptions{Last: 1}) }); o.Err != nil {
				t.Fatal(o.Err)
			}
			step()
			for i := range 5 { // more than are asked for, before a page is taken
				publish(t, h, "a/1", fmt.Sprint("new", i))
			}
			want := "a/1:new0 a/1:new1 a/1:new2 a/1:new3 a/1:new4"
			if got := sorted(drainAll(e)); got != want {
				t.Errorf("with %d early: took %q, want %q", early, got, want)
			}
		})
	}
}

// TestPatternNewestIsOwed: a client that goes away before it was given the newest is given
// them when it comes back, and those newer than its vector, too.
func TestPatternNewestIsOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		publish(t, h, "a/1", "1", "2")
		publish(t, h, "a/2", "1", "2")
		step()
		e := connect(t, h)
		o := e.outcome(func(tag uint64) { e.Subscribe(tag, "a/*", hub.SubscribeOptions{Last: 1}) })
		e.Close() // before it takes anything
		tracker := hub.NewVectorTracker(o.Vector, 10, 0)
		v, err := hub.ParseVector(o.Vector.String())
		if err != nil || v.Newest != 1 {
			t.Fatalf("%v: the vector is read as %+v", err, v)
		}
		step()
		publish(t, h, "a/2", "3", "4")
		f := connect(t, h)
		f.Subscribe(0, "a/*", hub.SubscribeOptions{Vector: v})
		if got, want := sorted(drainAll(f)), "a/1:2 a/2:3 a/2:4"; got != want {
			t.Errorf("took %q, want %q", got, want)
		}
		if !tracker.NoteCaughtUp() || tracker.Vector().Newest != 0 || tracker.NoteCaughtUp() {
			t.Error("the vector still has what was owed")
		}
	})
}

// TestPatternNewestBesideOthers: a channel that the session is given already goes on as it
// was, and what cannot be asked for is refused.
func TestPatternNewestBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		publish(t, h, "a/1", "1")
		publish(t, h, "a/2", "1")
		e := connect(t, h)
		e.subscribe("a/1", hub.SubscribeOptions{})
		step()
		o := e.outcome(func(tag uint64) { e.Subscribe(tag, "a/*", hub.SubscribeOptions{Last: 1}) })
		if got := sorted(drainAll(e)); got != "a/2:1" {
			t.Errorf("took %q", got)
		}
		var fault *hub.OptionError
		for _, refused := range []hub.SubscribeOptions{{Last: -1}, {Last: 1, Vector: o.Vector}} {
			if err := e.trySubscribe("a/**", refused); !errors.As(err, &fault) || fault.Option != "Last" {
				t.Errorf("%+v: %v", refused, err)
			}
		}
	})
}
