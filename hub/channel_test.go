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
	muteGate       chan struct{} // not nil: Mute waits for it
}

func (b *countingBroker) Listen(context.Context, string) error {
	b.listens++
	return b.listenError
}

func (b *countingBroker) Mute(context.Context, string) error {
	b.mutes++
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

func (ch *channel) mustListen(t *testing.T, b Broker) {
	t.Helper()
	if err := ch.listen(t.Context(), b); err != nil {
		t.Errorf("listen: %v", err)
	}
}

// TestMuteComesTooLate is the last subscriber leaving and another coming before
// the first got to Mute.
func TestMuteComesTooLate(t *testing.T) {
	broker := &countingBroker{}
	all := channels{seed: maphash.MakeSeed()}
	ch := all.acquire("c")
	first, second := &subscription{}, &subscription{}
	ch.add(first)
	ch.mustListen(t, broker)
	if !ch.remove(first) {
		t.Error("the last one is not the last one")
	}
	ch.add(second)
	ch.mustListen(t, broker)
	ch.mute(broker)
	broker.want(t, 1, 0)
	if ch.remove(second) {
		ch.mute(broker)
		ch.mute(broker)
	}
	broker.want(t, 1, 1)
}

// TestListenDuringMute subscribes while the Broker is being told to Mute.
func TestListenDuringMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &countingBroker{muteGate: make(chan struct{})}
		all := channels{seed: maphash.MakeSeed()}
		ch := all.acquire("c")
		first, second := &subscription{}, &subscription{}
		ch.add(first)
		ch.mustListen(t, broker)
		ch.remove(first)
		go ch.mute(broker)
		synctest.Wait()
		done := false
		go func() {
			ch.add(second)
			ch.mustListen(t, broker)
			done = true
		}()
		synctest.Wait()
		if done {
			t.Error("a subscriber relied on a Listen that is being ended")
		}
		broker.want(t, 1, 1)
		close(broker.muteGate)
		synctest.Wait()
		broker.want(t, 2, 1)
		if !done {
			t.Error("the subscriber still waits")
		}
	})
}

func TestListenThatFailsIsEnded(t *testing.T) {
	broker := &countingBroker{listenError: errors.New("network down")}
	all := channels{seed: maphash.MakeSeed()}
	ch := all.acquire("c")
	sub := &subscription{}
	ch.add(sub)
	if err := ch.listen(t.Context(), broker); !errors.Is(err, broker.listenError) {
		t.Errorf("listen: %v", err)
	}
	broker.want(t, 1, 1)
	ch.remove(sub)
	ch.mute(broker)
	broker.want(t, 1, 1)
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
	lent := ch.lend()
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
