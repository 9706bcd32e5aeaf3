package hub

import "time"

// expiry tells publications that are too old to be delivered. It reads the clock once,
// and not at all where none has an end.
type expiry struct{ now time.Time }

func (e *expiry) has(p *Publication) bool {
	if p.Attributes == nil || p.Attributes.Expires.IsZero() {
		return false
	}
	if e.now.IsZero() {
		e.now = time.Now()
	}
	return !e.now.Before(p.Attributes.Expires)
}

// passExpired appends a gap from a position to p, or adds p to the gap that dst ends with.
func (s *Session) passExpired(sub *subscription, p *Publication, from Position, dst []Push) []Push {
	if n := len(dst); n > 0 {
		last := &dst[n-1]
		if last.Gap != nil && last.Gap.Reason == GapExpired && last.Channel == sub.channel.name && last.Gap.To == from {
			last.Gap.To = p.Position
			last.Gap.Count++
			s.hub.counters.omitted[GapExpired].Add(1)
			return dst
		}
	}
	return s.pushGap(sub, &Gap{From: from, To: p.Position, Reason: GapExpired, Count: 1}, dst)
}

// pushGap appends g, and counts it.
func (s *Session) pushGap(sub *subscription, g *Gap, dst []Push) []Push {
	s.hub.counters.gaps[g.Reason].Add(1)
	s.hub.counters.omitted[g.Reason].Add(uint64(g.Count))
	return append(dst, Push{Channel: sub.channel.name, Gap: g})
}
