package hub

import (
	"context"
	"errors"
	"hash/maphash"
	"testing"
	"testing/synctest"
)

// countingBroker counts what a channel asks of it.
type countingBroker struct {
	Broker
	listens, mutes int
	listenError    error
	muteError      error         // the context's at the last Mute
	muteGate       chan struct{} // not nil: Mute waits for it
}

func (b *countingBroker) Listen(context.Context, string) (Position, error) {
	b.listens++
	return Position{Epoch: "e", Offset: 1}, b.listenError
}

func (b *countingBroker) Mute(ctx context.Context, _ string) error {
	b.mutes++
	b.muteError = ctx.Err()
	if b.muteGate != nil {
		<-b.muteGate
	}
	return nil
}

func (b *countingBroker) want(t *testing.T, listens, mutes int) {
	t.Helper()
	if b.listens != listens || b.mutes != mutes {
		t.Errorf("%d Listen and %d Mute, want %d and %d", b.listens, b.mutes, listens, mutes)
	}
}

// bareHub is a hub of which channels need no more than this.
func bareHub(t *testing.T, broker Broker, immediate bool) (*Hub, *channel) {
	h := &Hub{broker: broker, immediate: immediate, channels: channels{seed: maphash.MakeSeed()}, calls: newCalls(4)}
	h.options, _ = (*Options)(nil).effective()
	t.Cleanup(h.calls.close)
	return h, h.channels.acquire("c")
}

// asking is a subscription of a session of its own that waits for its beginning.
func (h *Hub) asking(ch *channel) *subscription {
	h.channels.hold(ch)
	sub := &subscription{channel: ch, asked: &asked{}}
	sub.session = &Session{hub: h, wake: func() {}, subs: map[string]*subscription{"c": sub}, outstanding: 1}
	return sub
}

// TestMuteComesTooLate is the last subscriber leaving and another coming before
// the first got to Mute.
func TestMuteComesTooLate(t *testing.T) {
	broker := &countingBroker{}
	h, ch := bareHub(t, broker, true)
	first, second := h.asking(ch), h.asking(ch)
	ch.add(first)
	h.settle(ch)
	ch.remove(first)
	if top, listening := ch.add(second); !listening || top != (Position{Epoch: "e", Offset: 1}) {
		t.Errorf("the second finds listening %v and the position %v", listening, top)
	}
	h.settle(ch)
	broker.want(t, 1, 0)
	ch.remove(second)
	h.settle(ch)
	h.settle(ch)
	broker.want(t, 1, 1)
}

// TestListenDuringMute subscribes while the Broker is being told to Mute.
func TestListenDuringMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &countingBroker{muteGate: make(chan struct{})}
		h, ch := bareHub(t, broker, false)
		first, second := h.asking(ch), h.asking(ch)
		ch.add(first)
		h.settle(ch)
		synctest.Wait()
		ch.remove(first)
		h.settle(ch)
		synctest.Wait()
		if _, listening := ch.add(second); listening {
			t.Error("a subscriber relied on a Listen that is being ended")
		}
		h.settle(ch)
		synctest.Wait()
		broker.want(t, 1, 1)
		close(broker.muteGate)
		synctest.Wait()
		broker.want(t, 2, 1)
		if second.asked != nil {
			t.Error("the subscriber still waits")
		}
	})
}

// TestListenThatFailsIsEnded has two waiting for one Listen: it is asked for
// once, ended once, with a context that has not ended, and both are refused.
func TestListenThatFailsIsEnded(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			broker := &countingBroker{listenError: errors.New("network down")}
			h, ch := bareHub(t, broker, immediate)
			subs := []*subscription{h.asking(ch), h.asking(ch)}
			for _, sub := range subs {
				ch.add(sub)
			}
			h.settle(ch)
			synctest.Wait()
			broker.want(t, 1, 1)
			if broker.muteError != nil {
				t.Errorf("Mute was asked with a context that ended: %v", broker.muteError)
			}
			for i, sub := range subs {
				got, err := sub.session.Take(nil)
				if len(got) != 1 || err != nil || !errors.Is(got[0].Outcome.Err, broker.listenError) {
					t.Errorf("subscriber %d took %+v, error %v", i, got, err)
				}
			}
			h.settle(ch)
			synctest.Wait()
			broker.want(t, 1, 1)
			if len(ch.subs) != 0 || ch.refs != 1 {
				t.Errorf("%d subscribers and %d references are left", len(ch.subs), ch.refs)
			}
		})
	}
}

// TestLentSubscribersDoNotChange removes and adds while a delivery reads.
func TestLentSubscribersDoNotChange(t *testing.T) {
	all := channels{seed: maphash.MakeSeed()}
	ch := all.acquire("c")
	subs := make([]*subscription, 200)
	for i := range subs {
		subs[i] = &subscription{}
		ch.add(subs[i])
	}
	lent := ch.lend(Position{})
	for _, sub := range subs[:150] {
		ch.remove(sub)
	}
	late := &subscription{}
	ch.add(late)
	for i, sub := range lent {
		if sub != subs[i] {
			t.Fatalf("subscriber %d changed under the delivery", i)
		}
	}
	ch.giveBack()
	left := ch.snapshot()
	if len(left) != 51 || cap(ch.subs) > 200 {
		t.Errorf("%d are left in an array of %d", len(left), cap(ch.subs))
	}
	for i, sub := range left {
		if sub.index != i {
			t.Errorf("subscriber at %d believes it is at %d", i, sub.index)
		}
	}
}
