package httpcarrier

import (
	"net/http"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/driver"
)

// loopPending is a handshake that waits on a loop.
type loopPending struct {
	engine.NopResponder
	ask func(decide func(Admission))

	mu      sync.Mutex
	decided *Admission // nil until it is, and after its end
}

// OnBody implements engine.Responder.
func (p *loopPending) OnBody(x engine.Exchange, _ []byte) {
	p.ask(func(a Admission) {
		a = a.decision()
		p.mu.Lock()
		p.decided = &a
		p.mu.Unlock()
		if x.Admit(a.onLoop()) != nil {
			p.abandon()
		}
	})
}

// OnEnd implements engine.Responder. Without an error OnOpen is next.
func (p *loopPending) OnEnd(_ engine.Exchange, err error) {
	if err != nil {
		p.abandon()
	}
}

// abandon tells of a decision that has come to nothing, once.
func (p *loopPending) abandon() {
	p.mu.Lock()
	a := p.decided
	p.decided = nil
	p.mu.Unlock()
	if a != nil {
		a.abandoned()
	}
}

// tooLate is the answer to a client whose handshake was not decided about in time.
var tooLate = Admission{
	Status: http.StatusServiceUnavailable,
	Fields: http.Header{"Retry-After": {"5"}},
	Body:   []byte("the server could not decide about the handshake in time; try again later\n"),
}

// await waits for the decision about a handshake that net/http has read. It panics with
// http.ErrAbortHandler if the client goes meanwhile.
func await(r *http.Request, a *Admission) Admission {
	timeout := a.PendingTimeout
	if driver.Resolve("PendingTimeout", &timeout, engine.DefaultHandshakeTimeout) != nil {
		return undecided
	}
	var mu sync.Mutex
	over := false
	decided := make(chan Admission, 1)
	a.Pending(func(a Admission) {
		mu.Lock()
		counts := !over
		over = true
		mu.Unlock()
		if counts {
			decided <- a
		} else {
			a.abandoned()
		}
	})
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case a := <-decided:
		return a
	default:
	}
	select {
	case a := <-decided:
		return a
	case <-r.Context().Done():
	case <-timer.C:
	}
	mu.Lock()
	late := over
	over = true
	mu.Unlock()
	if late { // it comes in this moment
		a := <-decided
		if r.Context().Err() == nil {
			return a
		}
		a.abandoned()
	}
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // there is nobody to answer
	}
	return tooLate
}
