package hub

import "sync/atomic"

// trail is what a channel has delivered since a session was woken that has not taken
// yet. Such a session is not told of every publication that follows: it trails, and
// fetches them from here when it takes, or when anything else is done with it.
//
//	publication   1   2   3   4
//	session A     │   └───┴───┴─ woken with 1; fetched together when it takes
//	session B             │   └─ woken with 3
//
// So a burst costs each subscriber one visit and not one for each publication. A
// trail is short, see hasRoom: then all subscriptions fetch the rest and another trail
// begins. A fetched delivery goes the way of an offered one, so positions, policies and
// the bounds of a queue mean the same.
//
// Only channel.lend appends, one publication at a time; sessions read without its lock.
type trail struct {
	base  uint32 // the number of the first delivery in it; numbers wrap around
	bytes int    // of payload
	n     atomic.Int32

	// In one piece from here on: each publication follows the one before it, and all are for
	// every subscriber and for ever.
	whole      atomic.Int32
	deliveries [trailMax]*Delivery
	run        atomic.Pointer[Run] // the run that was made last
}

const (
	trailMax      = 64
	trailBytesMax = 64 << 10
)

// hasRoom reports whether p may be appended. One always may.
func (t *trail) hasRoom(p *Publication) bool {
	n := t.n.Load()
	return n == 0 || n < trailMax && t.bytes+len(p.Data) <= trailBytesMax
}

// append appends d. A reader that sees its number sees it.
func (t *trail) append(d *Delivery) {
	n := t.n.Load()
	switch {
	case d.Attributes != nil && (d.Attributes.Exclude != "" || !d.Attributes.Expires.IsZero()):
		t.whole.Store(n + 1)
	case n > 0 && !t.deliveries[n-1].isFollowedBy(d):
		t.whole.Store(n)
	}
	t.deliveries[n] = d
	t.bytes += len(d.Data)
	t.n.Store(n + 1)
}

// isFollowedBy reports whether nothing is missing between d and next.
func (d *Delivery) isFollowedBy(next *Delivery) bool {
	return d.Position.isFollowedBy(next.Publication)
}

// isFollowedBy reports whether p is newer, and nothing is missing between.
func (p Position) isFollowedBy(next *Publication) bool {
	return p.Epoch == next.Position.Epoch && p.Offset < next.Position.Offset && next.Previous <= p.Offset
}

// Run is several deliveries of one channel between which nothing is missing, in order. It
// is shared by all sessions that are owed the same, so that each wire form of it is made
// once. It must not be modified.
type Run struct {
	Deliveries []*Delivery
	bytes      int // of payload
	joined     atomic.Pointer[formed]
}

// AppendTo appends one Push for each Delivery, for a channel.
func (r *Run) AppendTo(dst []Push, channel string) []Push {
	for _, d := range r.Deliveries {
		dst = append(dst, Push{Channel: channel, Delivery: d})
	}
	return dst
}

// Join returns the deliveries of r in the form f, one behind the other, made with the
// first call. It is safe for concurrent use.
func Join(f *Form[[]byte], r *Run) []byte {
	first := r.joined.Load()
	if value, ok := f.find(first); ok {
		return value
	}
	size := 0
	for _, d := range r.Deliveries {
		size += len(f.Of(d))
	}
	value := make([]byte, 0, size)
	for _, d := range r.Deliveries {
		value = append(value, f.Of(d)...)
	}
	r.joined.CompareAndSwap(first, &formed{form: f, value: value, next: first}) // a faster goroutine made the same
	return value
}

// runFrom returns what there is from delivery i to n, as a Run.
func (t *trail) runFrom(i, n int) *Run {
	last := t.run.Load()
	if last != nil && len(last.Deliveries) == n-i && last.Deliveries[0] == t.deliveries[i] {
		return last
	}
	r := &Run{Deliveries: t.deliveries[i:n:n]}
	for _, d := range r.Deliveries {
		r.bytes += len(d.Data)
	}
	t.run.Store(r)
	return r
}

// beginTrailing lets sub trail from delivery number next on, if it is live, its edge is
// going to take, and a whole trail has room in the queue; s.mu is held.
func (s *Session) beginTrailing(sub *subscription, next uint32) {
	o := &s.hub.options
	if !s.woken || s.ended != endNot || sub.queued == 0 || sub.catching || sub.traits&(hasBacklog|endsWhenSlow|suspended) != 0 ||
		s.patterned() != nil || int(s.queueCount)+trailMax > o.QueueCountMax || s.queueBytes+trailBytesMax > o.QueueBytesMax {
		return
	}
	s.trailsFrom = next
	s.trailing.Store(sub)
	sub.channel.trailing.Add(1)
}

// endTrailing returns what the session has to fetch, and of which subscription; s.mu is held,
// and it trails.
//
// A delivery is appended first, and then looks for subscriptions that do not trail. Here
// it is the other way round, so no delivery is missed by both; one that both see comes
// twice, which enqueue notices.
func (s *Session) endTrailing() (sub *subscription, t *trail, i, n int) {
	sub = s.trailing.Load()
	ch := sub.channel
	t = ch.trail.Load()
	s.trailing.Store(nil)
	ch.trailing.Add(-1)
	if t == nil { // there may be one by now
		if t = ch.trail.Load(); t == nil {
			return sub, nil, 0, 0
		}
	}
	n = int(t.n.Load())
	return sub, t, int(min(s.trailsFrom-t.base, uint32(n))), n
}

// lock locks the session for anything that has to do with what it is owed.
func (s *Session) lock() {
	s.mu.Lock()
	if s.trailing.Load() != nil {
		s.fetch()
	}
}

// fetch queues the deliveries since the session was woken; s.mu is held, and it trails.
func (s *Session) fetch() {
	sub, t, i, n := s.endTrailing()
	s.enqueueTrail(sub, t, i, n)
}

// enqueueTrail queues the deliveries i to n of a trail; s.mu is held.
func (s *Session) enqueueTrail(sub *subscription, t *trail, i, n int) {
	for ; i < n; i++ {
		s.enqueue(sub, t.deliveries[i])
	}
}

// takeRun hands out what there is to fetch as a whole, in the place of the queue's end.
// Where that cannot be, it is queued and taken as ever; s.mu is held, and it trails.
func (s *Session) takeRun(dst []Push, taken *portion) []Push {
	sub, t, i, n := s.endTrailing()
	if n-i < 2 || i < int(t.whole.Load()) || sub.traits&excludesOwn != 0 || !sub.last.isFollowedBy(t.deliveries[i].Publication) {
		s.enqueueTrail(sub, t, i, n)
		return s.takeQueue(dst, taken)
	}
	dst = s.takeQueue(dst, taken)
	run := t.runFrom(i, n)
	if len(s.queue) > 0 || sub.catching || taken.isLast(run.bytes) {
		s.enqueueTrail(sub, t, i, n)
		return dst
	}
	taken.count += n - i
	taken.bytes += run.bytes
	taken.held += run.bytes
	sub.last = t.deliveries[n-1].Position
	sub.taken = sub.last.Offset
	return append(dst, Push{Channel: sub.channel.name, Run: run})
}

// endTrail makes all trailing subscriptions fetch the rest, and gives the trail up.
func (ch *channel) endTrail(subs []*subscription) {
	for _, sub := range subs {
		if s := sub.session; s.trailing.Load() == sub {
			s.lock()
			s.mu.Unlock()
		}
	}
	ch.dropTrail()
}

// dropTrail gives the trail up if no subscription trails.
func (ch *channel) dropTrail() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.trailing.Load() == 0 {
		ch.trail.Store(nil)
	}
}
