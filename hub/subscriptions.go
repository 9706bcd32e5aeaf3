package hub

import "iter"

// subscriptions are the subscriptions of a session, by channel. Most sessions have one,
// which needs no map.
type subscriptions struct {
	one  *subscription // nil when there is none, or more than one
	more map[string]*subscription
}

func (s *subscriptions) len() int {
	if s.one != nil {
		return 1
	}
	return len(s.more)
}

// get returns the subscription of a channel, or nil.
func (s *subscriptions) get(channel string) *subscription {
	if s.one != nil && s.one.channel.name == channel {
		return s.one
	}
	return s.more[channel]
}

// add adds a subscription of a channel that has none.
func (s *subscriptions) add(sub *subscription) {
	switch {
	case s.one == nil && len(s.more) == 0:
		s.one, s.more = sub, nil
	case s.one != nil:
		s.more = map[string]*subscription{s.one.channel.name: s.one, sub.channel.name: sub}
		s.one = nil
	default:
		s.more[sub.channel.name] = sub
	}
}

func (s *subscriptions) remove(sub *subscription) {
	if s.one == sub {
		s.one = nil
		return
	}
	delete(s.more, sub.channel.name)
}

func (s *subscriptions) all() iter.Seq[*subscription] {
	return func(yield func(*subscription) bool) {
		if s.one != nil {
			yield(s.one)
			return
		}
		for _, sub := range s.more {
			if !yield(sub) {
				return
			}
		}
	}
}
