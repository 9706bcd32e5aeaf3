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

// channels holds the channels that have subscribers, and no others.
type channels struct {
	seed   maphash.Seed
	count  atomic.Int64 // of channels that are no patterns
	shards [channelShards]channelShard
}

const channelShards = 64

type channelShard struct {
	mu sync.RWMutex // guards the map and the refs of its channels
	m  shrinkmap.Map[string, *channel]
}

// channel is the set of subscriptions to one name, which may be a pattern's. What the
// Broker is asked for follows the set, see settle.
type channel struct {
	name    string
	pattern *pattern // nil unless name is a pattern's
	refs    int32    // what needs the entry to stay; guarded by the shard

	trailing atomic.Int32          // how many of subs trail
	trail    atomic.Pointer[trail] // what they have to fetch; nil without any. It is stored with mu

	mu        sync.Mutex // guards what follows and the index of subs
	lent      bool       // a delivery is reading the array of subs
	isAsking  bool       // the Broker is being asked to Listen or Mute
	hasLost   bool       // deliveries were lost since the Broker was asked to Listen
	listening bool       // the Broker's Listen is in force
	delivered uint32     // the number of the next delivery, of those to subscribers
	subs      []*subscription
	top       Position        // newest position of the channel; zero when it is not known
	waiting   []*subscription // for Listen
	presence  *presence       // nil unless a session watches the members
	shared    *shared         // what other hubs are told of the members, and told us; nil without any
	deltas    *deltas         // nil unless a subscription wants deltas
	derived   *derived        // subscriptions by patterns; nil until there is a pattern in the hub
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

// all returns the channels there are.
func (c *channels) all() (list []*channel) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		for _, ch := range s.m.All {
			list = append(list, ch)
		}
		s.mu.RUnlock()
	}
	return list
}

// acquire returns the channel, which then stays until its release.
func (c *channels) acquire(name string) *channel {
	s := c.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, ok := s.m.Get(name)
	if !ok {
		// The name may be a part of a long request that must not stay for it.
		ch = &channel{name: strings.Clone(name)}
		if IsPattern(name) {
			ch.pattern = new(pattern)
		} else {
			c.count.Add(1)
		}
		s.m.Set(ch.name, ch)
	}
	ch.refs++
	return ch
}

// hold is acquire for a channel that is held already.
func (c *channels) hold(ch *channel) {
	s := c.shard(ch.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch.refs++
}

func (c *channels) release(ch *channel) {
	s := c.shard(ch.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch.refs--; ch.refs == 0 {
		s.m.Delete(ch.name)
		if ch.pattern == nil {
			c.count.Add(-1)
		}
	}
}

// add makes sub a subscriber: from here on deliveries reach it. When the Broker
// listens already, top is the newest position of the channel, if that is known;
// else the subscription is admitted, or refused, when the Broker has been asked.
func (ch *channel) add(sub *subscription) (top Position, listening bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	// A delivery that reads the array does not look behind its own length.
	sub.index = int32(len(ch.subs))
	ch.subs = append(ch.subs, sub)
	if !ch.listening {
		ch.waiting = append(ch.waiting, sub)
		sub.waits = int32(len(ch.waiting))
	}
	if s := ch.shared; s != nil && s.remotes != nil {
		s.remotes.enter(sub)
	}
	if ch.presence != nil {
		ch.presence.join(sub)
	}
	ch.share(sub, true)
	return ch.top, ch.listening
}

// withdraw takes sub out of the subscriptions that wait for Listen, in constant time. It
// returns false when sub is not among them: it will be, or it has its answer.
func (ch *channel) withdraw(sub *subscription) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if sub.waits == 0 {
		return false
	}
	last := len(ch.waiting) - 1
	moved := ch.waiting[last]
	ch.waiting[sub.waits-1], moved.waits = moved, sub.waits
	ch.waiting[last] = nil
	ch.waiting = ch.waiting[:last]
	sub.waits = 0
	return true
}

// remove takes sub out in constant time, by putting the last one in its place.
// An array that a delivery is reading is copied first: once for each delivery
// at most, which has as many subscribers to visit itself. It reports whether
// anybody watches the members, so that sub may be one that does.
func (ch *channel) remove(sub *subscription) (isWatched bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.removeLocked(sub)
	return ch.presence != nil
}

func (ch *channel) removeLocked(sub *subscription) {
	if ch.presence != nil {
		ch.presence.leave(sub)
	}
	ch.share(sub, false)
	ch.waiveDeltas(sub)
	last := len(ch.subs) - 1
	if ch.lent || cap(ch.subs) > 64 && last < cap(ch.subs)/4 {
		ch.subs = slices.Clone(ch.subs)
		ch.lent = false
	}
	moved := ch.subs[last]
	ch.subs[sub.index], moved.index = moved, sub.index
	ch.subs[last] = nil
	ch.subs = ch.subs[:last]
}

// lent is what a delivery goes over without a lock. The array of subscribers is not
// changed until it is given back.
type lent struct {
	delivery *Delivery       // nil if there are no subscribers
	subs     []*subscription // of the channel
	derived  []*subscription // by patterns
	allTrail bool            // none of subs has to be visited
	next     uint32          // the number of the next delivery
}

// lending is whether a channel can be lent.
type lending uint8

const (
	isLent      lending = iota
	hasOutdated         // patterns have changed since derived subscriptions were found: see Hub.derive
	hasFull             // the trail has no room: it is to be ended, for the subscribers in lent
)

// lend returns what the delivery of p goes over. A Broker makes one delivery at a time in
// a channel, so one flag is enough.
func (ch *channel) lend(p *Publication, generation uint64) (l lent, is lending) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if generation > 0 {
		if ch.derived == nil || ch.derived.generation != generation {
			return lent{}, hasOutdated
		}
		l.derived = ch.derived.subs
		ch.derived.lent = len(l.derived) > 0
	}
	l.subs = ch.subs
	ch.lent = len(l.subs) > 0
	trailing := ch.trailing.Load()
	t := ch.trail.Load()
	if trailing > 0 && t != nil && !t.hasRoom(p) {
		return l, hasFull
	}
	// Also when there are no subscribers: one may come before the Broker is asked to mute.
	if !ch.top.isAfter(p.Position) {
		ch.top = p.Position
	}
	previous := ch.deltas.follow(p)
	if len(l.subs)+len(l.derived) == 0 {
		return l, isLent
	}
	l.delivery = newDelivery(p, previous)
	switch {
	case trailing > 0 && t == nil:
		t = &trail{base: ch.delivered}
		ch.trail.Store(t)
		fallthrough
	case trailing > 0:
		t.append(l.delivery)
		l.allTrail = int(ch.trailing.Load()) == len(l.subs)
	case t != nil:
		ch.trail.Store(nil)
	}
	ch.delivered++
	l.next = ch.delivered
	return l, isLent
}

