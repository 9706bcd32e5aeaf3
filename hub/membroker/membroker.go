package membroker

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

// Broker is a hub.Broker that keeps everything in this process. All methods are
// safe for concurrent use.
type Broker struct {
	options Options
	epoch   string
	key     nameKey
	began   time.Time

	shards [shardCount]shard
	floors floors
	drops  floors // stamps, of channels that are forgotten
	keys   idempotency

	patterns patterns

	channels     atomic.Int64     // in all shards; never more than ChannelsMax
	_            cpu.CacheLinePad // what every publication writes keeps away from what every one reads
	publications atomic.Int64     // held
	bytes        atomic.Int64     // their charge
	evicted      atomic.Uint64
	_            cpu.CacheLinePad

	evicting  sync.Mutex // taken before any shard; guards evictFrom
	evictFrom int        // the shard that was last evicted from

	life     sync.Mutex // guards Start against Close and Snapshot, and what follows
	snapshot *Snapshot  // nil unless one is being made
	restored bool       // Restore has begun
	receiver hub.Receiver
	stage    atomic.Uint32             // of its life, see the stages below
	aside    atomic.Pointer[Publisher] // gets the publications while it is frozen; set before it is
	_        cpu.CacheLinePad
	delivery sync.WaitGroup // every goroutine that delivers; added to under a shard's lock
	_        cpu.CacheLinePad
	janitor  janitor
}

const shardCount = 64

// The stages of a Broker's life, changed under Broker.life.
const (
	stageNew    = iota
	stageOpen   // between Start and Close
	stageFrozen // a Snapshot of it goes to another, see Snapshot.Freeze
	stageMoved  // another has everything
	stageClosed
)

var errStart = errors.New("membroker: Start is called once, before any other method")

// New returns a Broker, which is the caller's to close until a hub has it. Its
// epoch is random, so positions of another Broker are not mistaken for its own.
// The error wraps a *hub.OptionError.
func New(o *Options) (*Broker, error) {
	options, err := o.effective()
	if err != nil {
		return nil, err
	}
	b := &Broker{
		options: options,
		epoch:   newEpoch(),
		key:     newNameKey(),
		began:   time.Now(),
		janitor: newJanitor(),
	}
	each := b.options.ChannelsMax / shardCount
	for i := range b.shards {
		b.shards[i].index = uint8(i)
		// Hashes are not spread evenly: this is room for all, almost always.
		b.shards[i].forgotten.max = each + 5*int(math.Sqrt(float64(each))) + 8
	}
	b.keys.window, b.keys.keysMax, b.keys.clock = b.options.IdempotencyWindow, b.options.IdempotencyKeysMax, b.clock
	return b, nil
}

// Began implements hub.TransientBroker. A Broker that was restored has begun with the other.
func (b *Broker) Began() time.Time { return b.began }

func (b *Broker) clock() moment { return moment(time.Since(b.began)) }

// Start implements hub.Broker.
func (b *Broker) Start(r hub.Receiver) error {
	b.life.Lock()
	defer b.life.Unlock()
	switch stage := b.stage.Load(); {
	case stage == stageClosed:
		return hub.ErrClosed
	case stage != stageNew || r == nil:
		return errStart
	}
	b.receiver = r
	b.stage.Store(stageOpen)
	b.janitor.asleep.Store(true)
	if b.hasExpiring() { // a Recovery came first
		b.janitor.wake()
	}
	go b.janitorLoop()
	return nil
}

// Close implements hub.Broker. It must not be called from a Receiver, nor with a Journal
// from a Completer. It returns the error of the Journal.
func (b *Broker) Close() error {
	b.life.Lock()
	defer b.life.Unlock()
	before := b.stage.Swap(stageClosed)
	if before == stageClosed {
		return hub.ErrClosed
	}
	close(b.janitor.stop)
	if before != stageNew {
		<-b.janitor.done
	}
	var err error
	if b.options.Journal != nil {
		err = b.options.Journal.Close()
	}
	// Calls that get a shard's lock after this find the broker closed.
	answers := b.drop()
	b.delivery.Wait()
	for i := range answers {
		answers[i].give() // they were accepted
	}
	return err
}

// drop lets go of everything that is held, and returns the answers that are owed.
func (b *Broker) drop() (answers []answer) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		for _, c := range s.channels.All {
			clear(c.pending)
			c.pending = nil
			answers = append(answers, c.answers...)
			c.answers = nil
		}
		s.channels, s.expiring, s.forgotten = channelMap{}, nil, forgotten{}
		s.track, s.preparing = nil, shrinkmap.Map[keyHash, uint64]{}
		s.mu.Unlock()
	}
	b.patterns.clear()
	b.keys.clear()
	b.channels.Store(0)
	b.publications.Store(0)
	b.bytes.Store(0)
	return answers
}

