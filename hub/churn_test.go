package hub_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// strictBroker fails the test when Listen and Mute of a channel overlap, and
// makes it likely that they would.
type strictBroker struct {
	hub.Broker
	t     testing.TB
	under sync.Map // channel → *atomic.Int32
}

func (b *strictBroker) alone(channel string, call func()) {
	v, _ := b.under.LoadOrStore(channel, new(atomic.Int32))
	n := v.(*atomic.Int32)
	if n.Add(1) > 1 {
		b.t.Errorf("Listen and Mute of %q overlap", channel)
	}
	defer n.Add(-1)
	for range 3 {
		runtime.Gosched()
	}
	call()
}

func (b *strictBroker) Listen(ctx context.Context, channel string) (top hub.Position, err error) {
	b.alone(channel, func() { top, err = b.Broker.Listen(ctx, channel) })
	return top, err
}

func (b *strictBroker) Mute(ctx context.Context, channel string) (err error) {
	b.alone(channel, func() { err = b.Broker.Mute(ctx, channel) })
	return err
}

// TestChurn has sessions come and go so that channels lose their last
// subscriber all the time. Every subscriber gets what it publishes.
func TestChurn(t *testing.T) {
	for name, wrap := range map[string]func(hub.Broker) hub.Broker{
		"immediate": func(b hub.Broker) hub.Broker { return immediate{b} },
		"remote":    func(b hub.Broker) hub.Broker { return b },
		"changing":  func(b hub.Broker) hub.Broker { return &changing{Broker: b} },
	} {
		t.Run(name, func(t *testing.T) { churn(t, wrap) })
	}
}

// changing never waits, or may, whenever it is asked again.
type changing struct {
	hub.Broker
	asked atomic.Uint32
}

func (c *changing) IsImmediate() bool { return c.asked.Add(1)%3 != 0 }

func churn(t *testing.T, wrap func(hub.Broker) hub.Broker) {
	const workers, rounds = 8, 400
	broker := newBroker()
	strict := wrap(&strictBroker{Broker: broker, t: t})
	h := newHub(t, strict, &hub.Options{NoHistory: true, QueueCountMax: workers * rounds})
	subscribe := func(e *edge, channel string) {
		if err := e.trySubscribe(channel, hub.SubscribeOptions{}); err != nil {
			t.Error("Subscribe:", err)
		}
	}
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for round := range rounds {
				e := connect(t, h)
				channel := fmt.Sprint("c", round%2)
				if round%4 == 0 { // it may not have begun
					e.Subscribe(0, channel, hub.SubscribeOptions{})
					e.Unsubscribe(1000, channel)
				}
				subscribe(e, channel)
				if round%3 == 0 {
					e.unsubscribe(channel)
					subscribe(e, channel)
				}
				mine := fmt.Sprint(worker, " ", round)
				publish(t, h, channel, mine)
				e.await(func(all []hub.Push) bool {
					for ; e.counted < len(all); e.counted++ {
						if p := all[e.counted]; p.Delivery != nil && string(p.Delivery.Data) == mine {
							return true
						}
					}
					return false
				})
				e.Close()
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for broker.Stats().Channels != 0 || h.Stats().Channels != 0 {
		runtime.Gosched() // the last Mute is on its way
	}
	if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 || len(got.Sessions) != 0 || got.Gaps != 0 {
		t.Errorf("left over: %+v", got)
	}
}

// TestSubscribersLeaveDuringDelivery takes subscribers out while a delivery
// goes over them: a session that stays gets everything once.
func TestSubscribersLeaveDuringDelivery(t *testing.T) {
	const stay, messages = 20, 500
	h := newHub(t, nil, &hub.Options{QueueCountMax: messages})
	var staying []*edge
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range stay {
		e := connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		staying = append(staying, e)
		if i%5 == 0 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						passing := connect(t, h)
						passing.subscribe("c", hub.SubscribeOptions{})
						passing.Close()
					}
				}
			})
		}
	}
	for i := range messages {
		publish(t, h, "c", fmt.Sprint(i))
	}
	close(stop)
	wg.Wait()
	for _, e := range staying {
		got := e.drain()
		if len(got) != messages {
			t.Fatalf("got %d, want %d", len(got), messages)
		}
		for i, p := range got {
			if string(p.Delivery.Data) != fmt.Sprint(i) {
				t.Fatalf("publication %d is %s", i, p.Delivery.Data)
			}
		}
	}
}

