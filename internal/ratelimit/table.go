package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// shardsMax is into how many parts a table is divided, each with its lock.
	shardsMax = 16

	// shardKeysMin is how many keys make a part of its own worthwhile.
	shardKeysMin = 256

	// looksAt is how many others a new key looks at for one to take the place of.
	looksAt = 8
)

// Table is a Bucket for each key. It is safe for concurrent use. Make it with
// NewTable.
//
// A bucket that is full again is as good as none, and is forgotten when another
// needs the place. If there is none, because more keys than the table holds have
// been active lately, the one of a few that is nearest to full is forgotten: it
// gets a little more than its limit, and those that are refused, which are
// furthest from full, get nothing.
type Table[K comparable] struct {
	seed   maphash.Seed
	shards []tableShard[K]
}

type tableShard[K comparable] struct {
	mu      sync.Mutex
	keysMax int
	tats    map[K]int64 // when the bucket of each is full again, as a moment
	latest  int64       // when it was asked last; time does not go back, as for a Bucket
}

// NewTable makes a table that holds at most keysMax keys, at least 1. A key takes
// about 50 bytes and what the key itself takes; nothing is allocated before.
func NewTable[K comparable](keysMax int) *Table[K] {
	n := 1
	for n < shardsMax && keysMax/(n*2) >= shardKeysMin {
		n *= 2
	}
	t := &Table[K]{seed: maphash.MakeSeed(), shards: make([]tableShard[K], n)}
	for i := range t.shards {
		t.shards[i].keysMax = max(keysMax/n, 1)
		t.shards[i].tats = make(map[K]int64)
	}
	return t
}

// Allow takes one from the bucket of key at the moment now. If it has none, nothing
// is taken, and retryAfter, which is more than 0, is when there is one.
func (t *Table[K]) Allow(now time.Time, key K, l Limit) (ok bool, retryAfter time.Duration) {
	return t.AllowN(now, key, l, 1)
}

// AllowN is Allow for n at once, all of them or none; n is 1 or more. With more than
// the limit allows at once, retryAfter is Never.
func (t *Table[K]) AllowN(now time.Time, key K, l Limit, n int) (ok bool, retryAfter time.Duration) {
	s := &t.shards[0]
	if len(t.shards) > 1 {
		s = &t.shards[maphash.Comparable(t.seed, key)%uint64(len(t.shards))]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := max(moment(now), s.latest)
	s.latest = at
	tat, known := s.tats[key]
	next, wait := l.take(tat, at, n)
	switch {
	case known:
	case wait > 0 || next <= at:
		return wait == 0, wait // nothing was taken that had to be remembered
	case len(s.tats) >= s.keysMax:
		s.makePlace(at)
	}
	if next != tat {
		s.tats[key] = next
	}
	return wait == 0, wait
}

// makePlace forgets all that are full of a few keys, or the one nearest to it.
func (s *tableShard[K]) makePlace(now int64) {
	var nearest K
	seen, freed := 0, false
	least := int64(0)
	for key, tat := range s.tats { // from anywhere on
		if tat <= now {
			delete(s.tats, key)
			freed = true
		} else if seen == 0 || tat < least {
			nearest, least = key, tat
		}
		if seen++; seen == looksAt {
			break
		}
	}
	if !freed {
		delete(s.tats, nearest)
	}
}

// Len is how many keys are remembered.
func (t *Table[K]) Len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.tats)
		s.mu.Unlock()
	}
	return n
}
