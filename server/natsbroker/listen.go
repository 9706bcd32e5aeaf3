package natsbroker

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

const shardCount = 64

var shardSeed = maphash.MakeSeed()

// shard holds a part of the channels that are followed.
type shard struct {
	mu       sync.Mutex // guards what follows, and the trackers themselves
	trackers map[string]*tracker
}

// tracker follows a channel that is listened to, or of which something came because
// a pattern matches it.
//
// The goroutine that has made it busy delivers, no other does: so deliveries are one at a
// time. Publications that come meanwhile wait in held.
type tracker struct {
	channel string
	subject string
	sub     *nats.Subscription // nil if only patterns match the channel
	asking  int                // calls of Listen that are not through
	isHeard bool               // one of them was
	joining bool               // none of them was yet: nothing is delivered until then
	fresh   bool               // it may not be known to all servers that it is listened to
	gone    bool               // it is no longer in its shard

	place    place  // what is known of where the channel is
	last     uint64 // with placeLast: publications behind it have not been delivered, and are owed
	base     uint64 // with placeBase: publications behind it are owed
	previous uint64 // the offset that a publication behind it names as the one before
	checked  uint64 // up to there nothing is missing
	busy     bool
	held     []arrival
	overflow bool // more came than held has room for
	suspect  bool // something may be missing behind last, though nothing says so
}

// place says what is known of where a channel is.
type place uint8

const (
	placeUnknown place = iota // what comes is delivered
	placeBase                 // so it is; what came before and is behind base is read when that is noticed
	placeLast                 // what comes has to follow
)

// arrival is a message that came.
type arrival struct {
	stored
	before uint64 // the number of the one before of its subject, 0 if none is held
}

func (b *Broker) shard(channel string) *shard {
	return &b.shards[maphash.String(shardSeed, channel)%shardCount]
}

// Listen implements hub.Broker.
func (b *Broker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	for {
		if _, err := b.serve(ctx); err != nil {
			return hub.Position{}, err
		}
		t, err := b.beginListen(channel)
		if err != nil {
			return hub.Position{}, b.failed(err)
		}
		now, top, floor, err := b.locate(ctx, t.subject)
		isCurrent := b.endListen(t, now, top, floor, err)
		switch {
		case err != nil:
			return hub.Position{}, b.failed(err)
		case !isCurrent:
		case top == nil:
			return now.position(floor), nil
		default:
			return now.position(top.offset()), nil
		}
	}
}

// locate returns the newest message of a subject, nil if there is none, and a number
// that it is behind if it is not found, once the server has taken everything that was said to it before.
func (b *Broker) locate(ctx context.Context, subject string) (now *era, top *stored, floor uint64, err error) {
	for {
		if now, err = b.serve(ctx); err != nil {
			return now, nil, 0, err
		}
		dialed := b.dialed.Load()
		// Read before the newest: a publication of the channel that is not found is behind it.
		floor = max(now.base, now.floor.Load())
		if err = b.flush(ctx); err == nil {
			top, err = b.newest(ctx, subject)
		}
		if top != nil && top.seq <= now.base {
			top = nil
		}
		if err != nil || b.holds(now, dialed) {
			return now, top, floor, err
		}
	}
}

// flush returns once the server has taken everything that was said to it before.
func (b *Broker) flush(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, 2*requestTime)
	defer cancel()
	if err := b.nc.FlushWithContext(limited); err != nil {
		return b.away(err)
	}
	return nil
}

