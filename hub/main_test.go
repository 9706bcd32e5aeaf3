package hub_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newHub returns a hub on broker, or on a membroker if that is nil, closed with the test.
func newHub(t testing.TB, broker hub.Broker, o *hub.Options) *hub.Hub {
	t.Helper()
	if broker == nil {
		broker = membroker.New(nil)
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
}

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

func (e *edge) subscribe(channel string, o hub.SubscribeOptions) {
	e.t.Helper()
	if err := e.Subscribe(e.t.Context(), channel, o); err != nil {
		e.t.Fatalf("Subscribe(%q): %v", channel, err)
	}
}

// drain takes until nothing is owed.
func (e *edge) drain() (all []hub.Push) {
	e.t.Helper()
	for {
		before := len(all)
		var err error
		if all, err = e.Take(e.t.Context(), all); err != nil {
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
	for {
		before := len(all)
		var err error
		if all, err = e.Take(e.t.Context(), all); err != nil {
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
		default:
			s += fmt.Sprintf("malformed(%+v)", p)
		}
	}
	return s
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
	if !l.last.IsZero() && (pos.Epoch != l.last.Epoch || pos.Offset != l.last.Offset+1) {
		l.t.Fatalf("%v came after %v", pos, l.last)
	}
	l.last = pos
	l.n++
}
