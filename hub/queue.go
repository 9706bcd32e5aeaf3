package hub

import "sync"

// offer gives d to a subscription that the Broker delivers to.
func (s *Session) offer(sub *subscription, d *Delivery) {
	s.mu.Lock()
	wake := s.enqueue(sub, d) && s.needWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// enqueue reports whether there is something to take now; s.mu is held.
func (s *Session) enqueue(sub *subscription, d *Delivery) bool {
	if s.ended != nil || sub.gone {
		return false
	}
	p := d.Position
	if sub.catching {
		if !sub.seen.after(p) {
			sub.seen = p
		}
		return false
	}
	switch {
	case sub.last.IsZero():
		// The first one: where it begins is where the subscription begins.
	case p.Epoch == sub.last.Epoch && p.Offset <= sub.last.Offset:
		return false // came again, or was read from history already
	case p.Epoch != sub.last.Epoch || p.Offset-1 != sub.last.Offset:
		// The Broker lost some on their way, or lost its history: what is
		// between is read from history, or announced as a gap.
		return s.catchUp(sub, p)
	}
	if sub.excludeSelf && d.Publisher == s.id {
		sub.last = p
		return false
	}
	if n := len(s.queue); n > 0 && (n >= s.hub.options.QueueCountMax || s.queueBytes+len(d.Data) > s.hub.options.QueueBytesMax) {
		s.giveBack()
		if !sub.catching {
			if sub.last.IsZero() {
				sub.last = p.before()
			}
			s.catchUp(sub, p)
		}
		sub.seen = p
		s.hub.counters.queueDrops.Add(1)
		return true
	}
	if s.array == nil {
		s.array = arrays.Get().(*[]queued)
		s.queue = (*s.array)[:0]
	}
	s.queue = append(s.queue, queued{sub, d})
	s.queueBytes += len(d.Data)
	sub.queued++
	sub.last = p
	return true
}

// catchUp makes sub read history from where it is; s.mu is held. Always true.
func (s *Session) catchUp(sub *subscription, seen Position) bool {
	sub.catching = true
	sub.seen = seen
	s.behind = append(s.behind, sub)
	return true
}

// giveBack empties the queue and makes every subscription that had a part in it
// catch up from just before what it lost; s.mu is held. The whole queue goes,
// not a part of it: history is read in pages, so going back a little costs as
// much as going back a page, and an edge that is this slow is better served by
// an empty queue than by one that is full again with the next publication.
func (s *Session) giveBack() {
	for _, q := range s.queue {
		sub := q.sub
		if sub.queued == 0 {
			continue // a later one of a subscription that went back already
		}
		sub.queued = 0
		if !sub.catching {
			s.catchUp(sub, sub.last)
		}
		sub.last = q.delivery.Position.before()
	}
	s.hub.counters.queueDrops.Add(uint64(len(s.queue)))
	s.emptyQueue()
}

// arrays are the memory of queues. A session has some only while it is owed
// something: an idle one holds nothing, and a busy one leaves no garbage.
var arrays = sync.Pool{New: func() any {
	array := make([]queued, 0, 16)
	return &array
}}

// arrayKept is the longest array that is used again.
const arrayKept = 1024

// emptyQueue gives the memory of the queue back; s.mu is held.
func (s *Session) emptyQueue() {
	if s.array != nil {
		clear(s.queue)
		if cap(s.queue) <= arrayKept {
			*s.array = s.queue[:0]
			arrays.Put(s.array)
		}
	}
	s.queue, s.array, s.queueBytes = nil, nil, 0
}
