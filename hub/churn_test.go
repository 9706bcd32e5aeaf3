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

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// strictBroker fails the test when Listen and Mute of a channel overlap, and
// makes it likely that they would.
type strictBroker struct {
	hub.Broker
	t     testing.TB
	under sync.Map // channel → *atomic.Int32
}

func (b *strictBroker) alone(channel string, call func() error) error {
	v, _ := b.under.LoadOrStore(channel, new(atomic.Int32))
	n := v.(*atomic.Int32)
	if n.Add(1) > 1 {
		b.t.Errorf("Listen and Mute of %q overlap", channel)
	}
	defer n.Add(-1)
	for range 3 {
		runtime.Gosched()
	}
	return call()
}

func (b *strictBroker) Listen(ctx context.Context, channel string) error {
	return b.alone(channel, func() error { return b.Broker.Listen(ctx, channel) })
}

func (b *strictBroker) Mute(ctx context.Context, channel string) error {
	return b.alone(channel, func() error { return b.Broker.Mute(ctx, channel) })
}

// TestChurn has sessions come and go so that channels lose their last
// subscriber all the time. Whoever is subscribed gets what it publishes.
func TestChurn(t *testing.T) {
	const workers, rounds = 8, 400
	broker := membroker.New(nil)
	h := newHub(t, &strictBroker{Broker: broker, t: t}, &hub.Options{NoHistory: true})
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for round := range rounds {
				e := connect(t, h)
				channel := fmt.Sprint("c", round%2)
				e.subscribe(channel, hub.SubscribeOptions{})
				if round%3 == 0 {
					e.Unsubscribe(channel)
					e.subscribe(channel, hub.SubscribeOptions{})
				}
				mine := fmt.Sprint(worker, " ", round)
				publish(t, h, channel, mine)
				e.await(func(all []hub.Push) bool {
					for ; e.counted < len(all); e.counted++ {
						if p := all[e.counted]; p.Gap == nil && string(p.Delivery.Data) == mine {
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
	if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 || len(got.Sessions) != 0 || got.Gaps != 0 {
		t.Errorf("left over: %+v", got)
	}
	if got := broker.Stats(); got.Channels != 0 {
		t.Errorf("the broker still listens to %d channels", got.Channels)
	}
}

// TestSubscribersLeaveDuringDelivery takes subscribers out while a delivery
// goes over them: who stays gets everything once.
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

func (b *gateBroker) Listen(ctx context.Context, channel string) error {
	select {
	case err := <-b.gate:
		if err != nil {
			return err
		}
		return b.Broker.Listen(ctx, channel)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestSubscribeWhileListenIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &gateBroker{Broker: membroker.New(nil), gate: make(chan error)}
		h := newHub(t, slow, nil)
		subscribe := func(ctx context.Context, e *edge, o hub.SubscribeOptions) <-chan error {
			done := make(chan error, 1)
			go func() { done <- e.Subscribe(ctx, "c", o) }()
			synctest.Wait()
			return done
		}
		pending := func(done <-chan error) {
			t.Helper()
			select {
			case err := <-done:
				t.Fatalf("Subscribe returned %v before Listen did", err)
			default:
			}
		}
		answer := func(done <-chan error, want error) {
			t.Helper()
			if err := <-done; !errors.Is(err, want) {
				t.Errorf("Subscribe: %v, want %v", err, want)
			}
		}
		nothingLeft := func() {
			t.Helper()
			if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 {
				t.Errorf("left over: %+v", got)
			}
		}
		first, second, third := connect(t, h), connect(t, h), connect(t, h)

		// One who waits for another's Listen can give up; the others are served.
		ctx, cancel := context.WithCancel(t.Context())
		a := subscribe(t.Context(), first, hub.SubscribeOptions{})
		b := subscribe(ctx, second, hub.SubscribeOptions{Last: 1})
		c := subscribe(t.Context(), third, hub.SubscribeOptions{})
		cancel()
		answer(b, context.Canceled)
		pending(a)
		pending(c)
		slow.gate <- nil
		answer(a, nil)
		answer(c, nil)
		publish(t, h, "c", "1")
		want(t, first.drain(), "1")
		want(t, third.drain(), "1")
		want(t, second.drain(), "")
		first.Unsubscribe("c")
		third.Unsubscribe("c")
		nothingLeft()

		// A Listen that fails is tried again by the next in turn.
		broken := errors.New("network down")
		a = subscribe(t.Context(), first, hub.SubscribeOptions{})
		c = subscribe(t.Context(), third, hub.SubscribeOptions{})
		slow.gate <- broken
		slow.gate <- nil
		errA, errC := <-a, <-c
		if (errA == nil) == (errC == nil) || !errors.Is(errors.Join(errA, errC), broken) {
			t.Errorf("Subscribe: %v and %v, want one error", errA, errC)
		}
		publish(t, h, "c", "2")
		if got := describe(first.drain()) + describe(third.drain()); got != "2" {
			t.Errorf("took %q, want what one of them is owed", got)
		}
		first.Unsubscribe("c")
		third.Unsubscribe("c")
		nothingLeft()

		// Who unsubscribes or closes meanwhile is not left in the channel.
		a = subscribe(t.Context(), first, hub.SubscribeOptions{})
		c = subscribe(t.Context(), third, hub.SubscribeOptions{})
		first.Unsubscribe("c")
		third.Close()
		slow.gate <- nil
		answer(a, nil)
		answer(c, hub.ErrClosed)
		publish(t, h, "c", "3")
		want(t, first.drain(), "")
		nothingLeft()
	})
}
