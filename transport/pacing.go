package transport

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/transport/reconnect"
)

// pacing says when clients come back, and how many sessions begin in a second.
//
//	a client that is served    ─► a delay, in case the server is lost; another one when it no longer fits
//	a server that is stopping  ─► the delay of what the pace of its drain leaves to spread
//	a session too many         ─► a place behind the clients that were sent away before it
type pacing struct {
	random   func() float64
	sessions func() int

	spread  atomic.Pointer[reconnect.Spread]
	leaving atomic.Int64 // the window of clients of a server that is stopping; 0: it is not

	turnstile atomic.Pointer[turnstile] // nil: there is no limit
}

// turnstile bounds how many sessions begin in a second.
type turnstile struct {
	perSecond int
	limit     ratelimit.Limit
	bucket    ratelimit.Bucket
	step      time.Duration // between clients that come back
	line      atomic.Int64  // when the last one comes back that was sent away, in nanoseconds since 1970
}

// SetPace replaces Options.Reconnect and Options.SessionsPerSecond, whose zero values
// mean the same as there. It is safe for concurrent use.
func (t *Transport) SetPace(spread reconnect.Spread, sessionsPerSecond int) {
	p := &t.pacing
	p.spread.Store(&spread)
	if sessionsPerSecond <= 0 {
		sessionsPerSecond = DefaultSessionsPerSecond
	}
	if sessionsPerSecond == NoLimit {
		p.turnstile.Store(nil)
		return
	}
	if now := p.turnstile.Load(); now != nil && now.perSecond == sessionsPerSecond {
		return // what it has counted stays
	}
	p.turnstile.Store(&turnstile{
		perSecond: sessionsPerSecond,
		limit:     ratelimit.PerSecond(float64(sessionsPerSecond), max(sessionsPerSecond/burstPart, min(sessionsPerSecond, burstMin))),
		// Half of the rate is for clients that were sent away, and half for clients that
		// come for the first time: else newcomers would take the places of returning
		// clients for ever.
		step: 2 * time.Second / time.Duration(sessionsPerSecond),
	})
}

// A part of what may begin in a second may begin at once, but not less than a few. It is
// as much as comes back in a second: Retry-After has whole seconds, and clients that
// were sent away one after another come back as close together as they were.
const (
	burstPart = 2
	burstMin  = 32
)

// BeginDrain sets the window in which clients come back that are told from now on that
// the server goes away: the spread that is still missing when their sessions are ended
// one after another, within that time. Call it before hub.Hub.ShutdownAtPace.
func (t *Transport) BeginDrain(within time.Duration) {
	p := &t.pacing
	p.leaving.Store(max(1, int64(p.spread.Load().WindowAfter(p.sessions(), within))))
}

// ReconnectWindow is the time over which all clients would come back that are connected
// now.
func (t *Transport) ReconnectWindow() time.Duration {
	return t.pacing.spread.Load().Window(t.pacing.sessions())
}

// redraw is dialect.StreamOptions.Reconnect.
func (p *pacing) redraw(at int32) (delay time.Duration, drawnAt int32) {
	spread := p.spread.Load()
	if leaving := p.leaving.Load(); leaving > 0 {
		return spread.DelayOver(time.Duration(leaving), p.random()), at
	}
	sessions := p.sessions()
	if at != dialect.FirstDelay && !spread.NeedsRefresh(int(at), sessions) {
		return 0, at
	}
	return spread.Delay(sessions, p.random()), int32(sessions)
}

// whenRefused is how long a client waits after a refusal for a temporary reason.
func (p *pacing) whenRefused() time.Duration {
	spread := p.spread.Load()
	window := spread.Window(0)
	if leaving := p.leaving.Load(); leaving > 0 {
		window = time.Duration(leaving)
	}
	return spread.DelayOver(window, p.random())
}

// whenFull is how long a client waits for a place in a server that is full or
// overloaded. It is longer: each of many that are refused again costs something.
func (p *pacing) whenFull() time.Duration {
	return retryWhenFull + time.Duration(p.random()*float64(max(retryWhenFull, p.spread.Load().Window(p.sessions()))))
}

// retryWhenFull is how long a client waits that could not be served because there are too
// many, at least.
const retryWhenFull = 5 * time.Second

// admitSession answers a request for a session that must not begin now. It returns nil
// if it may. An event stream is opened and ended, see Refuse.
func (t *Transport) admitSession(asker *asker, transport string) *response {
	ok, after := t.pacing.admit(time.Now())
	if ok {
		return nil
	}
	t.observe.sessionRefused(transport)
	out := new(response)
	if transport == SSE {
		t.answer(asker, dialect.EventsHead(), out, nil)
		out.body = dialect.AppendRetry(nil, after)
		return out
	}
	t.refuse(asker, &refusal{problem: ProblemOverload, retryAfterSeconds: seconds(after), close: transport == WebSocket,
		detail: "more sessions begin than this server takes in a second (limits.sessions_per_second); try again later, here or at another"}, out)
	return out
}

// isContinued reports whether a long poll goes on where one has ended: it is no new session.
// Its connection is the one that the other came on; of requests that net/http has read
// this is not known, and their position counts.
func isContinued(a *asked, d dialect.Dialect) bool {
	if d.Transport() != LongPoll {
		return false
	}
	if a.loop != nil {
		return !a.loop.IsFirst()
	}
	return strings.Contains(a.query, "since=")
}

// admit reports whether one more session may begin at the moment now, and if not, how
// long its client waits.
func (p *pacing) admit(now time.Time) (ok bool, after time.Duration) {
	a := p.turnstile.Load()
	if a == nil {
		return true, 0
	}
	if ok, _ := a.bucket.Allow(now, a.limit); ok {
		return true, 0
	}
	spread := p.spread.Load()
	shortest, longest := spread.DelayOver(0, 0), spread.Longest()
	if after = a.place(now, shortest, longest); after == 0 {
		after = spread.DelayOver(longest-shortest, p.random())
	}
	return false, after
}

// place returns after how long the next one comes back that is sent away, or 0 if that
// would be later than the longest time.
func (a *turnstile) place(now time.Time, shortest, longest time.Duration) time.Duration {
	for at := now.UnixNano(); ; {
		last := a.line.Load()
		next := max(last, at+int64(shortest)) + int64(a.step)
		if last > at+int64(longest+a.step) { // the clock was set back
			next = at + int64(shortest+a.step)
		}
		if wait := time.Duration(next - at); wait > longest {
			return 0
		} else if a.line.CompareAndSwap(last, next) {
			return wait
		}
	}
}