// gateBroker lets a test decide when and how Listen returns.
type gateBroker struct {
	hub.Broker
	gate chan error // nil error: go on
}

func (b *gateBroker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	select {
	case err := <-b.gate:
		if err != nil {
			return hub.Position{}, err
		}
		return b.Broker.Listen(ctx, channel)
	case <-ctx.Done():
		return hub.Position{}, ctx.Err()
	}
}

func TestSubscribeWhileListenIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &gateBroker{Broker: newBroker(), gate: make(chan error)}
		h := newHub(t, slow, nil)
		subscribe := func(e *edge, o hub.SubscribeOptions) {
			t.Helper()
			e.Subscribe(7, "c", o)
			synctest.Wait()
			want(t, e.drain(), "") // no outcome before Listen has returned
		}
		owed := func(e *edge, pushes string) {
			t.Helper()
			synctest.Wait()
			want(t, e.drain(), pushes)
		}
		const begun = "outcome(7 2 <nil>)"
		nothingLeft := func() {
			t.Helper()
			synctest.Wait()
			if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 {
				t.Errorf("left over: %+v", got)
			}
		}
		first, second, third := connect(t, h), connect(t, h), connect(t, h)

		// A session that waits for another's Listen can give up; the others are served.
		subscribe(first, hub.SubscribeOptions{})
		subscribe(second, hub.SubscribeOptions{Last: 1})
		subscribe(third, hub.SubscribeOptions{})
		second.unsubscribe("c")
		owed(second, "outcome(7 2 hub: unsubscribed before the subscription began)")
		if got := h.Stats().Subscriptions; got != 2 {
			t.Errorf("%d subscriptions, want the two that wait", got)
		}
		slow.gate <- nil
		owed(first, begun)
		owed(third, begun)
		publish(t, h, "c", "1")
		owed(first, "1")
		owed(third, "1")
		owed(second, "")
		first.unsubscribe("c")
		third.unsubscribe("c")
		nothingLeft()

		// A Listen that fails refuses all that wait for it, and the next asks again.
		subscribe(first, hub.SubscribeOptions{})
		subscribe(third, hub.SubscribeOptions{})
		slow.gate <- errors.New("network down")
		owed(first, "outcome(7 2 hub: broker: network down)")
		owed(third, "outcome(7 2 hub: broker: network down)")
		nothingLeft()
		subscribe(third, hub.SubscribeOptions{})
		slow.gate <- nil
		owed(third, begun)
		publish(t, h, "c", "2")
		owed(third, "2")
		owed(first, "")
		third.unsubscribe("c")
		nothingLeft()

		// A session that unsubscribes, closes or subscribes again meanwhile is not left twice in
		// the channel.
		subscribe(first, hub.SubscribeOptions{})
		subscribe(second, hub.SubscribeOptions{})
		subscribe(third, hub.SubscribeOptions{})
		for range 100 {
			first.unsubscribe("c")
			owed(first, "outcome(7 2 hub: unsubscribed before the subscription began)")
			subscribe(first, hub.SubscribeOptions{})
		}
		second.unsubscribe("c")
		third.Close()
		if got := h.Stats().Subscriptions; got != 1 {
			t.Errorf("%d subscriptions, want the one that waits", got)
		}
		slow.gate <- nil
		owed(first, begun)
		publish(t, h, "c", "3")
		owed(first, "3")
		first.unsubscribe("c")
		nothingLeft()

		// Listen takes as long as it may.
		subscribe(first, hub.SubscribeOptions{})
		time.Sleep(10 * time.Second)
		owed(first, "outcome(7 2 hub: broker: context deadline exceeded)")
		nothingLeft()

		// Close ends it.
		subscribe(first, hub.SubscribeOptions{})
		if err := h.Close(); err != nil {
			t.Error("Close:", err)
		}
		nothingLeft()
	})
}
