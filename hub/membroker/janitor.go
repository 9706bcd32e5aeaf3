package membroker

import (
	"container/heap"
	"slices"
	"sync/atomic"
	"time"
)

// janitor removes expired histories and keys. It is one goroutine for the broker, which
// looks every janitorInterval while anything can expire and sleeps otherwise.
type janitor struct {
	asleep atomic.Bool
	rouse  chan struct{} // one token at most
	stop   chan struct{} // closed by Close
	done   chan struct{} // closed when the goroutine has ended
}

func newJanitor() janitor {
	return janitor{rouse: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// wake ends the sleep. It is called after something was added that will expire.
func (j *janitor) wake() {
	if j.asleep.Load() && j.asleep.CompareAndSwap(true, false) {
		j.rouse <- struct{}{} // there is room: only the call that ends the sleep sends
	}
}

func (b *Broker) janitorLoop() {
	defer close(b.janitor.done)
	if !b.janitor.awaitRouse() { // it begins asleep
		return
	}
	ticker := time.NewTicker(janitorInterval)
	defer ticker.Stop()
	for {
		if !b.hasExpiring() {
			ticker.Stop()
			if !b.sleep() {
				return
			}
			ticker.Reset(janitorInterval)
		}
		select {
		case <-ticker.C:
			b.sweep()
		case <-b.janitor.stop:
			return
		}
	}
}

// sleep waits until woken, and reports whether to go on.
func (b *Broker) sleep() bool {
	b.janitor.asleep.Store(true)
	// A publisher before the line above has not seen it, so look once more.
	if b.hasExpiring() && b.janitor.asleep.CompareAndSwap(true, false) {
		return true
	}
	return b.janitor.awaitRouse()
}

func (j *janitor) awaitRouse() bool {
	select {
	case <-j.rouse:
		return true
	case <-j.stop:
		return false
	}
}

func (b *Broker) hasExpiring() bool {
	return b.publications.Load() > 0 || b.keys.expire() > 0
}

// sweep drops expired history and forgets the channels this leaves idle.
func (b *Broker) sweep() {
	now := b.clock()
	for i := range b.shards {
		for s := &b.shards[i]; b.sweepShard(s, now); {
		}
	}
}

// sweepShard reports whether it stopped before the end, to let others in.
func (b *Broker) sweepShard(s *shard, now moment) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range sweepMax {
		if len(s.expiring) == 0 || s.expiring[0].dueAt >= now {
			return false
		}
		c := s.expiring[0]
		b.count(c.history.expire(now))
		if c.history.held.len() > 0 {
			c.dueAt = c.history.due()
			heap.Fix(&s.expiring, 0)
			continue
		}
		s.reschedule(c)
		b.forgetIdle(s, c)
	}
	return true
}

// evict makes room when the histories together have become too large. Every
// publisher that finds them too large waits here for the one that makes room, so
// the bound is exceeded at most by the publications under way.
func (b *Broker) evict() {
	b.evicting.Lock()
	defer b.evicting.Unlock()
	if b.bytes.Load() <= b.options.HistoryBytesMax {
		return
	}
	enough := b.options.HistoryBytesMax / 4 * 3
	for b.bytes.Load() > enough && b.publications.Load() > 0 {
		b.evictFrom = (b.evictFrom + 1) % shardCount
		b.evictShard(&b.shards[b.evictFrom], enough)
	}
}

func (b *Broker) evictShard(s *shard, enough int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Clone(s.expiring) {
		if b.bytes.Load() <= enough {
			return
		}
		s.note(c)
		older := (c.history.held.len() + 1) / 2
		b.count(c.history.drop(older))
		b.evicted.Add(uint64(older))
		s.reschedule(c)
		b.forgetIdle(s, c)
	}
}
