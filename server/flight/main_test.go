package flight

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newHub returns a hub that r observes.
func newHub(t testing.TB, r *Recorder, o hub.Options) *hub.Hub {
	t.Helper()
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Observer = &hub.Observer{}
	r.Observe(o.Observer)
	h, err := hub.New(broker, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func connect(t testing.TB, h *hub.Hub, user string) *hub.Session {
	t.Helper()
	var id *access.Identity
	if user != "" {
		id = &access.Identity{Kind: access.Token, User: user}
	}
	s, err := h.ConnectAs(id, "websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func publish(t testing.TB, h *hub.Hub, m hub.Message) hub.Position {
	t.Helper()
	p, _, err := h.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// take takes all that there is.
func take(t testing.TB, s *hub.Session) (all []hub.Push) {
	t.Helper()
	for {
		n := len(all)
		var err error
		if all, err = s.Take(all); err != nil {
			t.Fatal(err)
		}
		if len(all) == n {
			return all
		}
	}
}

func explain(t testing.TB, r *Recorder, h *hub.Hub, q Question) *Answer {
	t.Helper()
	a, err := r.Explain(t.Context(), h, q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ticking is a clock that goes on by a step with each look at it.
func ticking(step time.Duration) func() time.Time {
	now := time.Date(2026, 11, 30, 10, 31, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(step)
		return now
	}
}
