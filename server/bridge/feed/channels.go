package feed

import (
	"container/list"
	"iter"
	"time"
)

// channels are those that a bridge publishes in, as far as it remembers.
type channels struct {
	max    int
	byName map[channelKey]*channel
	order  *list.List // of *channel, the longest silent first

	debts map[*channel]struct{} // those that owe a gap because something was lost, not because the upstream was away
	dueAt time.Time             // when they are to pay; zero if there are none
}

type channelKey struct {
	sub  int
	name string
}

// channel is one of them, for one subscription.
type channel struct {
	channelKey
	used  time.Time
	place *list.Element

	// owes says that the next publication has to be a gap: whatever came after from may be missing.
	owes   bool
	from   time.Time // zero: not known
	reason string
}

// The reasons of gaps, and of an upstream that is away.
const (
	reasonStart    = "start"    // the bridge has begun here, and does not know what was before
	reasonUpstream = "upstream" // the upstream was away
	reasonLost     = "lost"     // a message could not be published
	reasonStopped  = "stopped"  // the bridge ends here
)

// payAfter is how long after a loss a gap is announced if no message comes before that.
const payAfter = time.Second

// forgetAfter is how long a channel is silent that may be forgotten for another one.
const forgetAfter = 10 * time.Minute

func newChannels(most int) channels {
	return channels{max: most, byName: make(map[channelKey]*channel), order: list.New(), debts: make(map[*channel]struct{})}
}

// get returns a channel that is used now. It is nil if there is one too many, and a new one owes a gap.
func (cs *channels) get(name string, sub int, now time.Time) *channel {
	key := channelKey{sub, name}
	if c := cs.byName[key]; c != nil {
		c.used = now
		cs.order.MoveToBack(c.place)
		return c
	}
	if len(cs.byName) >= cs.max {
		oldest := cs.order.Front().Value.(*channel)
		if now.Sub(oldest.used) < forgetAfter {
			return nil
		}
		cs.order.Remove(oldest.place)
		delete(cs.byName, oldest.channelKey)
		delete(cs.debts, oldest)
	}
	c := &channel{channelKey: key, used: now}
	c.owe(time.Time{}, reasonStart)
	c.place = cs.order.PushBack(c)
	cs.byName[key] = c
	return c
}

// of are those of a subscription.
func (cs *channels) of(sub int) iter.Seq[*channel] {
	return func(yield func(*channel) bool) {
		for e := cs.order.Front(); e != nil; e = e.Next() {
			if c := e.Value.(*channel); c.sub == sub && !yield(c) {
				return
			}
		}
	}
}

// owe has a gap announced before anything else. An older gap that was not announced yet goes on.
func (c *channel) owe(from time.Time, reason string) {
	if !c.owes {
		c.owes, c.from, c.reason = true, from, reason
	}
}

// lose has a gap announced soon.
func (cs *channels) lose(now time.Time, c *channel, from time.Time, reason string) {
	c.owe(from, reason)
	cs.debts[c] = struct{}{}
	if cs.dueAt.IsZero() {
		cs.dueAt = now.Add(payAfter)
	}
}

// due is when owing is to be asked, or zero.
func (cs *channels) due() time.Time { return cs.dueAt }

// owing are those that owe a gap because of a loss, in the order in which they were used; they are asked no more.
func (cs *channels) owing() iter.Seq[*channel] {
	debts := cs.debts
	cs.debts, cs.dueAt = make(map[*channel]struct{}), time.Time{}
	return func(yield func(*channel) bool) {
		for e := cs.order.Front(); e != nil; e = e.Next() {
			c := e.Value.(*channel)
			if _, ok := debts[c]; ok && c.owes && !yield(c) {
				return
			}
		}
	}
}
