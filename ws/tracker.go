package ws

import (
	"context"
	"sync"
	"time"
)

// Tracker knows the connections that were accepted with it, so that a server can
// say goodbye to them: http.Server.Shutdown does not know connections that were
// hijacked. The zero value is ready. All methods are safe for concurrent use.
//
//	var tracker ws.Tracker
//	conn, err := ws.Accept(w, r, &ws.AcceptOptions{Tracker: &tracker})
//	…
//	server.Shutdown(ctx)  // accept no more
//	tracker.Shutdown(ctx) // close what is open
type Tracker struct {
	// Pace spreads the closing of Shutdown over this time, so that the clients do
	// not all come back at the same moment. It must not be changed while they are
	// being closed. Default: all at once.
	Pace time.Duration

	mu      sync.Mutex // guards what follows
	conns   map[*Conn]struct{}
	closing bool
	empty   chan struct{} // closed when the last one has ended; nil while nobody waits
}

// Len returns how many connections are open.
func (t *Tracker) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// Shutdown closes all connections with 1001, in the order of nothing in
// particular, and refuses new ones with 503. It returns nil when all have ended.
// When ctx ends first, it ends the rest without a close frame and returns ctx's
// error.
func (t *Tracker) Shutdown(ctx context.Context) error {
	t.mu.Lock()
	t.closing = true
	conns := make([]*Conn, 0, len(t.conns))
	for c := range t.conns {
		conns = append(conns, c)
	}
	if t.empty == nil {
		t.empty = make(chan struct{})
		if len(t.conns) == 0 {
			close(t.empty)
		}
	}
	empty := t.empty
	t.mu.Unlock()

	var closes sync.WaitGroup
	defer closes.Wait()
	var pace <-chan time.Time
	if t.Pace > 0 && len(conns) > 1 {
		ticker := time.NewTicker(max(t.Pace/time.Duration(len(conns)), 1))
		defer ticker.Stop()
		pace = ticker.C
	}
	for i, c := range conns {
		if i > 0 && pace != nil {
			select {
			case <-pace:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		closes.Go(func() { _ = c.Close(StatusGoingAway, "going away") })
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	for _, c := range conns {
		_ = c.CloseNow()
	}
	return ctx.Err()
}

// add reports whether c may stay.
func (t *Tracker) add(c *Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return false
	}
	if t.conns == nil {
		t.conns = make(map[*Conn]struct{})
	}
	t.conns[c] = struct{}{}
	return true
}

func (t *Tracker) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
	if len(t.conns) == 0 && t.empty != nil {
		select {
		case <-t.empty:
		default:
			close(t.empty)
		}
	}
}

func (t *Tracker) isClosing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closing
}
