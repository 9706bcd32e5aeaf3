package hub

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/hub/internal/firstn"
)

// ChannelInfo is a channel that somebody is subscribed to or that has history.
type ChannelInfo struct {
	Name        string
	Subscribers int // through this hub, those by patterns left out

	// Publications is how many its history holds, and Position that of the newest
	// one. They are zero if there is no history, or if the Broker is no ListingBroker.
	Publications int
	Position     Position
}

// Channels are those with subscribers through this hub, by name. The caller owns
// the slice.
func (h *Hub) Channels() []ChannelInfo {
	channels := h.channels.all()
	list := make([]ChannelInfo, 0, len(channels))
	for _, ch := range channels {
		if n := ch.len(); n > 0 && ch.pattern == nil {
			list = append(list, ChannelInfo{Name: ch.name, Subscribers: n})
		}
	}
	slices.SortFunc(list, func(a, b ChannelInfo) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// ListQuery selects channels from a list that is ordered by name.
type ListQuery struct {
	After string // only names that come after it, byte by byte
	Limit int    // at most so many; it is positive
	// OnlySubscribed leaves out channels without subscribers through this hub: the Broker is not asked.
	OnlySubscribed bool

	Match func(name string) bool // only those for which it returns true; nil for all. It is called with no lock held
}

// wants reports whether q selects a channel.
func (q *ListQuery) wants(name string) bool {
	return name > q.After && (q.Match == nil || q.Match(name))
}

// ErrListLimit is the answer to a ListQuery without a positive Limit.
var ErrListLimit = errors.New("hub: the limit of a list is not positive")

// ListingBroker is a Broker that knows which channels have history.
type ListingBroker interface {
	Broker

	// List returns the channels with history that q selects, by name, without
	// Subscribers. What comes or goes meanwhile may be missing, and nothing else.
	List(ctx context.Context, q ListQuery) ([]ChannelInfo, error)
}

// ListChannels returns the channels that q selects, by name: those with subscribers
// through this hub and, if the Broker is a ListingBroker, those with history. It
// waits for the Broker, so it is not for an event loop; its cost grows with the
// channels there are. The caller owns the slice. It returns ErrListLimit, ErrClosed,
// the error of ctx, or one wrapping the Broker's.
func (h *Hub) ListChannels(ctx context.Context, q ListQuery) ([]ChannelInfo, error) {
	if q.Limit <= 0 {
		return nil, ErrListLimit
	}
	if err := h.checkOpen(); err == ErrClosed {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var held []ChannelInfo
	if b, ok := h.broker.(ListingBroker); ok && !q.OnlySubscribed {
		var err error
		if held, err = b.List(ctx, q); err != nil {
			return nil, h.brokerError(err)
		}
	}
	used := firstn.List[ChannelInfo]{Limit: q.Limit, Name: func(c ChannelInfo) string { return c.Name }}
	for _, ch := range h.channels.all() {
		if ch.pattern != nil || !used.Wants(ch.name) || !q.wants(ch.name) {
			continue
		}
		if n := ch.len(); n > 0 {
			used.Add(ChannelInfo{Name: ch.name, Subscribers: n})
		}
	}
	return merged(used.Sorted(), held, q.Limit), nil
}

// merged puts two lists by name together, of which the first knows Subscribers and
// the second the rest.
func merged(used, held []ChannelInfo, limit int) []ChannelInfo {
	list := make([]ChannelInfo, 0, min(limit, len(used)+len(held)))
	for len(list) < limit && len(used)+len(held) > 0 {
		switch {
		case len(held) == 0 || len(used) > 0 && used[0].Name < held[0].Name:
			list, used = append(list, used[0]), used[1:]
		case len(used) == 0 || held[0].Name < used[0].Name:
			list, held = append(list, held[0]), held[1:]
		default:
			both := held[0]
			both.Subscribers = used[0].Subscribers
			list, used, held = append(list, both), used[1:], held[1:]
		}
	}
	return list
}

// len is the number of subscribers.
func (c *channel) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.subs)
}
