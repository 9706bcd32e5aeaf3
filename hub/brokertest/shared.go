package brokertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/trie"
)

// Shared makes several brokers of one in this process: they have its histories in common, as
// nodes that use the same server, and a bus (hub.BusBroker). Each can lose its connection,
// see SharedBroker.Cut, and its messages of the bus can be late or lost, see
// SharedBroker.Trouble. Everything about it is in this process, so it is good in a
// bubble of testing/synctest.
type Shared struct {
	broker hub.Broker

	listening sync.Mutex // held by Listen, Mute and their like, before mu
	mu        sync.Mutex // guards what follows
	started   bool
	brokers   []*SharedBroker // that were started and not closed
	channels  map[string]map[*SharedBroker]struct{}
	patterns  trie.Trie[*SharedBroker]
	hearings  map[string][]*hearing
}

// NewShared returns a Shared over a Broker that was not started, such as a membroker.
// The Shared closes it in Close.
func NewShared(broker hub.Broker) *Shared {
	return &Shared{broker: broker, channels: make(map[string]map[*SharedBroker]struct{}), hearings: make(map[string][]*hearing)}
}

// Close closes the broker below. Brokers that are open must have been closed before.
func (s *Shared) Close() error { return s.broker.Close() }

// Receive implements hub.Receiver for the broker below.
func (s *Shared) Receive(p *hub.Publication) {
	s.mu.Lock()
	var room [8]*SharedBroker
	to := s.patterns.Match(p.Channel, room[:0])
	for b := range s.channels[p.Channel] {
		to = append(to, b)
	}
	s.mu.Unlock()
	slices.SortFunc(to, func(a, b *SharedBroker) int { return a.number - b.number })
	for _, b := range slices.Compact(to) {
		b.receive(p)
	}
}

// Lost implements hub.Receiver for the broker below.
func (s *Shared) Lost(channel string) {
	s.mu.Lock()
	brokers := slices.Clone(s.brokers)
	s.mu.Unlock()
	for _, b := range brokers {
		b.receiver.Lost(channel)
	}
}

// SharedBroker is one of the brokers of a Shared: a hub.Broker with everything that the
// broker below can do, and a hub.BusBroker. What the broker below cannot do is
// answered with hub.ErrNotSupported.
type SharedBroker struct {
	shared   *Shared
	number   int
	receiver hub.Receiver
	isOpen   atomic.Bool // between Start and Close
	isClosed atomic.Bool // set before isOpen is not
	isCut    atomic.Bool
	trouble  atomic.Pointer[BusTrouble]
	closing  chan struct{}
	hears    sync.WaitGroup
	delivers sync.RWMutex // held by deliveries, and by Close for writing
	patterns map[string]struct{}
}

// ErrCut is the answer of a broker whose connection is cut.
var ErrCut = errors.New("brokertest: the connection is cut")

var errSharedStart = errors.New("brokertest: Start is called once, before any other method")

// NewBroker returns a broker that was not started, and is the caller's, or its hub's, to close.
func (s *Shared) NewBroker() *SharedBroker {
	return &SharedBroker{shared: s, closing: make(chan struct{}), patterns: make(map[string]struct{})}
}

// Cut breaks the connection of this broker: its calls fail with ErrCut, no publication or
// message arrives here, and messages from here arrive nowhere.
func (b *SharedBroker) Cut() { b.isCut.Store(true) }

// Mend ends Cut, and says that publications and messages may have been lost.
func (b *SharedBroker) Mend() {
	if b.isCut.Swap(false) && b.isOpen.Load() {
		b.receiver.Lost("")
		b.shared.mu.Lock()
		var mine []*hearing
		for _, list := range b.shared.hearings {
			for _, h := range list {
				if h.of == b {
					mine = append(mine, h)
				}
			}
		}
		b.shared.mu.Unlock()
		for _, h := range mine {
			h.add(heard{missed: true})
		}
	}
}

// Start implements hub.Broker.
func (b *SharedBroker) Start(r hub.Receiver) error {
	s := b.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.isClosed.Load() {
		return hub.ErrClosed
	}
	if r == nil || b.receiver != nil {
		return errSharedStart
	}
	if !s.started {
		if err := s.broker.Start(s); err != nil {
			return err
		}
		s.started = true
	}
	b.receiver, b.number = r, len(s.brokers)
	s.brokers = append(s.brokers, b)
	b.isOpen.Store(true)
	return nil
}

func (b *SharedBroker) receive(p *hub.Publication) {
	b.delivers.RLock()
	defer b.delivers.RUnlock()
	if b.isOpen.Load() && !b.isCut.Load() {
		b.receiver.Receive(p)
	}
}

// check returns nil if something can be asked.
func (b *SharedBroker) check() error {
	switch {
	case b.isOpen.Load() && !b.isCut.Load():
		return nil
	case b.isClosed.Load():
		return hub.ErrClosed
	case b.isOpen.Load():
		return ErrCut
	}
	return errSharedStart
}

// IsImmediate implements hub.ImmediateBroker: it is as the broker below is.
func (b *SharedBroker) IsImmediate() bool {
	below, ok := b.shared.broker.(hub.ImmediateBroker)
	return ok && below.IsImmediate()
}

// Health implements hub.HealthBroker.
func (b *SharedBroker) Health(ctx context.Context) error {
	if err := b.check(); err != nil {
		return err
	}
	if below, ok := b.shared.broker.(hub.HealthBroker); ok {
		return below.Health(ctx)
	}
	return nil
}

