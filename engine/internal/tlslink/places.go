package tlslink

import (
	"cmp"
	"container/list"
	"slices"
	"sync"
	"time"
)

// Places are those of handshakes that are under way. Each has a goroutine, as
// crypto/tls does not let go of a handshake that has begun; there are only so many
// places for them, and the others wait for their turn. One begins when the whole
// of its first record has arrived, so that it takes something to take a place.
//
//	ClientHello ─► queue ─► place ─► established
//	                          │
//	                          └────► ended: its peer keeps it waiting, and others wait, too
//
// A peer that falls silent has its place until its time is up, as long as nobody
// else wants it. While others do, those that their peers have kept waiting for
// longer than patience in all are ended, the slowest first and no more
// than there are waiting. What a handshake has waited for is added up, so a byte
// now and then is no progress; what this side takes, to find a certificate
// perhaps, does not count.
//
// All methods are safe for concurrent use.
type Places struct {
	config PlacesConfig

	mu      sync.Mutex // guards what follows; taken before a link's
	taken   map[*Link]struct{}
	queue   list.List // of *Link
	queued  map[*Link]*list.Element
	ticker  *time.Timer // it runs while a handshake waits; nil before one did
	warned  time.Time
	waiting []slow // memory for evictSlow
	evicted uint64 // were ended to make room
}

// slow is a handshake that waits for its peer.
type slow struct {
	link   *Link
	waited time.Duration
}

const (
	// patience is how long a peer may take for its part of a handshake while others
	// wait: a round trip to anywhere, and a packet that was lost.
	patience = time.Second

	// lookInterval is how often it is looked for those that took longer.
	lookInterval = patience / 10

	// warningInterval is how seldom Evicted is called.
	warningInterval = time.Minute
)

// PlacesConfig says how many places there are, and what is called when something happens.
type PlacesConfig struct {
	Max int          // how many places there are
	Go  func(func()) // runs a goroutine for a place

	// Panicked is told of a callback of the application's tls.Config that did not
	// return; a nil value is runtime.Goexit.
	Panicked func(k *Link, value any, stack []byte)

	// Evicted is told, once a minute at most, that of so many places some were taken
	// from their handshakes, because so many wait.
	Evicted func(places, waiting, evicted int)
}

// NewPlaces makes places that nobody has taken.
func NewPlaces(config PlacesConfig) *Places {
	return &Places{config: config, taken: make(map[*Link]struct{}), queued: make(map[*Link]*list.Element)}
}

// Ask has k's handshake begin when it is its turn.
func (h *Places) Ask(k *Link) {
	h.mu.Lock()
	if len(h.taken) >= h.config.Max {
		h.queued[k] = h.queue.PushBack(k)
		h.keepLooking()
		h.mu.Unlock()
		return
	}
	h.taken[k] = struct{}{}
	h.mu.Unlock()
	h.config.Go(func() { h.shakeHands(k) })
}

// shakeHands is the goroutine of a place.
func (h *Places) shakeHands(k *Link) {
	ended := false
	defer func() {
		if ended {
			return
		}
		// A callback of the tls.Config has ended the goroutine, and not the place.
		if k := h.next(k); k != nil {
			h.config.Go(func() { h.shakeHands(k) })
		}
	}()
	for k != nil {
		k.shakeHands(h.config.Panicked)
		k = h.next(k)
	}
	ended = true
}

// next gives the place of a link that is over to the link whose turn it is, nil if none
// waits.
func (h *Places) next(over *Link) *Link {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.taken, over)
	first := h.queue.Front()
	if first == nil {
		return nil
	}
	k := first.Value.(*Link)
	h.dequeue(k)
	h.taken[k] = struct{}{}
	return k
}

// Forget takes out a link that will not wait any longer.
func (h *Places) Forget(k *Link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dequeue(k)
}

// dequeue takes k out of the queue, if it is in it; mu is held.
func (h *Places) dequeue(k *Link) {
	at, ok := h.queued[k]
	if !ok {
		return
	}
	h.queue.Remove(at)
	delete(h.queued, k)
	if h.queue.Len() == 0 {
		h.ticker.Stop()
	}
}

// PlacesStats are figures of handshakes.
type PlacesStats struct {
	Running int    // have a place now
	Waiting int    // wait for one now
	Evicted uint64 // were ended because their peers were slow and others waited
}

// Stats returns the figures as they are now.
func (h *Places) Stats() PlacesStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return PlacesStats{Running: len(h.taken), Waiting: h.queue.Len(), Evicted: h.evicted}
}

// keepLooking sees to it that evictSlow is called while a handshake waits, of which
// the first has just come if it is one; mu is held.
func (h *Places) keepLooking() {
	switch {
	case h.ticker == nil:
		h.ticker = time.AfterFunc(lookInterval, h.evictSlow)
	case h.queue.Len() == 1:
		h.ticker.Reset(lookInterval)
	}
}

// evictSlow ends handshakes whose peers are slow, for those that wait.
func (h *Places) evictSlow() {
	h.mu.Lock()
	wanted := h.queue.Len()
	if wanted == 0 {
		h.mu.Unlock()
		return
	}
	h.ticker.Reset(lookInterval)
	h.waiting = h.waiting[:0]
	now := time.Now()
	for k := range h.taken {
		waited, leaving := k.keptWaiting(now)
		switch {
		case leaving:
			wanted-- // that place will be free
		case waited > patience:
			h.waiting = append(h.waiting, slow{k, waited})
		}
	}
	slices.SortFunc(h.waiting, func(a, b slow) int { return cmp.Compare(b.waited, a.waited) })
	evicted := h.waiting[:min(len(h.waiting), max(wanted, 0))]
	for _, slow := range evicted {
		slow.link.evict()
	}
	h.evicted += uint64(len(evicted))
	warns := len(evicted) > 0 && now.Sub(h.warned) > warningInterval
	if warns {
		h.warned = now
	}
	places, ended := len(h.taken), len(evicted)
	clear(h.waiting)
	h.mu.Unlock()
	if warns {
		h.config.Evicted(places, wanted, ended)
	}
}

// keptWaiting returns how long k's handshake has waited for its peer, if it does
// now, and whether it is about to end.
func (k *Link) keptWaiting(now time.Time) (waited time.Duration, leaving bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch s := k.shake; {
	case s == nil || s.aborted || s.done:
		return 0, true
	case s.since.IsZero():
		return 0, false // it is at work
	default:
		return s.waited + now.Sub(s.since), false
	}
}

// evict ends a handshake that waits for its peer, so that another can begin.
func (k *Link) evict() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.shake; s != nil && !s.since.IsZero() {
		s.evicted, s.aborted = true, true
		s.more.Broadcast()
	}
}