// checkOpen returns nil between Start and Close, unless the broker is frozen or has
// moved.
func (b *Broker) checkOpen() error {
	switch b.stage.Load() {
	case stageOpen:
		return nil
	case stageNew:
		return errStart
	case stageClosed:
		return hub.ErrClosed
	}
	return ErrFrozen
}

// checkReadable is checkOpen for what changes nothing that a Snapshot is about.
func (b *Broker) checkReadable() error {
	if b.stage.Load() == stageFrozen {
		return nil
	}
	return b.checkOpen()
}

func (b *Broker) locate(channel string) (*shard, uint64) {
	hash := b.key.of(channel)
	return &b.shards[hash%shardCount], hash
}

// IsImmediate implements hub.ImmediateBroker.
func (b *Broker) IsImmediate() bool { return true }

// Health implements hub.HealthBroker.
func (b *Broker) Health(ctx context.Context) error {
	if err := b.checkReadable(); err != nil || b.options.Journal == nil {
		return err
	}
	return b.options.Journal.Health(ctx)
}

// Publish implements hub.Broker. It delivers to the Receiver and answers before
// it returns, unless another publisher is delivering in the channel: that one
// then delivers this publication too, and, when much is pending, answers. With a Journal
// it delivers and answers when that has written it.
func (b *Broker) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	b.publish(m, r, to, ticket, false)
}

// publish is Publish, also of a Broker that is frozen if that is meant.
func (b *Broker) publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64, evenFrozen bool) {
	var key *keyHash
	if m.IdempotencyKey != "" {
		hash := hashKey(&m)
		key = &hash
	}
	if b.options.Journal != nil {
		b.prepare(&m, r, key, to, ticket, evenFrozen)
		return
	}
	s, hash := b.locate(m.Channel)
	s.mu.Lock()
	a, err := b.accept(s, hash, &m, r, key, evenFrozen)
	p := hub.Published{Position: hub.Position{Epoch: b.epoch, Offset: a.offset}, Duplicate: a.duplicate}
	waits := err == nil && a.channel != nil && len(a.channel.pending) > pendingMax
	if waits {
		a.channel.answers = append(a.channel.answers, answer{to, ticket, p})
	}
	s.mu.Unlock()
	if err != nil {
		if err == ErrFrozen {
			(*b.aside.Load()).Publish(m, r, to, ticket)
			return
		}
		to.Published(ticket, hub.Published{Err: err})
		return
	}
	b.tidy(key, r)
	if a.deliver {
		b.deliver(s, a.channel, deliverMax)
	}
	if !waits {
		to.Published(ticket, p)
	}
}

// tidy makes room for a publication that was accepted, and sees that it goes in time.
func (b *Broker) tidy(key *keyHash, r hub.Retention) {
	if b.bytes.Load() > b.options.HistoryBytesMax {
		b.evict()
	}
	if key != nil || r.Count > 0 && r.Age > 0 {
		b.janitor.wake()
	}
}

// answer is the outcome of a publication that its publisher is told later.
type answer struct {
	to     hub.Completer
	ticket uint64
	p      hub.Published
}

func (a *answer) give() { a.to.Published(a.ticket, a.p) }

// deliver hands pending publications to the Receiver until none is left. After limit
// publications, if that is not 0, it leaves the rest to a goroutine; also when
// the Receiver panics, so that a panic that its caller survives does not silence
// the channel.
func (b *Broker) deliver(s *shard, c *channel, limit int) {
	rest := true
	defer func() {
		if rest {
			go b.deliver(s, c, 0)
		}
	}()
	var batch []*hub.Publication
	var answers []answer
	for delivered := 0; limit == 0 || delivered < limit; delivered += len(batch) {
		s.mu.Lock()
		c.returnBatch(batch)
		if len(c.pending) == 0 {
			c.delivering = false
			b.forgetIdle(s, c)
			s.mu.Unlock()
			b.delivery.Done()
			rest = false
			return
		}
		batch, answers = c.takePending()
		s.mu.Unlock()
		for i := range answers {
			answers[i].give()
		}
		for _, p := range batch {
			if b.stage.Load() == stageClosed {
				break
			}
			b.receiver.Receive(p)
		}
	}
}