// Publish implements hub.Broker.
func (b *SharedBroker) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	if err := b.check(); err != nil {
		to.Published(ticket, hub.Published{Err: err})
		return
	}
	b.shared.broker.Publish(m, r, to, ticket)
}

// History implements hub.Broker.
func (b *SharedBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if err := b.check(); err != nil {
		return hub.Page{}, err
	}
	return b.shared.broker.History(ctx, channel, q)
}

// Listen implements hub.Broker.
func (b *SharedBroker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	s := b.shared
	s.listening.Lock()
	defer s.listening.Unlock()
	if err := b.check(); err != nil {
		return hub.Position{}, err
	}
	s.mu.Lock()
	listeners := s.channels[channel]
	if listeners == nil {
		listeners = make(map[*SharedBroker]struct{})
		s.channels[channel] = listeners
	}
	listeners[b] = struct{}{}
	s.mu.Unlock()
	top, err := s.broker.Listen(ctx, channel)
	if err != nil {
		s.leave(b, channel)
	}
	return top, err
}

// leave takes a listener away, and reports whether it was the last one of the channel.
func (s *Shared) leave(b *SharedBroker, channel string) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	listeners, ok := s.channels[channel]
	delete(listeners, b)
	if !ok || len(listeners) > 0 {
		return false
	}
	delete(s.channels, channel)
	return true
}

// Mute implements hub.Broker.
func (b *SharedBroker) Mute(ctx context.Context, channel string) error {
	s := b.shared
	s.listening.Lock()
	defer s.listening.Unlock()
	if err := b.check(); err != nil {
		return err
	}
	if s.leave(b, channel) {
		return s.broker.Mute(ctx, channel)
	}
	return nil
}

// ListenPattern implements hub.PatternBroker.
func (b *SharedBroker) ListenPattern(ctx context.Context, pattern string) error {
	s := b.shared
	below, ok := s.broker.(hub.PatternBroker)
	if !ok {
		return hub.ErrNotSupported
	}
	s.listening.Lock()
	defer s.listening.Unlock()
	if err := b.check(); err != nil {
		return err
	}
	if _, ok := b.patterns[pattern]; ok {
		return nil
	}
	s.mu.Lock()
	s.patterns.Add(pattern, b)
	s.mu.Unlock()
	b.patterns[pattern] = struct{}{}
	return below.ListenPattern(ctx, pattern)
}

// MutePattern implements hub.PatternBroker.
func (b *SharedBroker) MutePattern(ctx context.Context, pattern string) error {
	s := b.shared
	below, ok := s.broker.(hub.PatternBroker)
	if !ok {
		return hub.ErrNotSupported
	}
	s.listening.Lock()
	defer s.listening.Unlock()
	if err := b.check(); err != nil {
		return err
	}
	if _, ok := b.patterns[pattern]; !ok {
		return nil
	}
	return b.leavePattern(ctx, below, pattern)
}

// leavePattern ends a pattern; listening is held.
func (b *SharedBroker) leavePattern(ctx context.Context, below hub.PatternBroker, pattern string) error {
	delete(b.patterns, pattern)
	s := b.shared
	s.mu.Lock()
	s.patterns.Remove(pattern, b)
	brokers := slices.Clone(s.brokers)
	s.mu.Unlock()
	if slices.ContainsFunc(brokers, func(other *SharedBroker) bool { _, ok := other.patterns[pattern]; return ok }) {
		return nil
	}
	return below.MutePattern(ctx, pattern)
}

// Clear implements hub.ClearingBroker.
func (b *SharedBroker) Clear(ctx context.Context, channel string) error {
	if err := b.check(); err != nil {
		return err
	}
	if below, ok := b.shared.broker.(hub.ClearingBroker); ok {
		return below.Clear(ctx, channel)
	}
	return hub.ErrNotSupported
}

// List implements hub.ListingBroker.
func (b *SharedBroker) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	if below, ok := b.shared.broker.(hub.ListingBroker); ok {
		return below.List(ctx, q)
	}
	return nil, nil
}

// Close implements hub.Broker. The broker below stays.
func (b *SharedBroker) Close() error {
	s := b.shared
	s.listening.Lock()
	defer s.listening.Unlock()
	if b.isClosed.Swap(true) {
		return hub.ErrClosed
	}
	b.delivers.Lock() // no delivery goes on
	wasOpen := b.isOpen.Swap(false)
	b.delivers.Unlock()
	s.mu.Lock()
	close(b.closing)
	s.brokers = slices.DeleteFunc(s.brokers, func(other *SharedBroker) bool { return other == b })
	var muted []string
	for channel, listeners := range s.channels {
		if _, ok := listeners[b]; ok {
			muted = append(muted, channel)
		}
	}
	for topic := range s.hearings {
		s.hearings[topic] = slices.DeleteFunc(s.hearings[topic], func(h *hearing) bool { return h.of == b })
	}
	s.mu.Unlock()
	ctx := context.Background()
	for _, channel := range muted {
		if s.leave(b, channel) {
			_ = s.broker.Mute(ctx, channel) // the broker below may be closed
		}
	}
	if below, ok := s.broker.(hub.PatternBroker); ok && wasOpen {
		for pattern := range b.patterns {
			_ = b.leavePattern(ctx, below, pattern)
		}
	}
	b.hears.Wait()
	return nil
}
