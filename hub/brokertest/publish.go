package brokertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// tickets are publications that are handed over without waiting for each other.
type tickets struct {
	mu       sync.Mutex
	outcomes [][]hub.Published // by ticket
	missing  int               // tickets without an outcome
	changed  chan struct{}     // closed and replaced when missing gets 0
}

func newTickets() *tickets { return &tickets{changed: make(chan struct{})} }

// publish hands m over.
func (s *tickets) publish(f *fixture, m hub.Message) {
	s.mu.Lock()
	ticket := uint64(len(s.outcomes))
	s.outcomes = append(s.outcomes, nil)
	s.missing++
	s.mu.Unlock()
	f.Publish(m, plenty, s, ticket)
}

// Published implements hub.Completer.
func (s *tickets) Published(ticket uint64, p hub.Published) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ticket >= uint64(len(s.outcomes)) {
		ticket = 0 // it then has two
	}
	s.outcomes[ticket] = append(s.outcomes[ticket], p)
	if len(s.outcomes[ticket]) > 1 {
		return
	}
	if s.missing--; s.missing == 0 {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

func (s *tickets) unanswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missing
}

// await closes the broker once every ticket has an outcome, so that one too many
// has come, too, and returns the outcomes.
func (s *tickets) await(t *testing.T, f *fixture) [][]hub.Published {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		missing, changed := s.missing, s.changed
		s.mu.Unlock()
		if missing == 0 {
			break
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("after %v %d of %d publications have no outcome", patience, missing, len(s.outcomes))
		}
	}
	_ = f.Close() // it may be closed
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcomes
}

// publishIsPipelined publishes to some channels without waiting: each publication
// has one outcome, which is its own, and those of a channel stand in the order of
// the calls.
func publishIsPipelined(t *testing.T, f *fixture) {
	const messages, channels = 600, 3
	f.start(nil)
	name := func(i int) string { return fmt.Sprint("c", i%channels) }
	for i := range channels {
		f.listen(name(i))
	}
	s := newTickets()
	for i := range messages {
		s.publish(f, hub.Message{Channel: name(i), Data: fmt.Append(nil, i)})
	}
	all := f.received.await(t, count(messages))
	delivered := make(map[string]hub.Position)
	for _, p := range all {
		delivered[string(p.Data)] = p.Position
	}
	last := make(map[string]hub.Position)
	for i, outcomes := range s.await(t, f) {
		if len(outcomes) != 1 || outcomes[0].Err != nil || outcomes[0].Duplicate {
			t.Fatalf("ticket %d has the outcomes %+v, want one position", i, outcomes)
		}
		got, before := outcomes[0].Position, last[name(i)]
		if got != delivered[fmt.Sprint(i)] {
			t.Fatalf("ticket %d is answered %v, and was delivered as %v", i, got, delivered[fmt.Sprint(i)])
		}
		if got.Offset <= before.Offset {
			t.Fatalf("%v of ticket %d does not come after %v, though it was handed over later", got, i, before)
		}
		last[name(i)] = got
	}
}

// completer calls a function.
type completer func(hub.Published)

func (c completer) Published(_ uint64, p hub.Published) { c(p) }

// outcomeUnderNoLock asks the broker something while it tells an outcome.
func outcomeUnderNoLock(t *testing.T, f *fixture) {
	f.start(nil)
	f.listen("c")
	answered := make(chan error, 2)
	f.Publish(hub.Message{Channel: "c", Data: []byte("x")}, plenty, completer(func(p hub.Published) {
		page, err := f.History(f.ctx, "c", hub.Query{Last: 1})
		if err == nil && (len(page.Publications) != 1 || page.Position != p.Position) {
			err = fmt.Errorf("history is %q up to %v, but %v was acknowledged", texts(page.Publications), page.Position, p.Position)
		}
		answered <- err
	}), 1)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-timeout.C:
		t.Fatalf("History has not returned after %v: the outcome was told under a lock, or never", patience)
	}
}
