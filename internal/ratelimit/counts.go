package ratelimit

import (
	"hash/maphash"
	"sync"
)

// Counts is how many each key has at the moment, such as connections of an address.
// It is safe for concurrent use. Make it with NewCounts. It remembers only keys that
// have some, so it is bounded by what bounds all of them together.
type Counts[K comparable] struct {
	seed   maphash.Seed
	shards [shardsMax]countsShard[K]
}

type countsShard[K comparable] struct {
	mu sync.Mutex
	n  map[K]int
}

// NewCounts makes counts that are all 0.
func NewCounts[K comparable]() *Counts[K] {
	c := &Counts[K]{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].n = make(map[K]int)
	}
	return c
}

func (c *Counts[K]) shard(key K) *countsShard[K] {
	return &c.shards[maphash.Comparable(c.seed, key)%shardsMax]
}

// Acquire adds one to the count of key, unless that is most already. What was
// acquired is to be given back with Release, once.
func (c *Counts[K]) Acquire(key K, most int) (ok bool) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.n[key]
	if n >= most {
		return false
	}
	s.n[key] = n + 1
	return true
}

// Release takes one from the count of key. It panics if that is 0: something was
// given back that nobody had.
func (c *Counts[K]) Release(key K) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := s.n[key]; n {
	case 0:
		panic("ratelimit: a Release without its Acquire")
	case 1:
		delete(s.n, key)
	default:
		s.n[key] = n - 1
	}
}

// Count is how many key has.
func (c *Counts[K]) Count(key K) int {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n[key]
}

// Len is how many keys have some.
func (c *Counts[K]) Len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += len(s.n)
		s.mu.Unlock()
	}
	return n
}
