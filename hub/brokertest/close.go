package brokertest

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func closeEndsEverything(t *testing.T, f *fixture) {
	f.start(nil)
	f.listen("c")
	f.publish("c", plenty, "x")
	if err := f.Close(); err != nil {
		t.Fatal("Close:", err)
	}
	_, _, publish := f.put(hub.Message{Channel: "c"}, plenty)
	_, listen := f.Listen(f.ctx, "c")
	_, history := f.History(f.ctx, "c", hub.Query{})
	for call, err := range map[string]error{
		"Publish": publish,
		"History": history,
		"Listen":  listen,
		"Mute":    f.Mute(f.ctx, "c"),
		"Start":   f.Start(receiver{func(*hub.Publication) {}, func(string) {}}),
		"Close":   f.Close(),
	} {
		if !errors.Is(err, hub.ErrClosed) {
			t.Errorf("%s after Close: %v, want hub.ErrClosed", call, err)
		}
	}
}

// health is nil while the broker serves, if it can say so.
func health(t *testing.T, f *fixture) {
	f.start(nil)
	b, ok := f.Broker.(hub.HealthBroker)
	if !ok {
		t.Skip("this broker is no hub.HealthBroker")
	}
	if err := b.Health(f.ctx); err != nil {
		t.Errorf("Health: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal("Close:", err)
	}
	if err := b.Health(f.ctx); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Health after Close: %v, want hub.ErrClosed", err)
	}
}

// closeDuringDelivery closes while publishers are busy: none of them may hang or
// be answered twice, and nothing may be delivered once Close has returned.
func closeDuringDelivery(t *testing.T, f *fixture) {
	var closed atomic.Bool
	var delivered atomic.Int64
	busy := make(chan struct{}, 1)
	f.start(func(p *hub.Publication) {
		if closed.Load() {
			t.Errorf("%v was delivered after Close", p.Position)
		}
		if delivered.Add(1)%100 == 0 {
			select {
			case busy <- struct{}{}:
			default:
			}
		}
	})
	f.listen("c")
	var wg sync.WaitGroup
	pipelined := newTickets()
	wg.Go(func() {
		for !closed.Load() {
			if pipelined.unanswered() < 100 {
				pipelined.publish(f, hub.Message{Channel: "c"})
			} else {
				runtime.Gosched()
			}
		}
	})
	for range 4 {
		wg.Go(func() {
			for {
				if _, _, err := f.put(hub.Message{Channel: "c"}, plenty); err != nil {
					if !errors.Is(err, hub.ErrClosed) {
						t.Errorf("Publish during Close: %v, want hub.ErrClosed", err)
					}
					return
				}
			}
		})
	}
	<-busy
	if err := f.Close(); err != nil {
		t.Error("Close:", err)
	}
	closed.Store(true)
	wg.Wait()
	for ticket, outcomes := range pipelined.await(t, f) {
		if len(outcomes) != 1 || outcomes[0].Err != nil && !errors.Is(outcomes[0].Err, hub.ErrClosed) {
			t.Fatalf("ticket %d has the outcomes %+v, want one", ticket, outcomes)
		}
	}
}
