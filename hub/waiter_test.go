package hub

import (
	"sync"
	"testing"
)

// TestWaiter: of several outcomes that come at once, and before, while and after the
// publisher begins to wait, it has one, which is whole, and none of another ticket.
func TestWaiter(t *testing.T) {
	w := &waiter{outcome: make(chan struct{}, 1)}
	var late sync.WaitGroup
	for range 2000 {
		ticket := w.next()
		for _, of := range []uint64{ticket, ticket, ticket - 1, ticket + 1_000_000} {
			late.Go(func() {
				w.Published(of, Published{Position: Position{Epoch: "e", Offset: of}, Duplicate: of == ticket})
			})
		}
		if !w.isAnswered() {
			<-w.outcome
		}
		if p := w.p; p.Position.Offset != ticket || !p.Duplicate {
			t.Fatalf("ticket %d has %+v", ticket, p)
		}
		if ticket%2 == 0 {
			late.Wait() // the other half goes on under the next ticket
		}
	}
	late.Wait()
	if len(w.outcome) != 0 {
		t.Error("an outcome is left over")
	}
	ticket := w.next()
	w.Published(ticket, Published{Position: Position{Offset: ticket}})
	if !w.isAnswered() || w.p.Position.Offset != ticket {
		t.Errorf("answered in the same call: %+v", w.p)
	}
}
