package socketio

import (
	"hash/maphash"
	"sync"
)

// room is a set of sockets of one namespace.
type room struct {
	name string

	mu      sync.RWMutex // guards the rest
	members map[*Socket]struct{}
	list    []*Socket // the members, which never changes; nil if it is out of date
}

func (r *room) add(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members == nil {
		r.members = make(map[*Socket]struct{})
	}
	r.members[s] = struct{}{}
	r.list = nil
}

// remove returns how many members are left.
func (r *room) remove(s *Socket) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, s)
	r.list = nil
	return len(r.members)
}

func (r *room) has(s *Socket) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.members[s]
	return ok
}

func (r *room) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.members)
}

// sockets returns the members. The slice is shared and must not be modified. It is made
// when a room is spoken to for the first time after somebody came or went.
func (r *room) sockets() []*Socket {
	r.mu.RLock()
	list := r.list
	r.mu.RUnlock()
	if list != nil {
		return list
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil {
		r.list = make([]*Socket, 0, len(r.members))
		for s := range r.members {
			r.list = append(r.list, s)
		}
	}
	return r.list
}

// roomKey is the name of a room among all rooms.
type roomKey struct {
	namespace *Namespace
	name      string
}

// shards is how many parts a table has, each with a lock of its own. It is a power of two.
const shards = 64

// table is a map that many goroutines use at a time. Its zero value is empty.
type table[K comparable, V any] [shards]struct {
	mu sync.RWMutex // guards m
	m  map[K]V
	_  [32]byte // not the same cache line
}

var tableSeed = maphash.MakeSeed()

func (t *table[K, V]) shard(k K) int { return int(maphash.Comparable(tableSeed, k) & (shards - 1)) }

func (t *table[K, V]) get(k K) (v V, ok bool) {
	s := &t[t.shard(k)]
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok = s.m[k]
	return v, ok
}

// update gives f the value of k, or a zero value, and keeps what f returns, or nothing if
// keep is false. The lock of the shard is held while f runs.
func (t *table[K, V]) update(k K, f func(v V, ok bool) (_ V, keep bool)) {
	s := &t[t.shard(k)]
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[k]
	v, keep := f(v, ok)
	switch {
	case !keep:
		delete(s.m, k)
	case s.m == nil:
		s.m = map[K]V{k: v}
	default:
		s.m[k] = v
	}
}

func (t *table[K, V]) len() int {
	n := 0
	for i := range t {
		t[i].mu.RLock()
		n += len(t[i].m)
		t[i].mu.RUnlock()
	}
	return n
}
