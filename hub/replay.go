package hub

import (
	"context"
	"fmt"
	"slices"
)

// Take appends to dst everything the session is owed now, or a first part of it
// when it is replaying, and returns the extended slice. It returns dst unchanged when nothing is owed: wait
// for wake. It does not block, except on the Broker while a replay is being read.
// When more is owed than was returned, wake has been called again.
//
// Once the session has ended and everything queued before its end was taken,
// Take returns the reason: ErrShutdown or ErrClosed. After Close it returns
// the reason at once.
//
// Any other error is the Broker's, wrapped. What was appended before it is
// valid, nothing is lost, and the next Take tries again; but wake is not called
// for it, so that a broken Broker is not asked in a tight loop. An edge should
// then end its session and let the client come back.
func (s *Session) Take(ctx context.Context, dst []Push) ([]Push, error) {
	begin := len(dst)

	s.mu.Lock()
	s.woken = false
	for _, q := range s.queue {
		dst = append(dst, Push{Channel: q.sub.channel.name, Delivery: q.delivery})
		q.sub.queued = 0
	}
	bytes := s.queueBytes
	s.emptyQueue()
	var sub *subscription
	if s.ended == nil && len(s.behind) > 0 {
		// Each in its turn, so that a long replay does not hold up a short one.
		sub = s.behind[0]
		s.behind = slices.Delete(s.behind, 0, 1)
	}
	ended := s.ended
	s.mu.Unlock()

	if ended != nil && len(dst) == begin {
		return dst, ended
	}
	s.countDeliveries(len(dst)-begin, bytes)
	var err error
	if sub != nil {
		dst, err = s.replay(ctx, sub, dst)
	}

	s.mu.Lock()
	more := len(s.queue) > 0 || len(s.behind) > 0 || s.ended != nil
	wake := more && err == nil && s.needWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	return dst, err
}

// replay reads one page of history for sub, which is catching up and is not in
// behind, and appends it to dst.
func (s *Session) replay(ctx context.Context, sub *subscription, dst []Push) ([]Push, error) {
	s.mu.Lock()
	last, seenBefore := sub.last, sub.seen
	s.mu.Unlock()

	page, err := s.hub.broker.History(ctx, sub.channel.name, Query{Since: last, Limit: replayCountMax})
	if err != nil {
		s.mu.Lock()
		if !sub.gone {
			s.behind = append(s.behind, sub)
		}
		s.mu.Unlock()
		return dst, fmt.Errorf("hub: replay of channel %s: %w", quoted(sub.channel.name), err)
	}
	publications, position, cut := s.fit(page)
	gap := page.Gap

	s.mu.Lock()
	if sub.gone {
		s.mu.Unlock()
		return dst, nil
	}
	switch {
	case cut:
		// The rest is asked for from here.
	case sub.seen.after(position):
		if len(publications) > 0 || gap != nil && !s.hub.options.NoHistory {
			cut = true
			break
		}
		// A publication is in the history before it is delivered, so one that
		// was delivered and cannot be read was not kept. Reading again would
		// find nothing again.
		position = sub.seen
		gap = &Gap{From: last, To: position}
	case sub.seen.Epoch != position.Epoch && sub.seen != seenBefore:
		cut = true // a new epoch began while the page was being read
	}
	sub.last = position
	if cut {
		s.behind = append(s.behind, sub)
	} else {
		sub.catching, sub.seen = false, Position{}
	}
	s.mu.Unlock()

	if gap != nil {
		dst = append(dst, Push{Channel: sub.channel.name, Gap: gap})
		s.hub.counters.gaps.Add(1)
	}
	count, bytes := 0, 0
	deliveries := make([]Delivery, len(publications))
	for i, p := range publications {
		if sub.excludeSelf && p.Publisher == s.id {
			continue
		}
		deliveries[i].Publication = p
		dst = append(dst, Push{Channel: sub.channel.name, Delivery: &deliveries[i]})
		count++
		bytes += len(p.Data)
	}
	s.countDeliveries(count, bytes)
	return dst, nil
}

// fit ends a page where its payload would pass the bound of the queue, for
// handing it out makes the edge hold it. The page has at least one publication.
func (s *Session) fit(page Page) (publications []*Publication, position Position, cut bool) {
	publications = page.Publications
	bytes := 0
	for i, p := range publications {
		bytes += len(p.Data)
		if i > 0 && bytes > s.hub.options.QueueBytesMax {
			return publications[:i], publications[i-1].Position, true
		}
	}
	return publications, page.Position, len(publications) >= replayCountMax
}

func (s *Session) countDeliveries(count, bytes int) {
	if count > 0 {
		s.hub.counters.deliveries.Add(uint64(count))
		s.hub.counters.deliveryBytes.Add(uint64(bytes))
	}
}
