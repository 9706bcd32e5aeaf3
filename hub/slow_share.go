package hub

import "time"

// backlogs are a session's state for the subscriptions that have one.
type backlogs struct {
	count, bytes int             // of publications and their payload, in all of them
	holders      []*subscription // whose backlogs have publications
	giving       []*subscription // the subscriptions that held their share or more when it was looked at
	delayed      delayed         // the subscriptions that wait for their next interval
	timer        *time.Timer     // nil until one had to wait
}

// needBacklogs returns s.commands.backlogs; s.mu is held.
func (s *Session) needBacklogs() *backlogs {
	c := s.needCommands()
	if c.backlogs == nil {
		c.backlogs = &backlogs{}
	}
	return c.backlogs
}

// account counts what came to the backlog of sub, or left it; s.mu is held.
func (s *Session) account(sub *subscription, count, bytes int) {
	all, b := s.needBacklogs(), sub.rare.Load().backlog
	all.count += count
	all.bytes += bytes
	switch {
	case b.count > 0 && b.holds == 0:
		all.holders = append(all.holders, sub)
		b.holds = len(all.holders)
	case b.count == 0 && b.holds > 0:
		last := len(all.holders) - 1
		moved := all.holders[last]
		all.holders[b.holds-1], moved.rare.Load().backlog.holds = moved, b.holds
		all.holders[last] = nil
		all.holders = all.holders[:last]
		b.holds = 0
	}
}

// heavy returns a subscription that holds its share of the waiting publications or more,
// by count or by bytes: it is the one to give way. Those that do are found together, so
// that a session with a thousand channels does not look at all of them for each
// publication.
func (all *backlogs) heavy(byBytes bool) *subscription {
	isHeavy := func(sub *subscription) bool {
		b := sub.backlog()
		switch {
		case b == nil || b.oldest == nil:
			return false
		case byBytes:
			return b.bytes*len(all.holders) >= all.bytes
		}
		return b.count*len(all.holders) >= all.count
	}
	for {
		for n := len(all.giving) - 1; n >= 0; n-- {
			if sub := all.giving[n]; isHeavy(sub) {
				return sub
			}
			all.giving[n] = nil
			all.giving = all.giving[:n]
		}
		for _, sub := range all.holders { // the greatest is no less than the average
			if isHeavy(sub) {
				all.giving = append(all.giving, sub)
			}
		}
	}
}

// stop is for the end of the session; s.mu is held.
func (all *backlogs) stop() {
	if all == nil {
		return
	}
	if all.timer != nil {
		all.timer.Stop()
	}
	*all = backlogs{}
}
