package brokertest

import (
	"errors"
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
		"Start":   f.Start(receiver(func(*hub.Publication) {})),
		"Close":   f.Close(),
	} {
		if !errors.Is(err, hub.ErrClosed) {
			t.Errorf("%s after Close: %v, want hub.ErrClosed", call, err)
		}
	}
}

// closeDuringDelivery closes while publishers are busy: none of them may hang,
// and nothing may be delivered once Close has returned.
func closeDuringDelivery(t *testing.T, f *fixture) {
	var closed atomic.Bool
	busy := make(chan struct{}, 1)
	f.start(func(p *hub.Publication) {
		if closed.Load() {
			t.Errorf("%v was delivered after Close", p.Position)
		}
		if p.Position.Offset%100 == 0 {
			select {
			case busy <- struct{}{}:
			default:
			}
		}
	})
	f.listen("c")
	var wg sync.WaitGroup
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
}
