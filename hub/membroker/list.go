package membroker

import (
	"context"
	"sort"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/firstn"
)

// List implements hub.ListingBroker. It looks at every channel, one shard after
// another, and holds the lock of a shard while it copies the names in it.
func (b *Broker) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	if q.Limit <= 0 {
		return nil, hub.ErrListLimit
	}
	first := firstn.List[hub.ChannelInfo]{Limit: q.Limit, Name: func(c hub.ChannelInfo) string { return c.Name }}
	var some []hub.ChannelInfo
	for i := range b.shards {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if some, err = b.appendHeld(some[:0], &b.shards[i], q.After, first.Wants); err != nil {
			return nil, err
		}
		for _, c := range some {
			if q.Match == nil || q.Match(c.Name) {
				first.Add(c)
			}
		}
	}
	return first.Sorted(), nil
}

// appendHeld appends the channels of a shard that have history.
func (b *Broker) appendHeld(dst []hub.ChannelInfo, s *shard, after string, wants func(string) bool) ([]hub.ChannelInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.checkReadable(); err != nil {
		return nil, err
	}
	now := b.clock()
	for name, c := range s.channels.All {
		if name <= after || !wants(name) {
			continue
		}
		if n := c.history.count(now); n > 0 {
			dst = append(dst, hub.ChannelInfo{Name: name, Publications: n, Position: hub.Position{Epoch: b.epoch, Offset: c.top}})
		}
	}
	return dst, nil
}

// count is how many are held that have not expired.
func (h *history) count(now moment) int {
	n := h.held.len()
	return n - sort.Search(n, func(i int) bool { return h.held.at(i).goneAfter >= now })
}
