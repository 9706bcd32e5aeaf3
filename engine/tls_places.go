package engine

import (
	"cmp"
	"container/list"
	"errors"
	"slices"
	"sync"
	"time"
)

// handshakes are those of TLS that are under way. Each has a goroutine, as
// crypto/tls does not let go of one that has begun; there are only so many
// places for them, and the others wait for their turn. One begins when the whole
// of its first record has arrived, so that it takes something to take a place.
//
//	ClientHello ─► queue ─► place ─► established
//	                          │
//	                          └────► ended: its peer keeps it waiting, and others wait, too
//
// A peer that falls silent has its place until HandshakeTimeout as long as nobody
// else wants it. While others do, those that their peers have kept waiting for
// longer than handshakePatience in all are ended, the slowest first and no more
// than there are waiting. What a handshake has waited for is added up, so a byte
// now and then is no progress; what this side takes, to find a certificate
// perhaps, does not count.
type handshakes struct {
	mu      sync.Mutex // guards what follows; taken before a link's
	places  map[*link]struct{}
	queue   list.List // of *link
	queued  map[*link]*list.Element
	ticker  *time.Timer // it runs while somebody waits; nil before anybody did
	warned  time.Time
	waiting []slow // memory for makeRoom
	evicted uint64 // were ended to make room
}

// slow is a handshake that waits for its peer.
type slow struct {
	link   *link
	waited time.Duration
}

const (
	// handshakePatience is how long a peer may take for its part of a handshake
	// while others wait: a round trip to anywhere, and a packet that was lost.
	handshakePatience = time.Second

	// handshakeLook is how often it is looked for those that took longer.
	handshakeLook = handshakePatience / 10

	// handshakeWarning is how seldom the log says that places are short.
	handshakeWarning = time.Minute
)

var errEvicted = errors.New("engine: the peer was slow in its TLS handshake, and others waited for its place")

// askHandshake has k's handshake begin when it is its turn.
func (s *Server) askHandshake(k *link) {
	h := &s.handshakes
	limit := s.numbers.tlsHandshakesMax
	h.mu.Lock()
	if h.places == nil {
		h.places, h.queued = make(map[*link]struct{}), make(map[*link]*list.Element)
	}
	if len(h.places) >= limit {
		h.queued[k] = h.queue.PushBack(k)
		s.looksForRoom()
		h.mu.Unlock()
		return
	}
	h.places[k] = struct{}{}
	h.mu.Unlock()
	s.goroutines.Go(func() { s.shakeHands(k) })
}

// shakeHands is the goroutine of a place.
func (s *Server) shakeHands(k *link) {
	ended := false
	defer func() {
		if ended {
			return
		}
		// A callback of the tls.Config has ended the goroutine, and not the place.
		if k := s.handshakes.next(k); k != nil {
			s.goroutines.Go(func() { s.shakeHands(k) })
		}
	}()
	for k != nil {
		k.shakeHands()
		k = s.handshakes.next(k)
	}
	ended = true
}

// next gives the place of one that is over to whose turn it is, nil if nobody
// waits.
func (h *handshakes) next(over *link) *link {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.places, over)
	first := h.queue.Front()
	if first == nil {
		return nil
	}
	k := first.Value.(*link)
	h.leaves(k)
	h.places[k] = struct{}{}
	return k
}

// forget takes out one that will not wait any longer.
func (h *handshakes) forget(k *link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaves(k)
}

// leaves takes k out of the queue, if it is in it; mu is held.
func (h *handshakes) leaves(k *link) {
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

func (h *handshakes) stats() HandshakeStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return HandshakeStats{Running: len(h.places), Waiting: h.queue.Len(), Evicted: h.evicted}
}

// looksForRoom sees to it that makeRoom is called while somebody waits, of whom
// the first has just come if it is one; mu is held.
func (s *Server) looksForRoom() {
	h := &s.handshakes
	switch {
	case h.ticker == nil:
		h.ticker = time.AfterFunc(handshakeLook, s.makeRoom)
	case h.queue.Len() == 1:
		h.ticker.Reset(handshakeLook)
	}
}

// makeRoom ends handshakes whose peers are slow, for those who wait.
func (s *Server) makeRoom() {
	h := &s.handshakes
	h.mu.Lock()
	wanted := h.queue.Len()
	if wanted == 0 {
		h.mu.Unlock()
		return
	}
	h.ticker.Reset(handshakeLook)
	h.waiting = h.waiting[:0]
	now := time.Now()
	for k := range h.places {
		waited, leaving := k.keptWaiting(now)
		switch {
		case leaving:
			wanted-- // that place will be free
		case waited > handshakePatience:
			h.waiting = append(h.waiting, slow{k, waited})
		}
	}
	slices.SortFunc(h.waiting, func(a, b slow) int { return cmp.Compare(b.waited, a.waited) })
	ended := h.waiting[:min(len(h.waiting), max(wanted, 0))]
	for _, slow := range ended {
		slow.link.evict()
	}
	h.evicted += uint64(len(ended))
	warns := len(ended) > 0 && now.Sub(h.warned) > handshakeWarning
	if warns {
		h.warned = now
	}
	places, ends := len(h.places), len(ended)
	clear(h.waiting)
	h.mu.Unlock()
	if warns {
		s.log().Warn("engine: all places for TLS handshakes are taken, and those whose peers are slow are ended for others; if the clients are honest, raise TLSHandshakesMax",
			"places", places, "waiting", wanted, "ended now", ends)
	}
}

// keptWaiting returns how long k's handshake has waited for its peer, if it does
// now, and whether it is about to end.
func (k *link) keptWaiting(now time.Time) (waited time.Duration, leaving bool) {
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
func (k *link) evict() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.shake; s != nil && !s.since.IsZero() {
		s.evicted, s.aborted = true, true
		s.more.Broadcast()
	}
}
