package hub_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// askedBroker notes which histories are read, and gives the test its Receiver.
type askedBroker struct {
	*membroker.Broker
	receiver hub.Receiver

	mu    sync.Mutex // guards asked
	asked []string
}

func (b *askedBroker) Start(r hub.Receiver) error {
	b.receiver = r
	return b.Broker.Start(r)
}

func (b *askedBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	b.mu.Lock()
	b.asked = append(b.asked, channel)
	b.mu.Unlock()
	return b.Broker.History(ctx, channel, q)
}

// When anything may have been lost, the channels that a pattern matches are read, and not the
// pattern, which is no channel: a broker would answer with a position of nothing, and the client
// with a vector that has it.
func TestPatternIsNoChannelThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &askedBroker{Broker: newBroker()}
		h := newHub(t, b, nil)
		e := connect(t, h)
		if o := e.outcome(func(tag uint64) { e.Subscribe(tag, "a/*", hub.SubscribeOptions{}) }); o.Err != nil {
			t.Fatal(o.Err)
		}
		publish(t, h, "a/1", "x")
		synctest.Wait()
		e.drain()
		b.receiver.Lost("")
		synctest.Wait()
		e.drain()
		synctest.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		seen := false
		for _, name := range b.asked {
			if hub.IsPattern(name) {
				t.Errorf("the history of %q was read", name)
			}
			seen = seen || name == "a/1"
		}
		if !seen {
			t.Errorf("what may have been lost was not looked for: %q were read", b.asked)
		}
	})
}
