package seldom

import (
	"sync"
	"time"
)

// Interval is how long a Gate is shut after it has let something through.
const Interval = 10 * time.Second

// Gate lets one of what happens within Interval through. The zero Gate is open. It is safe for
// concurrent use.
type Gate struct {
	mu   sync.Mutex // guards what follows
	next time.Time
	left int
}

// Pass reports whether what happens now is to be said, and how many since the last one were not.
func (g *Gate) Pass(now time.Time) (left int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.next) {
		g.left++
		return 0, false
	}
	left, g.left, g.next = g.left, 0, now.Add(Interval)
	return left, true
}
