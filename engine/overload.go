package engine

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine/internal/lag"
	"github.com/godwit-io/godwit/engine/internal/poller"
	"github.com/godwit-io/godwit/ws/handshake"
)

// noteLook is called after a look that found n events; what it found begins to be
// dealt with now.
func (l *loop) noteLook(n int) {
	if took, ended := l.lag.Look(l.now, n, n == poller.EventsMax, len(l.conns)); ended {
		l.tally.laps.Note(l.now, took)
		l.noteLap(took)
	}
}

// noteLap leaves new connections to other loops after a long lap.
func (l *loop) noteLap(took time.Duration) {
	if l.lag.Judge(l.now, took, l.server.numbers.shedAfter) {
		l.stepBack()
	}
}

// behind is how much the loop lags, 0 if it does not.
func (l *loop) behind() time.Duration { return l.lag.Behind(l.clock()) }

// isBetter reports whether a new connection should go to l rather than to other: to
// the one that lags less, or when neither does, if l has more than lead connections less.
func (l *loop) isBetter(other *loop, lead int64) bool {
	if by, otherBy := l.behind(), other.behind(); by != otherBy {
		return by < otherBy
	}
	return l.open.Load()+lead < other.open.Load()
}

// lagNow is Stats.Lag. mu is not held.
func (l *loop) lagNow(p lag.Laps) time.Duration {
	now := l.clock()
	p.Note(now, l.lag.LapTime(now))
	return p.Longest()
}

// overload remembers refusals of opening handshakes, so that the log
// says it once.
type overload struct {
	on atomic.Bool

	mu    sync.Mutex // guards what follows
	count uint64
	began time.Time
	last  time.Time
}

// overloadCalm is how long none must have been refused for it to be over.
const overloadCalm = 10 * time.Second

// refuseOverload returns the answer to an opening handshake if there is no loop that could
// serve another connection in time, and else nil.
func (s *Server) refuseOverload(seen *Request) *handshake.Fault {
	after := s.numbers.shedAfter
	for _, l := range s.loops {
		if !l.lag.IsOverloaded(l.clock(), after) {
			s.endOverload()
			return nil
		}
	}
	l := s.loops[0]
	if seen.conn != nil {
		l = seen.conn.loop
	}
	l.shed.Add(1)
	x := &s.overload
	x.mu.Lock()
	x.last = time.Now()
	x.count++
	wait := 5 + int(x.count%10) // those refused together should not come back together
	first := !x.on.Load()
	if first {
		x.began = x.last
		x.on.Store(true)
	}
	x.mu.Unlock()
	if first {
		s.log().Warn("engine: every loop is too far behind to serve more connections; opening handshakes are answered with 503 until one is not",
			"longer than", after, "connections", s.count.Load(), "loops", len(s.loops),
			"hint", "callbacks take more time than there is: make them shorter, give what blocks to workers (engine.Blocking), or add cores or servers")
	}
	return &handshake.Fault{Status: http.StatusServiceUnavailable, Rule: RuleOverload, Reason: "the server is overloaded; try again later, here or at another",
		Header: handshake.Header{"Connection": {"close"}, "Retry-After": {strconv.Itoa(wait)}}}
}

// endOverload lets the log say that it has been over for a while.
func (s *Server) endOverload() {
	x := &s.overload
	if !x.on.Load() {
		return
	}
	x.mu.Lock()
	over := x.on.Load() && time.Since(x.last) >= overloadCalm
	refused, took := x.count, x.last.Sub(x.began)
	if over {
		x.on.Store(false)
		x.count = 0
	}
	x.mu.Unlock()
	if over {
		s.log().Info("engine: opening handshakes are accepted again", "refused", refused, "in", took)
	}
}
