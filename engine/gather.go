package engine

import (
	"runtime"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// gathering is what a loop knows about doing more at a time. Sending is a system
// call for each receiver, however many messages it takes; so when many messages
// go to the same receivers, those that come a little later are worth waiting for.
//
//	input ─► linger ─► gather ─► deliver ─► input ─► …
//	         asleep    looks     one write for each receiver
type gathering struct {
	look, nap retries

	heard uint64       // messages that had come when the turn began
	took  wsproto.Time // what the last deliveries took
	ended wsproto.Time // when that was
}

// retries says how often something is tried that may not be worth it: after
// each time in vain, half as often.
type retries struct {
	missed uint8 // so many times in a row, up to missedMax
	skip   uint8 // so many times it is not tried
}

const missedMax = 6

// due reports whether this is a time to try.
func (r *retries) due() bool {
	if r.skip == 0 {
		return true
	}
	r.skip--
	return false
}

func (r *retries) result(worth bool) {
	if worth {
		r.missed = 0
		return
	}
	r.missed = min(r.missed+1, missedMax)
	r.skip = 1<<r.missed - 1
}

const (
	// gatherMax bounds what gather adds to the time until something is sent.
	gatherMax = 500 * time.Microsecond

	// gatherMessages is how many messages of a turn are enough: more of them would
	// hardly make a message cheaper, and receivers have queues that they must fit.
	gatherMessages = 64

	// lingerMin is what deliveries take if they are worth waiting before,
	// lingerMax the longest wait, and napMax the longest part of it without a
	// look.
	lingerMin = 20 * time.Microsecond
	lingerMax = 250 * time.Microsecond
	napMax    = 50 * time.Microsecond

	// lingerYield is how many messages for each system call make it worthwhile.
	lingerYield = 2
)

// deliver does what the turn has left to do, and has seen that there is something.
func (l *loop) deliver(input bool) {
	lingered := l.linger()
	if input && !lingered && !l.heardEnough() && l.gathering.look.due() {
		l.gathering.look.result(l.gather())
	}
	began := l.clock()
	messages, sends := l.tally.MessagesOut, l.tally.sends
	l.work()
	g := &l.gathering
	g.ended = l.clock()
	g.took = g.ended - began
	if lingered {
		g.nap.result(l.tally.MessagesOut-messages >= lingerYield*(l.tally.sends-sends))
	}
}

// heardEnough reports whether it is time to deliver, whatever else there is.
func (l *loop) heardEnough() bool {
	return l.tally.MessagesIn-l.gathering.heard >= gatherMessages
}

// linger sleeps before deliveries, for twice the time they take at most, when they
// have followed each other more closely than that, and as long as each nap brings
// more. A publisher of 20,000 messages a second to ten subscribers: each gets
// several messages in a system call instead of one, for four fifths of the processor
// time. Deliveries that are further apart do not wait. It is given up for a while
// when a nap does not bring more messages for each receiver: when every connection
// talks to another one.
func (l *loop) linger() bool {
	g := &l.gathering
	if l.heardEnough() || g.took < wsproto.Time(lingerMin) || l.now-g.ended > g.took || !g.nap.due() {
		return false
	}
	// Other goroutines that have something to do get the processor first.
	runtime.Gosched()
	until := l.now + min(2*g.took, wsproto.Time(lingerMax))
	for more := true; more; {
		began := l.clock()
		l.poll.Pause(time.Duration(min(wsproto.Time(napMax), until-began)))
		l.now = l.clock()
		l.tally.Busy -= time.Duration(l.now - began)
		more = l.gather() && l.now < until
	}
	return true
}

// gather handles input that has arrived meanwhile, before other connections are
// sent what this turn's input has led to: a publisher mostly has more to say, and
// each of a thousand subscribers then gets it in one system call instead of two.
// It stops at the first look that finds nothing, and reports whether there was
// something.
func (l *loop) gather() bool {
	found := false
	for began := l.now; l.now-began < wsproto.Time(gatherMax) && !l.heardEnough(); l.now = l.clock() {
		n := l.poll.Wait(l.events[:], 0)
		if n == 0 {
			break
		}
		found = true
		l.lag.Find(n)
		l.handle(n)
	}
	return found
}