// channel returns the state of a channel, made if there is none; s.mu is held.
func (b *Broker) channel(s *shard, hash uint64, name string) (*channel, error) {
	if c, ok := s.channels.Get(name); ok {
		return c, nil
	}
	if b.channels.Add(1) > int64(b.options.ChannelsMax) {
		b.channels.Add(-1)
		return nil, hub.ErrTooManyChannels
	}
	// The name may be a part of a long request that must not stay for it.
	c := b.revive(s, hash, strings.Clone(name))
	s.channels.Set(c.name, c)
	return c, nil
}

// revive returns a channel as it was when it was forgotten; s.mu is held.
func (b *Broker) revive(s *shard, hash uint64, name string) *channel {
	c := &channel{name: name, hash: hash, top: s.forgotten.of(hash, &b.floors), dueIndex: -1}
	c.history.dropped = stamp(b.drops.of(hash))
	return c
}

// forgetIdle forgets c if nothing needs it any more; s.mu is held.
func (b *Broker) forgetIdle(s *shard, c *channel) {
	if !c.isIdle() || b.stage.Load() >= stageMoved {
		return
	}
	if c.top != s.forgotten.of(c.hash, &b.floors) { // or else nothing was published since it came
		s.forgotten.remember(c.hash, c.top, &b.floors)
		if s.track != nil {
			s.track.forgot = append(s.track.forgot, c.hash)
		}
	}
	b.drops.raise(c.hash, uint64(c.history.dropped))
	s.channels.Delete(c.name)
	b.channels.Add(-1)
}

// count adds to the totals of the held publications.
func (b *Broker) count(t tally) {
	if t != (tally{}) {
		b.publications.Add(int64(t.publications))
		b.bytes.Add(t.bytes)
	}
}

// Listen implements hub.Broker.
func (b *Broker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	if err := ctx.Err(); err != nil {
		return hub.Position{}, err
	}
	s, hash := b.locate(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.checkOpen(); err != nil {
		return hub.Position{}, err
	}
	c, err := b.channel(s, hash, channel)
	if err != nil {
		return hub.Position{}, err
	}
	if !c.listening {
		s.note(c)
		c.listening = true
	}
	return hub.Position{Epoch: b.epoch, Offset: c.top}, nil
}

// Mute implements hub.Broker. It drops pending publications.
func (b *Broker) Mute(_ context.Context, channel string) error {
	answers, err := b.mute(channel)
	for i := range answers {
		answers[i].give()
	}
	return err
}

func (b *Broker) mute(channel string) ([]answer, error) {
	s, _ := b.locate(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.checkOpen(); err != nil {
		return nil, err
	}
	c, ok := s.channels.Get(channel)
	if !ok {
		return nil, nil
	}
	s.note(c)
	c.listening = false
	if b.isMatched(c) {
		return nil, nil // the pending publications are for a pattern, too
	}
	batch, answers := c.takePending()
	c.returnBatch(batch)
	b.forgetIdle(s, c)
	return answers, nil
}

// History implements hub.Broker.
func (b *Broker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if err := ctx.Err(); err != nil {
		return hub.Page{}, err
	}
	s, hash := b.locate(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.checkReadable(); err != nil {
		return hub.Page{}, err
	}
	c, ok := s.channels.Get(channel)
	if !ok {
		none := history{dropped: stamp(b.drops.of(hash))}
		return none.read(q, hub.Position{Epoch: b.epoch, Offset: s.forgotten.of(hash, &b.floors)}), nil
	}
	b.count(c.history.expire(b.clock()))
	s.reschedule(c)
	page := c.history.read(q, hub.Position{Epoch: b.epoch, Offset: c.top})
	b.forgetIdle(s, c)
	return page, nil
}

// Clear implements hub.ClearingBroker.
func (b *Broker) Clear(ctx context.Context, channel string) error {
	if b.options.Journal != nil {
		return b.prepareClear(ctx, channel)
	}
	s, _ := b.locate(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.checkOpen(); err != nil {
		return err
	}
	if c, ok := s.channels.Get(channel); ok {
		b.clear(s, c, c.top)
	}
	return nil
}

// clear drops what c holds up to an offset, s.mu being held.
func (b *Broker) clear(s *shard, c *channel, offset uint64) {
	s.note(c)
	n := 0
	for n < c.history.held.len() && c.history.held.at(n).publication.Position.Offset <= offset {
		n++
	}
	b.count(c.history.drop(n))
	s.reschedule(c)
	b.forgetIdle(s, c)
}
