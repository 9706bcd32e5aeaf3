package hub

import "sync"

// offer gives d to a subscription that the Broker delivers to, which may trail from the
// delivery next on if it mayTrail. It returns false if the subscription is gone and the session
// has patterns: see offerAgain.
func (s *Session) offer(sub *subscription, d *Delivery, mayTrail bool, next uint32) (ok bool) {
	s.lock()
	if sub.gone {
		ok = s.ended != endNot || s.patterned() == nil
		s.mu.Unlock()
		return ok
	}
	if sub.traits&(isFresh|isOpen|isUsed) != isUsed { // seldom
		sub.touch(d.Publication)
	}
	s.enqueue(sub, d)
	wake := s.claimWake()
	if mayTrail {
		s.beginTrailing(sub, next)
	}
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	return true
}

// enqueue queues d, or notes that the subscription has missed it; s.mu is held.
func (s *Session) enqueue(sub *subscription, d *Delivery) {
	if s.ended != endNot || sub.gone {
		return
	}
	if sub.traits&(hasBacklog|suspended) == hasBacklog && sub.asked == nil {
		s.collect(sub, d)
		return
	}
	p := d.Position
	if sub.asked != nil || sub.catching {
		if !sub.seen.isAfter(p) {
			sub.seen = p
		}
		if s.read != nil && s.read.sub == sub {
			s.read.hold(d, s.hub.options.QueueBytesMax)
		}
		return
	}
	switch {
	case p.Epoch == sub.last.Epoch && p.Offset <= sub.last.Offset:
		return // came again, or was read from history already
	case p.Epoch != sub.last.Epoch || d.Previous > sub.last.Offset:
		// Publications between the two were lost on their way, or the history was.
		// They are read from history, or announced as a gap.
		s.catchUp(sub, p)
		return
	}
	if sub.excludes(d.Publication) {
		s.passOver(sub, p)
		return
	}
	if s.isFull(d) {
		s.giveBack()
		if sub.traits&endsWhenSlow == 0 {
			if !sub.catching {
				s.catchUp(sub, p)
			}
			sub.seen = p
			s.hub.counters.queueDrops.Add(1)
			return
		}
		if s.isFull(d) { // with the pushes of its own kind
			s.endAsSlow()
			return
		}
	}
	s.ensureQueue()
	s.queue = append(s.queue, queued{sub: sub, delivery: d})
	s.queueCount++
	s.queueBytes += len(d.Data)
	sub.queued++
	sub.last = p
}

// isFull reports whether there is no room for d in the queue. One may always wait.
func (s *Session) isFull(d *Delivery) bool {
	n := int(s.queueCount)
	return n > 0 && (n >= s.hub.options.QueueCountMax || s.queueBytes+len(d.Data) > s.hub.options.QueueBytesMax)
}

// passOver counts p as handed out, unless something before it waits; s.mu is held.
func (s *Session) passOver(sub *subscription, p Position) {
	sub.last = p
	if sub.queued == 0 {
		sub.taken = p.Offset
	}
}

// catchUp makes sub read history from where it is; s.mu is held.
func (s *Session) catchUp(sub *subscription, seen Position) {
	sub.catching = true
	sub.seen = seen
	if t := s.patterned(); t != nil {
		t.isBehind = true
	}
	s.behind = append(s.behind, sub)
}

// doubt makes a subscription read history, from now on: deliveries may have been
// lost.
func (s *Session) doubt(sub *subscription) {
	s.lock()
	if s.ended == endNot && !sub.gone && sub.backlog() != nil {
		s.rewind(sub) // its content may follow a loss
	}
	switch {
	case s.ended != endNot || sub.gone:
	case sub.asked != nil, sub.traits&suspended != 0:
		sub.traits |= isDoubted
	case !sub.catching:
		s.catchUp(sub, Position{})
	case s.read != nil && s.read.sub == sub:
		s.read.doubted = true // the page may be older than the lost deliveries
	}
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// giveBack takes the publications out of the queue and makes every subscription
// that had a part in them catch up from what was handed out last; s.mu is held.
// All of them go, not a part: history is read in pages, so going back a little
// costs as much as going back a page, and an edge that is this slow is better
// served by an empty queue than by one that is full again with the next publication.
// Outcomes and backlogs stay, and so do pushes that would end the session if there were
// too many.
func (s *Session) giveBack() {
	kept, count, bytes := s.queue[:0], int32(0), 0
	for _, q := range s.queue {
		if q.delivery == nil {
			kept = append(kept, q)
			continue
		}
		if q.sub.traits&endsWhenSlow != 0 {
			kept = append(kept, q)
			count++
			bytes += len(q.delivery.Data)
			continue
		}
		s.hub.counters.queueDrops.Add(1)
		sub := q.sub
		if sub.queued == 0 {
			continue // a later one of a subscription that went back already
		}
		sub.queued = 0
		if !sub.catching {
			s.catchUp(sub, sub.last)
		}
		sub.last = Position{Epoch: q.delivery.Position.Epoch, Offset: sub.taken}
	}
	clear(s.queue[len(kept):])
	s.queue, s.queueCount, s.queueBytes = kept, count, bytes
	if len(kept) == 0 {
		s.emptyQueue()
	}
}

// arrays are the memory of queues. A session has some only while it is owed
// something: an idle one holds nothing, and a busy one leaves no garbage.
var arrays = sync.Pool{New: func() any {
	array := make([]queued, 0, 16)
	return &array
}}

// arrayKept is the longest array that is used again.
const arrayKept = 1024

// ensureQueue gives the queue memory if it has none; s.mu is held.
func (s *Session) ensureQueue() {
	if s.array == nil {
		s.array = arrays.Get().(*[]queued)
		s.queue = (*s.array)[:0]
	}
}

// emptyQueue gives the memory of the queue back; s.mu is held.
func (s *Session) emptyQueue() {
	if s.array != nil {
		clear(s.queue)
		if cap(s.queue) <= arrayKept {
			*s.array = s.queue[:0]
			arrays.Put(s.array)
		}
	}
	s.queue, s.array, s.queueCount, s.queueBytes = nil, nil, 0, 0
}