// lose notes that deliveries were lost, so that the newest position is not known
// until the next one, and returns the subscribers.
func (ch *channel) lose() []*subscription {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.top, ch.hasLost = Position{}, true
	return ch.allLocked()
}

// allLocked is a copy of the subscribers, with those by patterns; mu is held.
func (ch *channel) allLocked() []*subscription {
	if ch.derived != nil {
		return slices.Concat(ch.subs, ch.derived.subs)
	}
	return slices.Clone(ch.subs)
}

func (ch *channel) giveBack() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.lent = false
	if ch.derived != nil {
		ch.derived.lent = false
	}
}

// snapshotAll is a copy of the subscribers, with those by patterns.
func (ch *channel) snapshotAll() []*subscription {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.allLocked()
}

// snapshot is a copy of the subscribers.
func (ch *channel) snapshot() []*subscription {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return slices.Clone(ch.subs)
}

// settle makes the Broker listen while the channel has subscribers, and no longer. The
// Broker is asked one thing at a time, under no lock: deliveries and other
// subscribers go on. The caller holds the channel.
func (h *Hub) settle(ch *channel) {
	for {
		ch.mu.Lock()
		wanted := len(ch.subs) > 0
		// The last one may have left, and another come, before the Broker was asked
		// to mute: it listens still, and the newcomers wait for nothing.
		if ch.isAsking || wanted == ch.listening {
			ch.mu.Unlock()
			return
		}
		ch.isAsking = true
		ch.listening = false // also before Mute, so that a newcomer waits for its end
		ch.top, ch.hasLost = Position{}, false
		ch.mu.Unlock()

		h.channels.hold(ch)
		ask := h.mute
		if wanted {
			ask = h.listen
		}
		if h.immediate() {
			ask(context.Background(), ch)
			h.channels.release(ch)
			continue
		}
		asked := h.calls.add(ch.name, func(ctx context.Context) {
			ask(ctx, ch)
			h.settle(ch)
			h.channels.release(ch)
		})
		if !asked { // the hub is closed, and with it every session
			h.channels.release(ch)
		}
		return
	}
}

// listen asks the Broker to listen, and admits or refuses the subscriptions that
// wait for it.
func (h *Hub) listen(ctx context.Context, ch *channel) {
	top, err := h.askListen(ctx, ch.name)
	if err != nil {
		// The Broker may listen all the same, so it is told to stop. Until it does, its
		// deliveries find no subscriber. ctx may have ended, so it is not used here.
		ctx, cancel := context.WithTimeout(h.calls.ctx, callTimeout)
		_ = h.askMute(ctx, ch.name)
		cancel()
	}
	waiting, top := ch.takeAnswer(top, err)
	for _, sub := range waiting {
		if err != nil {
			sub.session.refuse(sub, h.brokerError(err))
			h.releaseSubscription(sub)
		} else {
			sub.session.admit(sub, top)
		}
	}
}

// takeAnswer records the Broker's answer to Listen. It returns the subscriptions
// that waited for it and the newest position, which is zero when it is not known.
// After an error all of them are removed at once, because otherwise the channel
// would ask again on behalf of the last to be refused.
func (ch *channel) takeAnswer(top Position, err error) ([]*subscription, Position) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	waiting := ch.waiting
	ch.waiting = nil
	ch.isAsking = false
	for _, sub := range waiting {
		sub.waits = 0
		if err != nil {
			ch.removeLocked(sub)
		}
	}
	if err != nil {
		return waiting, Position{}
	}
	ch.listening = true
	switch {
	case ch.hasLost:
		// A lost publication may be newer than top, so only later deliveries count.
	case !ch.top.IsZero() && ch.top.Epoch != top.Epoch:
		ch.top = Position{} // positions of two epochs are not ordered
	case !ch.top.isAfter(top): // else a delivery that came meanwhile is newer
		ch.top = top
	}
	return waiting, ch.top
}

// mute ignores the Broker's error: later deliveries find no subscriber, and
// the next Listen is as good as the first.
func (h *Hub) mute(ctx context.Context, ch *channel) {
	_ = h.askMute(ctx, ch.name)
	ch.mu.Lock()
	ch.isAsking = false
	ch.mu.Unlock()
}
