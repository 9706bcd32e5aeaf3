package engine

import (
	"fmt"
	"time"
)

// watch reports callbacks that take long, while they do. A loop whose turn does
// not change from one look to the next, and who is serving a connection, stalls.
func (s *Server) watch(after time.Duration) {
	ticker := time.NewTicker(after)
	defer ticker.Stop()
	type look struct {
		turn     uint64
		reported bool
	}
	last := make([]look, len(s.loops))
	for {
		select {
		case <-ticker.C:
		case <-s.stop:
			return
		}
		for i, l := range s.loops {
			turn, c := l.turn.Load(), l.current.Load()
			if c == nil || turn != last[i].turn {
				last[i] = look{turn: turn}
				continue
			}
			if !last[i].reported {
				last[i].reported = true
				l.stalls.Add(1)
				c.mu.Lock()
				h := c.handler()
				c.mu.Unlock()
				s.log().Warn("engine: a handler holds up a loop and all connections on it; what blocks belongs in another goroutine",
					"handler", fmt.Sprintf("%T", h), "loop", l.index, "remote", fmt.Sprint(c.RemoteAddr()), "longer than", after)
			}
		}
	}
}
