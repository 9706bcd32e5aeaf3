package forward

import (
	"sync"
	"time"
)

// Bounds of Places.
const (
	placesMax   = 100_000
	placeMaxAge = time.Minute
)

// Places remembers for a while which nodes have sessions whose names do not say so. The zero
// value remembers nothing yet. All methods are safe for concurrent use.
type Places struct {
	mu       sync.Mutex // guards what follows
	now, old map[string]string
	turned   time.Time // when now began
}

// turn makes the remembered places old, and forgets the old ones; mu is held.
func (p *Places) turn(now time.Time) {
	switch age := now.Sub(p.turned); {
	case p.now == nil, age >= 2*placeMaxAge:
		p.now, p.old = make(map[string]string), nil
	case age >= placeMaxAge, len(p.now) >= placesMax/2:
		p.now, p.old = make(map[string]string), p.now
	default:
		return
	}
	p.turned = now
}

// Get returns the node that has a session, if that is remembered.
func (p *Places) Get(session string) (node string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(time.Now())
	if node, ok = p.now[session]; ok {
		return node, true
	}
	if node, ok = p.old[session]; ok {
		p.now[session] = node // it is in use
	}
	return node, ok
}

// Put remembers the node that has a session.
func (p *Places) Put(session, node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(time.Now())
	p.now[session] = node
}

// Forget forgets it.
func (p *Places) Forget(session string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.now, session)
	delete(p.old, session)
}