// beginListen subscribes, and holds what comes until endListen.
func (b *Broker) beginListen(channel string) (*tracker, error) {
	s := b.shard(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.checkOpen(); err != nil {
		return nil, err
	}
	t := s.trackers[channel]
	if t == nil {
		t = b.newTracker(channel)
		// Nothing is delivered until it is known where the channel is, unless a pattern is
		// owed what comes.
		t.joining = !b.patterns.matches(channel)
		t.busy = t.joining
		s.trackers[t.channel] = t
	} else if t.sub == nil && !t.isHeard && t.asking == 0 {
		b.unlisted.Add(-1)
	}
	t.asking++
	if t.sub == nil {
		sub, err := b.nc.ChanSubscribe(b.names.out+t.subject[len(b.names.in):], b.arrivalsOf(channel))
		if err != nil {
			t.asking--
			b.drop(s, t)
			return nil, err
		}
		t.sub = sub
	}
	return t, nil
}

func (b *Broker) newTracker(channel string) *tracker {
	subject := b.names.subject(channel)
	name, _ := ParseSubject(subject[len(b.names.in):]) // a copy: the name may be a part of a long request
	return &tracker{channel: name, subject: subject}
}

func (b *Broker) arrivalsOf(name string) chan *nats.Msg {
	return b.arrivals[maphash.String(shardSeed, name)>>32%deliverers]
}

// endListen lets deliveries begin, behind the newest message, or behind floor if there is
// none. It reports whether the era is still the one that they are of.
func (b *Broker) endListen(t *tracker, now *era, top *stored, floor uint64, err error) (isCurrent bool) {
	s := b.shard(t.channel)
	s.mu.Lock()
	t.asking--
	isCurrent = b.era.Load() == now // with the lock: see restart
	switch {
	case err == nil:
		t.isHeard = true
		if b.isClustered() {
			t.fresh = true
			nudge(b.fresh)
		}
	case t.asking == 0 && !t.isHeard:
		b.unsubscribe(t)
		if b.patterns.matches(t.channel) {
			b.unlisted.Add(1)
		} else {
			b.drop(s, t)
		}
	}
	if !t.joining || err != nil && t.asking > 0 {
		if err == nil && t.place == placeUnknown && isCurrent {
			t.place, t.base, t.checked = placeBase, floor, floor
			if top != nil {
				t.base, t.checked = top.seq, top.seq
			}
		}
		s.mu.Unlock()
		return isCurrent
	}
	t.joining = false
	t.place = placeLast
	switch {
	case err != nil:
		t.place = placeUnknown
	case !isCurrent:
		t.last = b.era.Load().base
	case top != nil:
		t.last, t.previous = top.seq, top.offset()
	default:
		t.last = floor
	}
	t.checked = t.last
	s.mu.Unlock()
	b.deliver(s, t)
	return isCurrent
}

// isClustered reports whether there are several servers: then a subscription takes a
// moment until all of them know it.
func (b *Broker) isClustered() bool { return b.nc.ConnectedClusterName() != "" }

// unsubscribe ends the subscription of a channel; the lock of its shard is held.
func (b *Broker) unsubscribe(t *tracker) {
	if t.sub != nil {
		_ = t.sub.Unsubscribe() // it fails when the connection was closed, which ends it, too
		t.sub = nil
	}
}

// drop forgets a channel; the lock of its shard is held.
func (b *Broker) drop(s *shard, t *tracker) {
	if t.gone {
		return
	}
	t.gone = true
	t.held = nil
	delete(s.trackers, t.channel)
}

// Mute implements hub.Broker.
func (b *Broker) Mute(_ context.Context, channel string) error {
	s := b.shard(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.checkOpen(); err != nil {
		return err
	}
	t := s.trackers[channel]
	if t == nil || t.sub == nil {
		return nil
	}
	b.unsubscribe(t)
	t.isHeard = false
	if b.patterns.matches(channel) {
		b.unlisted.Add(1)
		return nil
	}
	b.drop(s, t)
	return nil
}

// closeTrackers forgets all channels.
func (b *Broker) closeTrackers() {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		clear(s.trackers)
		s.mu.Unlock()
	}
}

// restart has all channels and patterns begin behind base, after a change of the era. How
// far they have come is noted with their lock held, and for the era of that moment alone.
func (b *Broker) restart(base uint64) {
	b.eachTracker(func(t *tracker) {
		t.place, t.last, t.previous, t.checked = placeLast, base, 0, base
		t.held, t.overflow = nil, false
	})
	p := &b.patterns
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.set {
		one.checked = base
	}
}

// eachTracker calls do for every channel that is followed, with the lock of its shard
// held.
func (b *Broker) eachTracker(do func(*tracker)) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		for _, t := range s.trackers {
			do(t)
		}
		s.mu.Unlock()
	}
}

// patterns are those that are listened to.
type patterns struct {
	mu      sync.RWMutex // taken after that of a shard; guards what follows
	set     map[string]*pattern
	suspect bool // something may have been lost
}

type pattern struct {
	access      access.Pattern
	subject     string // in the stream
	sub         *nats.Subscription
	checked     uint64
	wasReplayed bool // since it came; guarded as checked is
}

// matches reports whether a pattern matches a channel.
func (p *patterns) matches(channel string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, one := range p.set {
		if one.access.Matches(channel, "") {
			return true
		}
	}
	return false
}

// ListenPattern implements hub.PatternBroker.
func (b *Broker) ListenPattern(ctx context.Context, text string) error {
	if _, err := b.serve(ctx); err != nil {
		return err
	}
	if err := b.addPattern(text); err != nil {
		return b.failed(err)
	}
	err := b.flush(ctx)
	if err == nil && b.isClustered() {
		nudge(b.fresh)
	}
	return b.failed(err)
}

func (b *Broker) addPattern(text string) error {
	p := &b.patterns
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := b.checkOpen(); err != nil {
		return err
	}
	if p.set[text] != nil {
		return nil
	}
	parsed, err := access.ParsePattern(text)
	if err != nil {
		return err
	}
	one := &pattern{access: parsed, subject: string(appendPatternSubject([]byte(b.names.in), text)), checked: b.era.Load().known.Load()}
	if one.sub, err = b.nc.ChanSubscribe(b.names.out+one.subject[len(b.names.in):], b.arrivalsOf(text)); err != nil {
		return err
	}
	if p.set == nil {
		p.set = make(map[string]*pattern)
	}
	p.set[string([]byte(text))] = one
	return nil
}

// MutePattern implements hub.PatternBroker.
func (b *Broker) MutePattern(_ context.Context, text string) error {
	if err := b.checkOpen(); err != nil {
		return err
	}
	p := &b.patterns
	p.mu.Lock()
	one := p.set[text]
	if one != nil {
		_ = one.sub.Unsubscribe() // see unsubscribe
		delete(p.set, text)
	}
	p.mu.Unlock()
	if one != nil {
		b.dropUnmatched(func(t *tracker) bool { return one.access.Matches(t.channel, "") })
	}
	return nil
}

// dropUnmatched forgets channels that nobody listens to and no pattern matches any more.
func (b *Broker) dropUnmatched(isConcerned func(*tracker) bool) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		for _, t := range s.trackers {
			if t.sub == nil && t.asking == 0 && isConcerned(t) && !b.patterns.matches(t.channel) {
				b.unlisted.Add(-1)
				b.drop(s, t)
			}
		}
		s.mu.Unlock()
	}
}
