package hub_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// lossyBroker loses deliveries, as a distributed one may.
type lossyBroker struct {
	hub.Broker
	lose func(*hub.Publication) bool
}

func (b *lossyBroker) IsImmediate() bool { return true }

func (b *lossyBroker) Start(r hub.Receiver) error {
	return b.Broker.Start(lossyReceiver{r, b.lose})
}

type lossyReceiver struct {
	hub.Receiver
	lose func(*hub.Publication) bool
}

func (r lossyReceiver) Receive(p *hub.Publication) {
	if !r.lose(p) {
		r.Receiver.Receive(p)
	}
}

func TestLostDeliveriesAreReadFromHistory(t *testing.T) {
	lossy := &lossyBroker{Broker: newBroker(), lose: func(p *hub.Publication) bool { return p.Position.Offset%3 == 0 }}
	h := newHub(t, lossy, nil)
	e, slow := connect(t, h), connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	slow.subscribe("c", hub.SubscribeOptions{})
	publish(t, h, "c", "1")
	want(t, e.drain(), "1")
	publish(t, h, "c", "2", "3")
	want(t, e.drain(), "2") // nothing says that there was a 3
	publish(t, h, "c", "4", "5", "6", "7", "8")
	want(t, e.drain(), "3 4 5 6 7 8")
	publish(t, h, "c", "9", "10")
	want(t, e.drain(), "9 10")
	want(t, slow.drain(), "1 2 3 4 5 6 7 8 9 10")
	if got := h.Stats(); got.Gaps != 0 {
		t.Errorf("%d gaps", got.Gaps)
	}
}

func TestLostDeliveriesWithoutHistory(t *testing.T) {
	lossy := &lossyBroker{Broker: newBroker(), lose: func(p *hub.Publication) bool { return p.Position.Offset == 3 }}
	h := newHub(t, lossy, &hub.Options{NoHistory: true})
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	publish(t, h, "c", "1", "2", "3", "4")
	want(t, e.drain(), "1 2 gap(2-4)")
	publish(t, h, "c", "5")
	want(t, e.drain(), "5")
}

// scriptedBroker delivers and answers what a test says, at once.
type scriptedBroker struct {
	receiver hub.Receiver
	top      hub.Position // what Listen answers
	history  func(hub.Query) (hub.Page, error)
	reads    int
}

func (b *scriptedBroker) IsImmediate() bool                  { return true }
func (b *scriptedBroker) Start(r hub.Receiver) error         { b.receiver = r; return nil }
func (b *scriptedBroker) Mute(context.Context, string) error { return nil }
func (b *scriptedBroker) Close() error                       { return nil }

func (b *scriptedBroker) Listen(context.Context, string) (hub.Position, error) { return b.top, nil }

func (b *scriptedBroker) Publish(_ hub.Message, _ hub.Retention, to hub.Completer, ticket uint64) {
	to.Published(ticket, hub.Published{Err: errors.New("not in the script")})
}

func (b *scriptedBroker) History(_ context.Context, _ string, q hub.Query) (hub.Page, error) {
	b.reads++
	return b.history(q)
}

func (b *scriptedBroker) deliver(positions ...hub.Position) {
	for _, p := range positions {
		b.receiver.Receive(publication(p))
	}
}

func publication(p hub.Position) *hub.Publication {
	return &hub.Publication{Channel: "c", Position: p, Previous: p.Offset - 1, Data: []byte(p.String())}
}

func pos(epoch string, offset uint64) hub.Position { return hub.Position{Epoch: epoch, Offset: offset} }

