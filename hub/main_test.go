package hub_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newBroker returns an in-process broker.
func newBroker() *membroker.Broker {
	b, err := membroker.New(nil)
	if err != nil {
		panic(err)
	}
	return b
}

// newHub returns a hub on broker, or on a membroker if that is nil, closed with the test.
func newHub(t testing.TB, broker hub.Broker, o *hub.Options) *hub.Hub {
	t.Helper()
	if broker == nil {
		broker = newBroker()
	}
	h, err := hub.New(broker, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() }) // ErrClosed when the test did it
	return h
}

// edge is what a transport does with a session.
type edge struct {
	t testing.TB
	*hub.Session
	woken   chan struct{}
	counted int // pushes of this edge that a test has looked at
	tag     uint64
	kept    []hub.Push // taken while waiting for an outcome
	takes   int
}

// Take is Session.Take, with every second call as TakeRuns, whose runs come one by one.
func (e *edge) Take(dst []hub.Push) ([]hub.Push, error) {
	if e.takes++; e.takes%2 == 1 {
		return e.Session.Take(dst)
	}
	taken, err := e.TakeRuns(nil)
	for _, p := range taken {
		if p.Run == nil {
			dst = append(dst, p)
			continue
		}
		dst = p.Run.AppendTo(dst, p.Channel)
	}
	return dst, err
}

// immediate makes a wrapped broker one that never waits.
type immediate struct{ hub.Broker }

func (immediate) IsImmediate() bool { return true }

func connect(t testing.TB, h *hub.Hub) *edge {
	t.Helper()
	e := &edge{t: t, woken: make(chan struct{}, 1)}
	var err error
	e.Session, err = h.Connect("test", func() {
		select {
		case e.woken <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal("Connect:", err)
	}
	t.Cleanup(e.Close)
	return e
}

// outcome hands in a command with the tag it is given and waits for what becomes
// of it. What else is taken meanwhile is for drain and await.
func (e *edge) outcome(command func(tag uint64)) hub.Outcome {
	e.t.Helper()
	e.tag++
	command(e.tag)
	all := e.await(func(all []hub.Push) bool { return e.indexOf(all) >= 0 })
	i := e.indexOf(all)
	o := *all[i].Outcome
	if all[i].Channel != o.Channel {
		e.t.Errorf("an outcome of %q is pushed as one of %q", o.Channel, all[i].Channel)
	}
	e.kept = slices.Delete(all, i, i+1)
	return o
}

func (e *edge) indexOf(all []hub.Push) int {
	return slices.IndexFunc(all, func(p hub.Push) bool { return p.Outcome != nil && p.Outcome.Tag == e.tag })
}

// subscribe is for brokers that never wait. It takes nothing.
func (e *edge) subscribe(channel string, o hub.SubscribeOptions) {
	e.t.Helper()
	e.Subscribe(0, channel, o)
}

func (e *edge) trySubscribe(channel string, o hub.SubscribeOptions) error {
	e.t.Helper()
	return e.outcome(func(tag uint64) { e.Subscribe(tag, channel, o) }).Err
}

func (e *edge) unsubscribe(channel string) { e.Unsubscribe(0, channel) }

func (e *edge) publish(m hub.Message) hub.Outcome {
	e.t.Helper()
	return e.outcome(func(tag uint64) { e.Publish(tag, m) })
}

// drain takes until nothing is owed.
func (e *edge) drain() (all []hub.Push) {
	e.t.Helper()
	all, e.kept = e.kept, nil
	for {
		before := len(all)
		var err error
		if all, err = e.Take(all); err != nil {
			e.t.Fatal("Take:", err)
		}
		if len(all) == before {
			select {
			case <-e.woken:
			default:
				return all
			}
		}
	}
}

// await takes until done says it is enough.
func (e *edge) await(done func([]hub.Push) bool) (all []hub.Push) {
	e.t.Helper()
	lost := time.NewTimer(30 * time.Second)
	defer lost.Stop()
	all, e.kept = e.kept, nil
	for {
		before := len(all)
		var err error
		if all, err = e.Take(all); err != nil {
			e.t.Fatal("Take:", err)
		}
		if done(all) {
			return all
		}
		if len(all) > before {
			continue
		}
		select {
		case <-e.woken:
		case <-lost.C:
			e.t.Fatalf("nothing more came after %d pushes: %s", len(all), describe(all))
		}
	}
}

func publish(t testing.TB, h *hub.Hub, channel string, data ...string) (pos hub.Position) {
	t.Helper()
	for _, d := range data {
		var err error
		if pos, _, err = h.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte(d)}); err != nil {
			t.Fatalf("Publish(%q): %v", channel, err)
		}
	}
	return pos
}

// present are the members of a channel, all of them.
func present(t testing.TB, h *hub.Hub, channel string) []hub.Member {
	t.Helper()
	r, err := h.ListMembers(channel, hub.PresenceQuery{Limit: hub.NoLimit})
	if err != nil {
		t.Fatal("ListMembers:", err)
	}
	return r.Members
}

// describe shows pushes as "a b gap(1-3) c", for comparing.
func describe(pushes []hub.Push) string {
	s := ""
	for i, p := range pushes {
		if i > 0 {
			s += " "
		}
		switch {
		case p.Delivery != nil && p.Gap == nil && p.Delivery.Channel == p.Channel:
			s += string(p.Delivery.Data)
		case p.Gap != nil && p.Delivery == nil:
			s += fmt.Sprintf("gap(%d-%d)", p.Gap.From.Offset, p.Gap.To.Offset)
		case p.Behind != nil:
			s += describeBehind(p)
		case p.Changes != nil:
			s += fmt.Sprintf("changes(%d-%d)", p.Changes.Previous, p.Changes.Version)
		case p.Outcome != nil:
			s += fmt.Sprintf("outcome(%d %d %v)", p.Outcome.Tag, p.Outcome.Command, p.Outcome.Err)
		default:
			s += fmt.Sprintf("malformed(%+v)", p)
		}
	}
	return s
}

// describeBehind shows behind(CHANNEL), or level(CHANNEL) when it is over.
func describeBehind(p hub.Push) string {
	if p.Behind.Err == nil {
		return "level(" + p.Channel + ")"
	}
	return "behind(" + p.Channel + ")"
}

func want(t testing.TB, got []hub.Push, want string) {
	t.Helper()
	if d := describe(got); d != want {
		t.Errorf("took %q, want %q", d, want)
	}
}

// ledger follows one subscription and fails the test at the first publication
// that is missing without a gap, repeated or out of order.
type ledger struct {
	t    testing.TB
	last hub.Position
	n    int // publications
	gaps int
}

func (l *ledger) add(p hub.Push) {
	l.t.Helper()
	if p.Gap != nil {
		if l.last.IsZero() || p.Gap.From == l.last {
			l.last = p.Gap.To
			l.gaps++
			return
		}
		l.t.Fatalf("a gap from %v, but the last position was %v", p.Gap.From, l.last)
	}
	pos := p.Delivery.Position
	if !l.last.IsZero() && (pos.Epoch != l.last.Epoch || pos.Offset <= l.last.Offset || p.Delivery.Previous > l.last.Offset) {
		l.t.Fatalf("%v, which follows %d, came after %v", pos, p.Delivery.Previous, l.last)
	}
	l.last = pos
	l.n++
}
