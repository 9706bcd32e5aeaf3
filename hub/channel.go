package hub

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

// channels holds the channels somebody is subscribed to, and no others.
type channels struct {
	seed   maphash.Seed
	count  atomic.Int64
	shards [channelShards]channelShard
}

const channelShards = 64

type channelShard struct {
	mu sync.RWMutex // guards the map and the refs of its channels
	m  shrinkmap.Map[string, *channel]
}

// channel is the set of subscriptions to one name.
//
// What the Broker is asked for follows the set: the first subscription makes it
// Listen and the last one makes it Mute. Those calls may take a network's time,
// so they are made in turn, by whoever holds turn, and no lock is held
// meanwhile: deliveries and other subscribers go on.
type channel struct {
	name string
	refs int           // who needs the entry to stay; guarded by the shard
	turn chan struct{} // holds one token while somebody talks to the Broker

	mu        sync.Mutex // guards what follows and the index of subs
	subs      []*subscription
	lent      bool // a delivery is reading the array of subs
	listening bool // the Broker's Listen is in force; set and cleared in turn
}

func (c *channels) shard(name string) *channelShard {
	return &c.shards[maphash.String(c.seed, name)%channelShards]
}

// find returns the channel if anybody is subscribed, else nil.
func (c *channels) find(name string) *channel {
	s := c.shard(name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	ch, _ := s.m.Get(name)
	return ch
}

// acquire returns the channel, which then stays until its release.
func (c *channels) acquire(name string) *channel {
	s := c.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, ok := s.m.Get(name)
	if !ok {
		// The name may be a part of a long request that must not stay for it.
		ch = &channel{name: strings.Clone(name), turn: make(chan struct{}, 1)}
		s.m.Set(ch.name, ch)
		c.count.Add(1)
	}
	ch.refs++
	return ch
}

func (c *channels) release(ch *channel) {
	s := c.shard(ch.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch.refs--; ch.refs == 0 {
		s.m.Delete(ch.name)
		c.count.Add(-1)
	}
}

// add makes sub a subscriber: from here on deliveries reach it.
func (ch *channel) add(sub *subscription) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	// A delivery that reads the array does not look behind its own length.
	sub.index = len(ch.subs)
	ch.subs = append(ch.subs, sub)
}

// remove takes sub out in constant time, by putting the last one in its place.
// An array that a delivery is reading is copied first: once for each delivery
// at most, which has as many subscribers to visit itself.
func (ch *channel) remove(sub *subscription) (empty bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	last := len(ch.subs) - 1
	if ch.lent || cap(ch.subs) > 64 && last < cap(ch.subs)/4 {
		ch.subs = slices.Clone(ch.subs)
		ch.lent = false
	}
	moved := ch.subs[last]
	ch.subs[sub.index], moved.index = moved, sub.index
	ch.subs[last] = nil
	ch.subs = ch.subs[:last]
	return last == 0
}

// lend returns the subscribers for one delivery to visit without a lock. A
// Broker makes one delivery at a time in a channel, so one flag is enough.
func (ch *channel) lend() []*subscription {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.lent = len(ch.subs) > 0
	return ch.subs
}

func (ch *channel) giveBack() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.lent = false
}

// snapshot is a copy of the subscribers.
func (ch *channel) snapshot() []*subscription {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return slices.Clone(ch.subs)
}

// listen returns once the Broker listens for ch, which a subscriber that was
// added before keeps so.
func (ch *channel) listen(ctx context.Context, broker Broker) error {
	if ch.isListening() {
		return nil
	}
	select {
	case ch.turn <- struct{}{}:
		defer func() { <-ch.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if ch.isListening() {
		return nil
	}
	if err := broker.Listen(ctx, ch.name); err != nil {
		// It may have half happened, and nobody would end it otherwise.
		ch.endListening(broker)
		return brokerError(err)
	}
	ch.mu.Lock()
	ch.listening = true
	ch.mu.Unlock()
	return nil
}

// mute ends listening unless somebody has subscribed meanwhile.
func (ch *channel) mute(broker Broker) {
	ch.turn <- struct{}{}
	defer func() { <-ch.turn }()

	ch.mu.Lock()
	idle := ch.listening && len(ch.subs) == 0
	if idle {
		// Before Mute, so that who subscribes from here on waits for the turn.
		ch.listening = false
	}
	ch.mu.Unlock()
	if idle {
		ch.endListening(broker)
	}
}

// endListening ignores the Broker's error: deliveries that still come find
// nobody, and the next Listen is as good as the first.
func (ch *channel) endListening(broker Broker) {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	_ = broker.Mute(ctx, ch.name)
}

func (ch *channel) isListening() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.listening
}
