package conformance

import "sync"

// freshness keeps what a client must draw anew for every connection: its
// Sec-WebSocket-Key and its masks.
type freshness struct {
	mu    sync.Mutex // guards the fields below
	masks map[[4]byte]int
	keys  map[string]int
}

func newFreshness() *freshness {
	return &freshness{masks: map[[4]byte]int{}, keys: map[string]int{}}
}

func (f *freshness) addMask(key [4]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.masks[key]++
}

func (f *freshness) addKey(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[key]++
}

// firstMasks returns on how many connections a mask was seen, and how many of
// those masks were different.
func (f *freshness) firstMasks() (seen, different int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return total(f.masks)
}

// handshakeKeys is firstMasks for Sec-WebSocket-Key.
func (f *freshness) handshakeKeys() (seen, different int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return total(f.keys)
}

func total[K comparable](counts map[K]int) (seen, different int) {
	for _, n := range counts {
		seen += n
	}
	return seen, len(counts)
}
