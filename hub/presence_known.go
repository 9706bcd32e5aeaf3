package hub

import (
	"cmp"
	"context"
)

// Members is ListMembers with the members there are through Neighbours: where that is not
// known yet it asks them, and waits a few seconds at the most for those that do not
// answer. So it is not for an event loop. It returns the errors of ListMembers, or that of
// ctx.
func (h *Hub) Members(ctx context.Context, channel string, q PresenceQuery) (Roster, error) {
	type answer struct {
		roster Roster
		err    error
	}
	answered := make(chan answer, 1)
	h.BeginMembers(channel, q, func(r Roster, err error) { answered <- answer{r, err} })
	select {
	case a := <-answered:
		return a.roster, a.err
	case <-ctx.Done():
		return Roster{}, ctx.Err()
	}
}

// BeginMembers is Members that does not wait: it calls done once, before it returns or later
// and from any goroutine, where it must not block.
func (h *Hub) BeginMembers(channel string, q PresenceQuery, done func(Roster, error)) {
	h.whenKnown(channel, &q, func(elsewhere int) { done(h.listMembers(channel, q, elsewhere)) })
}

// whenKnown calls then once, when the answer to q is known of other hubs: before it returns,
// or later and from any goroutine. elsewhere is how many members there are, if they are not
// kept by identity. It returns at once for a query whose answer is an error.
func (h *Hub) whenKnown(channel string, q *PresenceQuery, then func(elsewhere int)) {
	m := h.mirror.Load()
	if m == nil {
		then(0)
		return
	}
	_, err := parseCursor(q.After)
	if cmp.Or(err, h.checkPresence(channel, q.IgnoresPolicy), h.checkOpen()) != nil {
		then(0)
		return
	}
	isSecret := h.policy(channel).NoPresence
	if q.CountOnly && !q.ByUser && (isSecret || !h.keepsRemotes(channel)) {
		m.neighbours.Count(channel, then)
		return
	}
	if m.neighbours.Complete(channel, isSecret, func() { then(0) }) {
		then(0)
	}
}

// keepsRemotes reports whether the members of a channel elsewhere are known.
func (h *Hub) keepsRemotes(channel string) bool {
	ch := h.channels.find(channel)
	if ch == nil {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.shared != nil && ch.shared.remotes != nil
}
