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

// passExpired appends a gap for p, or adds p to the gap that dst ends with.
func (s *Session) passExpired(sub *subscription, p *Publication, dst []Push) []Push {
	if n := len(dst); n > 0 {
		last := &dst[n-1]
		if last.Gap != nil && last.Gap.Reason == GapExpired && last.Channel == sub.channel.name && last.Gap.To == (Position{p.Position.Epoch, p.Previous}) {
			last.Gap.To = p.Position
			last.Gap.Count++
			return dst
		}
	}
	s.hub.counters.gaps.Add(1)
	return append(dst, Push{Channel: sub.channel.name, Gap: &Gap{
		From: Position{p.Position.Epoch, p.Previous}, To: p.Position, Reason: GapExpired, Count: 1,
	}})
}
