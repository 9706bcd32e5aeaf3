package protocol

import (
	"strconv"
	"time"

	"github.com/godwit-io/godwit/transport/dialect"
)

// counts is the number of subscribers of a channel as a Socket has told it.
type counts struct {
	told   int       // the number that was told last
	newest int       // and the newest there is
	at     time.Time // when it was told; zero if none was
}

const (
	countFreely = 100             // up to so many subscribers, each change is told
	countEvery  = 5 * time.Second // how often beyond
)

// tellCount tells how many subscribers a channel has, or will.
func (s *Socket) tellCount(now time.Time, sub *subscription, count int, out *dialect.Effects) {
	c := sub.counts
	c.newest = count
	switch due := c.at.Add(countEvery); {
	case !c.at.IsZero() && c.told == count:
	case c.at.IsZero(), count <= countFreely, !now.Before(due):
		c.told, c.at = count, now
		data := append([]byte(`{"subscription_count":`), strconv.Itoa(count)...)
		s.event(eventCount, sub.name, append(data, '}'), out)
	case s.counted.IsZero() || due.Before(s.counted):
		s.counted = due
	}
}

// tellCounts tells the numbers that wait, if it is time.
func (s *Socket) tellCounts(now time.Time, out *dialect.Effects) {
	s.counted = time.Time{}
	for _, sub := range s.subs {
		if c := sub.counts; c != nil && sub.settling == nil && c.told != c.newest {
			s.tellCount(now, sub, c.newest, out)
		}
	}
}
