package engine

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/handshake"
)

const (
	// lagAfter is how long a lap is by which a loop lags: new connections are left
	// to loops that do not.
	lagAfter = 50 * time.Millisecond

	// lagKept is how long a loop is taken to lag behind a long lap, at most; it is
	// as long as the lap otherwise. The next may be as long.
	lagKept = time.Second

	// lagWindow is how long, to twice that, Stats.Lag remembers.
	lagWindow = 15 * time.Second
)

// lag is how far a loop is behind, measured in laps:
//
//	look ─► events … ─► tasks … ─► look ─► …
//	└─────────── a lap ──────────┘
//
// What arrives right after a look is found by the next one, so a lap is the
// longest that anything had to wait until the loop came to it. A look that is
// full has not found everything; then the lap goes on until as much was found as
// could be ready: the poller tells of what is ready in turn.
type lag struct {
	began wsproto.Time // the lap; the loop's own
	found int          // in this lap; the loop's own

	lap   atomic.Int64 // when it began, for others; 0 while the loop waits, and is not behind
	long  atomic.Int64 // the last lap that was long
	kept  atomic.Int64 // until then the loop is taken to lag by that
	sheds atomic.Int32 // laps in a row that took longer than ShedAfter
}

// looked is called after a look that found n events; what it found begins to be
// dealt with now.
func (l *loop) looked(n int) {
	l.lag.found += n
	if n == eventsMax && l.lag.found < len(l.conns) {
		return
	}
	l.lag.found = 0
	took := time.Duration(l.now - l.lag.began)
	l.startLap(l.now)
	l.tally.laps.note(l.now, took)
	if took > lagAfter || l.lag.sheds.Load() != 0 {
		l.lagged(took)
	}
}

func (l *loop) startLap(now wsproto.Time) {
	l.lag.began = now
	l.lag.lap.Store(int64(now))
}

// lagged notes a long lap, or the first short one behind some.
func (l *loop) lagged(took time.Duration) {
	if took > l.server.numbers.shedAfter {
		l.lag.sheds.Add(1)
	} else {
		l.lag.sheds.Store(0)
	}
	if took > lagAfter {
		l.lag.long.Store(int64(took))
		l.lag.kept.Store(int64(l.now + wsproto.Time(min(took, lagKept))))
		l.stepBack()
	}
}

// lapTime is how long the lap under way has taken. Any goroutine may ask.
func (l *loop) lapTime() time.Duration {
	began := l.lag.lap.Load()
	if began == 0 {
		return 0
	}
	return time.Duration(int64(l.clock()) - began)
}

// behind is how much the loop lags, 0 if it does not.
func (l *loop) behind() time.Duration {
	by := l.lapTime()
	if int64(l.clock()) < l.lag.kept.Load() {
		by = max(by, time.Duration(l.lag.long.Load()))
	}
	if by <= lagAfter {
		return 0
	}
	return by
}

// drowns reports whether two laps in a row took longer than after, the one under
// way counted as often as it has. One may be a single callback that blocked.
func (l *loop) drowns(after time.Duration) bool {
	return time.Duration(l.lag.sheds.Load())+l.lapTime()/after >= 2
}

// better reports whether a new connection should go to l rather than to other: to
// whoever lags less, or when neither does, if l has more than lead connections less.
func (l *loop) better(other *loop, lead int64) bool {
	if by, otherBy := l.behind(), other.behind(); by != otherBy {
		return by < otherBy
	}
	return l.open.Load()+lead < other.open.Load()
}

// laps are the longest of this window of time and of the one before.
type laps struct {
	window  int64
	longest [2]time.Duration
}

func (p *laps) note(now wsproto.Time, took time.Duration) {
	if window := int64(now) / int64(lagWindow); window != p.window {
		if window != p.window+1 {
			p.longest[0] = 0 // nothing was noted in the one before
		}
		p.longest = [2]time.Duration{0, p.longest[0]}
		p.window = window
	}
	p.longest[0] = max(p.longest[0], took)
}

// lagNow is Stats.Lag. mu is not held.
func (l *loop) lagNow(p laps) time.Duration {
	p.note(l.clock(), l.lapTime())
	return max(p.longest[0], p.longest[1])
}

// shedding is what is remembered of refusing opening handshakes, so that the log
// says it once.
type shedding struct {
	on atomic.Bool

	mu    sync.Mutex // guards what follows
	count uint64
	began time.Time
	last  time.Time
}

// shedCalm is how long none must have been refused for it to be over.
const shedCalm = 10 * time.Second

// sheds returns the answer to an opening handshake if there is no loop that could
// serve another connection in time, and else nil.
func (s *Server) sheds(seen *Request) *handshake.Fault {
	after := s.numbers.shedAfter
	for _, l := range s.loops {
		if !l.drowns(after) {
			s.calms()
			return nil
		}
	}
	l := s.loops[0]
	if seen.conn != nil {
		l = seen.conn.loop
	}
	l.shed.Add(1)
	x := &s.shedding
	x.mu.Lock()
	x.last = time.Now()
	x.count++
	wait := 5 + int(x.count%10) // who was refused together should not come back together
	begins := !x.on.Load()
	if begins {
		x.began = x.last
		x.on.Store(true)
	}
	x.mu.Unlock()
	if begins {
		s.log().Warn("engine: every loop is too far behind to serve more connections; opening handshakes are answered with 503 until one is not",
			"longer than", after, "connections", s.count.Load(), "loops", len(s.loops),
			"hint", "callbacks take more time than there is: make them shorter, give what blocks to workers (engine.Blocking), or add cores or servers")
	}
	return &handshake.Fault{Status: http.StatusServiceUnavailable, Reason: "the server is overloaded; try again later, here or at another",
		Header: handshake.Header{"Connection": {"close"}, "Retry-After": {strconv.Itoa(wait)}}}
}

// calms ends the shedding when it has been over for a while.
func (s *Server) calms() {
	x := &s.shedding
	if !x.on.Load() {
		return
	}
	x.mu.Lock()
	over := x.on.Load() && time.Since(x.last) >= shedCalm
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
