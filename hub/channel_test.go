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
	h := &Hub{broker: broker, immediate: func() bool { return immediate }, channels: channels{seed: maphash.MakeSeed()}, calls: newCalls(4), pages: newPages(NoLimit)}
	h.options, _ = (*Options)(nil).effective()
	t.Cleanup(h.calls.close)
	return h, h.channels.acquire("c")
}

// asking is a subscription of a session of its own that waits for its beginning.
func (h *Hub) asking(ch *channel) *subscription {
	h.channels.hold(ch)
	sub := &subscription{channel: ch, asked: &asked{}}
	sub.session = &Session{hub: h, wake: func() {}, subs: subscriptions{one: sub}, outstanding: 1}
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
		subs[i] = &subscription{session: &Session{hub: &Hub{}}}
		ch.add(subs[i])
	}
	l, _ := ch.lend(&Publication{Position: Position{}}, 0)
	for _, sub := range subs[:150] {
		ch.remove(sub)
	}
	late := &subscription{session: &Session{hub: &Hub{}}}
	ch.add(late)
	for i, sub := range l.subs {
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
		if int(sub.index) != i {
			t.Errorf("subscriber at %d believes it is at %d", i, sub.index)
		}
	}
}

// TestNewestPosition: a newcomer is told the newest position there is, or none while it
// is not known.
func TestNewestPosition(t *testing.T) {
	at := func(epoch string, offset uint64) Position { return Position{Epoch: epoch, Offset: offset} }
	for name, test := range map[string]struct {
		meanwhile func(*channel) // before Listen answers e:5
		want      Position
	}{
		"nothing":                 {func(*channel) {}, at("e", 5)},
		"an older delivery":       {func(ch *channel) { ch.lend(&Publication{Position: at("e", 4)}, 0) }, at("e", 5)},
		"a newer delivery":        {func(ch *channel) { ch.lend(&Publication{Position: at("e", 6)}, 0) }, at("e", 6)},
		"one of another epoch":    {func(ch *channel) { ch.lend(&Publication{Position: at("f", 1)}, 0) }, Position{}},
		"a loss":                  {func(ch *channel) { ch.lend(&Publication{Position: at("e", 6)}, 0); ch.lose() }, Position{}},
		"a delivery after that":   {func(ch *channel) { ch.lose(); ch.lend(&Publication{Position: at("e", 6)}, 0) }, at("e", 6)},
		"one delivered to nobody": {func(ch *channel) { ch.removeLocked(ch.subs[0]); ch.lend(&Publication{Position: at("e", 6)}, 0) }, at("e", 6)},
	} {
		t.Run(name, func(t *testing.T) {
			h, ch := bareHub(t, &countingBroker{}, true)
			ch.add(h.asking(ch))
			test.meanwhile(ch)
			if _, top := ch.takeAnswer(at("e", 5), nil); top != test.want {
				t.Errorf("those that waited are told %v, want %v", top, test.want)
			}
			if top, listening := ch.add(h.asking(ch)); !listening || top != test.want {
				t.Errorf("a newcomer is told %v, want %v", top, test.want)
			}
			ch.lose()
			if top, _ := ch.add(h.asking(ch)); !top.IsZero() {
				t.Errorf("after a loss a newcomer is told %v", top)
			}
			ch.lend(&Publication{Position: at("e", 9)}, 0)
			if top, _ := ch.add(h.asking(ch)); top != at("e", 9) {
				t.Errorf("after the next delivery a newcomer is told %v", top)
			}
		})
	}
}

// TestBegin: a subscription is live at once only if it has missed nothing.
func TestBegin(t *testing.T) {
	at := func(offset uint64) Position { return Position{Epoch: "e", Offset: offset} }
	for name, test := range map[string]struct {
		since, position, top Position
		before               func(*subscription)
		isLive               bool
		want                 Position
	}{
		"now":                          {Position{}, at(5), at(5), func(*subscription) {}, true, at(5)},
		"since the newest":             {at(5), at(5), at(5), func(*subscription) {}, true, at(5)},
		"since an older one":           {at(4), at(4), at(5), func(*subscription) {}, false, at(4)},
		"the newest is not known":      {at(5), at(5), Position{}, func(*subscription) {}, false, at(5)},
		"now, delivered meanwhile":     {Position{}, at(5), at(5), func(s *subscription) { s.seen = at(6) }, true, at(6)},
		"since, delivered meanwhile":   {at(5), at(5), at(5), func(s *subscription) { s.seen = at(6) }, false, at(5)},
		"now, lost meanwhile":          {Position{}, at(5), at(5), func(s *subscription) { s.session.doubt(s) }, false, at(5)},
		"since, delivered what it has": {at(5), at(5), at(5), func(s *subscription) { s.seen = at(5) }, true, at(5)},
	} {
		t.Run(name, func(t *testing.T) {
			h, ch := bareHub(t, &countingBroker{}, true)
			sub := h.asking(ch)
			sub.asked = &asked{tag: 1, since: test.since}
			test.before(sub)
			sub.session.begin(sub, sub.asked, test.position, test.top)
			if sub.catching == test.isLive || sub.last != test.want || sub.session.queue[0].other.Outcome.Position != test.want {
				t.Errorf("it is catching up: %v, at %v; want %v at %v", sub.catching, sub.last, !test.isLive, test.want)
			}
		})
	}
}
