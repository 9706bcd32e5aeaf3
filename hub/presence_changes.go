package hub

// changes are the changes of members since a window ended, by session: of those here, and
// of those elsewhere. A session that has moved from one to the other is in both.
type changes struct {
	own    map[*Session]change[*subscription]
	remote map[string]change[*remote]
}

// change is what became of a session's membership since the last window. Both are set
// when it went and came back.
type change[T comparable] struct {
	left   T // it was there
	joined T // it is there
}

// isNews reports whether a client that knew the last roster sees a difference.
func (c change[T]) isNews() bool {
	var none T
	return (c.left == none) != (c.joined == none)
}

// note notes that who came, or left, and returns whether something of the session has
// changed.
func note[K, T comparable](changed *map[K]change[T], session K, who T, joins bool) bool {
	c := (*changed)[session]
	var none T
	switch {
	case joins:
		c.joined = who
	case c.joined == who:
		c.joined = none
	default:
		c.left = who
	}
	if c == (change[T]{}) {
		delete(*changed, session)
		return false
	}
	if *changed == nil {
		*changed = make(map[K]change[T])
	}
	(*changed)[session] = c
	return true
}

func (c *changes) len() int { return len(c.own) + len(c.remote) }

// moved are the sessions that left here and are there through another hub, or the other
// way round, of which no watcher is told; and how often they are news of their own.
func (c *changes) moved() (moved map[string]int) {
	if len(c.remote) == 0 {
		return nil
	}
	for s, own := range c.own {
		elsewhere, ok := c.remote[s.id]
		if !ok || own.left == nil && elsewhere.left == nil || own.joined == nil && elsewhere.joined == nil {
			continue
		}
		if moved == nil {
			moved = make(map[string]int)
		}
		for _, isNews := range []bool{own.isNews(), elsewhere.isNews()} {
			if isNews {
				moved[s.id]++
			}
		}
	}
	return moved
}

// news is how many members came or went.
func (c *changes) news() (n int) {
	for _, one := range c.own {
		if one.isNews() {
			n++
		}
	}
	for _, one := range c.remote {
		if one.isNews() {
			n++
		}
	}
	for _, times := range c.moved() {
		n -= times
	}
	return n
}

// places are the attendees that came or went, in no order.
func (c *changes) places() (joined, left []place) {
	moved := c.moved()
	isMoved := func(id string) bool { _, ok := moved[id]; return ok }
	for s, one := range c.own {
		switch {
		case !one.isNews() || isMoved(s.id):
		case one.joined != nil:
			joined = append(joined, one.joined.place())
		default:
			left = append(left, one.left.place())
		}
	}
	for id, one := range c.remote {
		switch {
		case !one.isNews() || isMoved(id):
		case one.joined != nil:
			joined = append(joined, one.joined.place())
		default:
			left = append(left, one.left.place())
		}
	}
	return joined, left
}

// all are all attendees that came or went, also those that no watcher is told of, in no order.
func (c *changes) all() (joined, left []place) {
	for _, one := range c.own {
		if one.left != nil {
			left = append(left, one.left.place())
		}
		if one.joined != nil {
			joined = append(joined, one.joined.place())
		}
	}
	for _, one := range c.remote {
		if one.left != nil {
			left = append(left, one.left.place())
		}
		if one.joined != nil {
			joined = append(joined, one.joined.place())
		}
	}
	return joined, left
}