func TestRepeatedDeliveryIsSkipped(t *testing.T) {
	broker := &scriptedBroker{top: pos("e", 4)}
	h := newHub(t, broker, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	broker.deliver(pos("e", 5), pos("e", 6), pos("e", 6), pos("e", 5), pos("e", 7))
	want(t, e.drain(), "e:5 e:6 e:7")
	broker.deliver(pos("e", 7), pos("e", 8))
	want(t, e.drain(), "e:8")
}

// TestNewEpochIsAnnounced is a broker that lost its history while a session was
// subscribed, with something queued from before.
func TestNewEpochIsAnnounced(t *testing.T) {
	broker := &scriptedBroker{top: pos("old", 4)}
	h := newHub(t, broker, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	broker.deliver(pos("old", 5), pos("old", 6), pos("new", 2), pos("new", 3))
	broker.history = func(q hub.Query) (hub.Page, error) {
		if q.Since != pos("old", 6) {
			t.Errorf("asked for what came after %v", q.Since)
		}
		return hub.Page{
			Publications: []*hub.Publication{publication(pos("new", 2)), publication(pos("new", 3))},
			Position:     pos("new", 3),
			Gap:          &hub.Gap{From: q.Since, To: pos("new", 1)},
		}, nil
	}
	got := e.drain()
	want(t, got, "old:5 old:6 gap(6-1) new:2 new:3")
	if gap := got[2].Gap; gap.From != pos("old", 6) || gap.To != pos("new", 1) {
		t.Errorf("gap is %+v", gap)
	}
	broker.deliver(pos("new", 4))
	want(t, e.drain(), "new:4")
	if broker.reads != 1 {
		t.Errorf("history was read %d times", broker.reads)
	}
}

// TestEpochChangesDuringRead delivers from a new epoch while a page of the old
// one is on its way.
func TestEpochChangesDuringRead(t *testing.T) {
	broker := &scriptedBroker{top: pos("old", 6)}
	h := newHub(t, broker, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{Since: pos("old", 5)})
	broker.history = func(q hub.Query) (hub.Page, error) {
		if q.Since.Epoch == "old" && broker.reads == 1 {
			broker.deliver(pos("new", 1))
			return hub.Page{Publications: []*hub.Publication{publication(pos("old", 6))}, Position: pos("old", 6)}, nil
		}
		return hub.Page{
			Publications: []*hub.Publication{publication(pos("new", 1))},
			Position:     pos("new", 1),
			Gap:          &hub.Gap{From: q.Since, To: pos("new", 0)},
		}, nil
	}
	want(t, e.drain(), "old:6 gap(6-0) new:1")
	broker.deliver(pos("new", 2))
	want(t, e.drain(), "new:2")
}

// TestBusyChannelWithoutHistory publishes during every read. Without history
// there is nothing to wait for: one gap, up to the deliveries during the read, and then
// live.
func TestBusyChannelWithoutHistory(t *testing.T) {
	broker := &scriptedBroker{top: pos("e", 4)}
	h := newHub(t, broker, &hub.Options{NoHistory: true})
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{Since: pos("e", 2)})
	top := uint64(4)
	broker.history = func(q hub.Query) (hub.Page, error) {
		page := hub.Page{Position: pos("e", top), Gap: &hub.Gap{From: q.Since, To: pos("e", top)}}
		broker.deliver(pos("e", top+1), pos("e", top+2))
		top += 2
		return page, nil
	}
	want(t, e.drain(), "gap(2-4) e:5 e:6")
	broker.deliver(pos("e", 7))
	want(t, e.drain(), "e:7")
	if broker.reads != 1 {
		t.Errorf("history was read %d times", broker.reads)
	}
}

// TestUnreadableDelivery is a broker against its contract: its deliveries are not in its
// history, and no gap is admitted. The loss is announced all the
// same, and the broker is not asked for ever.
func TestUnreadableDelivery(t *testing.T) {
	broker := &scriptedBroker{top: pos("e", 0), history: func(q hub.Query) (hub.Page, error) {
		return hub.Page{Position: q.Since}, nil
	}}
	h := newHub(t, broker, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	broker.deliver(pos("e", 1), pos("e", 3))
	want(t, e.drain(), "e:1 gap(1-3)")
	broker.deliver(pos("e", 4))
	want(t, e.drain(), "e:4")
	if broker.reads != 1 {
		t.Errorf("history was read %d times", broker.reads)
	}
}

// TestHistoryFails has the broker fail for a while: the subscription says so,
// others go on, it is tried again with growing pauses, and loses nothing.
func TestHistoryFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("network down")
		broker := &scriptedBroker{top: pos("e", 0), history: func(hub.Query) (hub.Page, error) { return hub.Page{}, broken }}
		h := newHub(t, broker, nil)
		e := connect(t, h)
		if err := e.trySubscribe("c", hub.SubscribeOptions{Last: 1}); !errors.Is(err, broken) {
			t.Errorf("Subscribe with Last: %v", err)
		}
		if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 {
			t.Errorf("a failed Subscribe left %+v", got)
		}
		e.subscribe("d", hub.SubscribeOptions{})
		broker.top = pos("e", 2)
		e.subscribe("c", hub.SubscribeOptions{Since: pos("e", 1)})
		broker.receiver.Receive(&hub.Publication{Channel: "d", Position: pos("e", 1), Data: []byte("live")})
		got := e.drain()
		want(t, got, "live behind(c)")
		if p := got[1]; !errors.Is(p.Behind.Err, broken) {
			t.Errorf("behind is %+v", p)
		}
		broker.deliver(pos("e", 3))
		shortest, longest := 50*time.Millisecond, 100*time.Millisecond
		for round := range 12 {
			began := time.Now()
			want(t, e.drain(), "") // nothing is read before its time
			<-e.woken
			if pause := time.Since(began); pause < shortest || pause > longest {
				t.Errorf("pause %d took %v, want %v to %v", round, pause, shortest, longest)
			}
			want(t, e.drain(), "") // it was told once
			shortest, longest = min(2*shortest, 5*time.Second), min(2*longest, 10*time.Second)
		}
		if broker.reads != 1+1+12 {
			t.Errorf("history was read %d times, want once for each pause", broker.reads)
		}
		broker.history = func(q hub.Query) (hub.Page, error) {
			if q.Since != pos("e", 1) {
				t.Errorf("asked for what came after %v", q.Since)
			}
			return hub.Page{Publications: []*hub.Publication{publication(pos("e", 2)), publication(pos("e", 3))}, Position: pos("e", 3)}, nil
		}
		<-e.woken
		want(t, e.drain(), "e:2 e:3 level(c)")
		broker.deliver(pos("e", 4))
		want(t, e.drain(), "e:4")

		// The next failure begins with a short pause, and nothing is tried for sessions that left.
		broker.history = func(hub.Query) (hub.Page, error) { return hub.Page{}, broken }
		for _, leave := range []func(){func() { e.unsubscribe("c") }, e.Close} {
			broker.reads = 0
			broker.deliver(pos("e", 6))
			want(t, e.drain(), "behind(c)")
			leave()
			time.Sleep(time.Minute)
			if broker.reads != 1 {
				t.Errorf("history was read %d times, want once", broker.reads)
			}
			if broker.top = pos("e", 4); h.Stats().Sessions["test"] == 1 {
				e.subscribe("c", hub.SubscribeOptions{})
			}
		}
	})
}

func TestEndDuringRead(t *testing.T) {
	for name, end := range map[string]func(*edge){
		"Unsubscribe": func(e *edge) { e.unsubscribe("c") },
		"Close":       func(e *edge) { e.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			broker := &scriptedBroker{}
			h := newHub(t, broker, nil)
			e := connect(t, h)
			e.subscribe("c", hub.SubscribeOptions{Since: pos("e", 1)})
			broker.history = func(hub.Query) (hub.Page, error) {
				end(e)
				return hub.Page{Publications: []*hub.Publication{publication(pos("e", 2))}, Position: pos("e", 2)}, nil
			}
			got, err := e.Take(nil)
			if err != nil || len(got) != 0 {
				t.Errorf("Take: %v, error %v; want nothing", got, err)
			}
			if broker.deliver(pos("e", 3)); name == "Close" {
				if _, err := e.Take(nil); !errors.Is(err, hub.ErrClosed) {
					t.Errorf("Take after Close: %v", err)
				}
			} else {
				want(t, e.drain(), "")
			}
		})
	}
}
