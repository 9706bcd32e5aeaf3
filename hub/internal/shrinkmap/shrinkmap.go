package shrinkmap

import "maps"

// Map is a map whose size follows its present content. A Go map keeps the room of
// the most entries it ever had, and for a map of channels or of keys that is the
// busiest minute since the process began.
//
// The zero Map is empty and ready. It is not safe for concurrent use.
type Map[K comparable, V any] struct {
	m    map[K]V
	peak int // the most entries since m was made
}

// Rebuilding costs the entries that are left, at most one in shrinkFactor of the
// deletions since the peak, so its cost for each deletion is constant.
const (
	shrinkFactor = 8
	shrinkMin    = 512 // a map that never had more is not worth it
)

// Len is the number of entries.
func (m *Map[K, V]) Len() int { return len(m.m) }

// Get returns the entry of k.
func (m *Map[K, V]) Get(k K) (V, bool) {
	v, ok := m.m[k]
	return v, ok
}

// Set adds or replaces the entry of k.
func (m *Map[K, V]) Set(k K, v V) {
	if m.m == nil {
		m.m = make(map[K]V)
	}
	m.m[k] = v
	m.peak = max(m.peak, len(m.m))
}

// Delete removes the entry of k, if there is one.
func (m *Map[K, V]) Delete(k K) {
	delete(m.m, k)
	if m.peak < shrinkMin || len(m.m) > m.peak/shrinkFactor {
		return
	}
	if len(m.m) == 0 {
		m.m, m.peak = nil, 0
		return
	}
	left := make(map[K]V, len(m.m))
	maps.Copy(left, m.m)
	m.m, m.peak = left, len(left)
}

// All calls yield for each entry, in no order; it must not change the map.
func (m *Map[K, V]) All(yield func(K, V) bool) {
	for k, v := range m.m {
		if !yield(k, v) {
			return
		}
	}
}
