package engine

import (
	"fmt"
	"time"
)

// watch reports callbacks that take long, while they do. A loop whose turn does
// not change from one look to the next, and which is serving a connection, stalls.
func (s *Server) watch(after time.Duration) {
	ticker := time.NewTicker(after)
	defer ticker.Stop()
	type look struct {
		turn     uint64
		reported bool
	}
	last := make([]look, len(s.loops))
	var pooled look
	for {
		select {
		case <-ticker.C:
		case <-s.stop:
			return
		}
		begun, waiting, first := s.pool.Waiting()
		if waiting == 0 || begun != pooled.turn {
			pooled = look{turn: begun}
		} else if !pooled.reported {
			pooled.reported = true
			s.log().Warn("engine: every worker is busy with a blocking handler, and no call has begun for a while; raise Workers, or make the calls shorter",
				"next", first.(*mailbox).conn.handlerName(), "workers", s.pool.Max(), "waiting", waiting, "longer than", after)
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
				s.log().Warn("engine: a handler holds up a loop and all connections on it; what blocks belongs on workers, see engine.Blocking",
					"handler", c.handlerName(), "loop", l.index, "remote", fmt.Sprint(c.RemoteAddr()), "longer than", after)
			}
		}
	}
}
