package bridge

import (
	"time"

	"github.com/godwit-io/godwit/server/bridge/feed"
)

// logEach is how often a bridge says that messages of one kind are no good, however many there are.
const logEach = 10 * time.Second

// logged is what was said of messages of one kind.
type logged struct {
	at    time.Time
	since uint64 // how many were not told of since then
}

// note logs what is wrong with messages, and not with every one.
func (r *runner) note(o feed.Outcome, detail string) {
	problem := o.Problem()
	if o == feed.Lost {
		problem = "a message could not be published, which its channel is told"
	}
	if problem == "" {
		return
	}
	r.mu.Lock()
	l := r.logged[o]
	if l == nil {
		l = &logged{}
		r.logged[o] = l
	}
	now := time.Now()
	if !l.at.IsZero() && now.Sub(l.at) < logEach {
		l.since++
		r.mu.Unlock()
		return
	}
	more := l.since
	l.at, l.since = now, 0
	r.mu.Unlock()
	r.log.Warn("the upstream of a bridge has sent "+problem, "detail", detail, "more_since", more)
}
