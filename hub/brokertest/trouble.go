package brokertest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Method names a method of hub.Broker that Trouble can be made for.
type Method string

const (
	Publish Method = "Publish"
	Listen  Method = "Listen"
	Mute    Method = "Mute"
	History Method = "History"
	List    Method = "List"
)

// Trouble is what happens to the calls of a method. The zero Trouble is none.
//
// For Publish, Until, Delay, Twice and Reversed are about the outcome: the
// message is accepted, and delivered, at once.
type Trouble struct {
	Until <-chan struct{} // the call takes until this is closed, or its context ends
	Delay time.Duration   // and then so long, or until its context ends
	Err   error           // and has this error. Nothing is published, or read, then

	Panics bool // instead of Err: it panics, and Publish does so at once

	Twice    bool // the outcome of Publish is given twice
	Reversed bool // of the outcomes of a channel that wait, the newest is given first
}

// Troubled is a Broker that does as well as another one, but for the trouble that
// a test makes. It may wait, so a hub never calls it in a goroutine of its
// caller, and it can be used in a bubble of testing/synctest. All methods are safe
// for concurrent use.
type Troubled struct {
	inner hub.Broker
	wg    sync.WaitGroup // outcomes under way

	mu       sync.Mutex // guards what follows
	receiver hub.Receiver
	trouble  map[place]Trouble
	waiting  map[string][]func() // outcomes of Publish by channel, oldest first
	closed   chan struct{}       // closed by Close
	isClosed bool
}

type place struct {
	method  Method
	channel string
}

// NewTroubled returns a Broker on inner without any trouble yet. It closes inner
// with itself.
func NewTroubled(inner hub.Broker) *Troubled {
	return &Troubled{inner: inner, trouble: make(map[place]Trouble), waiting: make(map[string][]func()), closed: make(chan struct{})}
}

// Make makes trouble for the calls of a method in a channel, from now on; an empty
// name is for every channel that has no trouble of its own. It replaces the trouble made
// there before, also by none: Make(m, c, Trouble{}) mends it. Calls under
// way keep theirs.
func (b *Troubled) Make(method Method, channel string, t Trouble) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble[place{method, channel}] = t
}

// Lose says that deliveries of a channel were lost, see hub.Receiver.
func (b *Troubled) Lose(channel string) {
	b.mu.Lock()
	r := b.receiver
	b.mu.Unlock()
	r.Lost(channel)
}

func (b *Troubled) of(method Method, channel string) Trouble {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t, ok := b.trouble[place{method, channel}]; ok {
		return t
	}
	return b.trouble[place{method, ""}]
}

// wait takes as long as t says.
func (b *Troubled) wait(ctx context.Context, t Trouble) error {
	if t.Until != nil {
		select {
		case <-t.Until:
		case <-ctx.Done():
			return ctx.Err()
		case <-b.closed:
			return hub.ErrClosed
		}
	}
	if t.Delay > 0 {
		timer := time.NewTimer(t.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-b.closed:
			return hub.ErrClosed
		}
	}
	if t.Panics {
		panic(trouble)
	}
	return t.Err
}

// trouble is what calls panic with.
const trouble = "brokertest: trouble was made"

// Start implements hub.Broker.
func (b *Troubled) Start(r hub.Receiver) error {
	b.mu.Lock()
	b.receiver = r
	b.mu.Unlock()
	return b.inner.Start(r)
}

// Publish implements hub.Broker.
func (b *Troubled) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	t := b.of(Publish, m.Channel)
	if t.Panics {
		panic(trouble)
	}
	if t == (Trouble{}) {
		b.inner.Publish(m, r, to, ticket)
		return
	}
	if t.Err != nil {
		b.answer(m.Channel, t, func() { to.Published(ticket, hub.Published{Err: t.Err}) })
		return
	}
	b.inner.Publish(m, r, completerFunc(func(p hub.Published) {
		b.answer(m.Channel, t, func() { to.Published(ticket, p) })
	}), ticket)
}

type completerFunc func(hub.Published)

func (c completerFunc) Published(_ uint64, p hub.Published) { c(p) }

// answer gives an outcome in its time, or when the broker is closed.
func (b *Troubled) answer(channel string, t Trouble, give func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[channel] = append(b.waiting[channel], give)
	in := func() {
		_ = b.wait(context.Background(), t)
		give := b.next(channel, t.Reversed)
		give()
		if t.Twice {
			give()
		}
	}
	if b.isClosed {
		go in() // it was refused, and no caller waits for a second outcome
		return
	}
	b.wg.Go(in)
}

// next takes out one of the outcomes that wait.
func (b *Troubled) next(channel string, newest bool) func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := b.waiting[channel]
	i := 0
	if newest {
		i = len(waiting) - 1
	}
	give := waiting[i]
	b.waiting[channel] = append(waiting[:i:i], waiting[i+1:]...)
	if len(b.waiting[channel]) == 0 {
		delete(b.waiting, channel)
	}
	return give
}

// Listen implements hub.Broker.
func (b *Troubled) Listen(ctx context.Context, channel string) (hub.Position, error) {
	if err := b.wait(ctx, b.of(Listen, channel)); err != nil {
		return hub.Position{}, err
	}
	return b.inner.Listen(ctx, channel)
}

// Mute implements hub.Broker.
func (b *Troubled) Mute(ctx context.Context, channel string) error {
	if err := b.wait(ctx, b.of(Mute, channel)); err != nil {
		return err
	}
	return b.inner.Mute(ctx, channel)
}

// ListenPattern implements hub.PatternBroker, if inner does. Its trouble is that of
// Listen, for the pattern in the place of a channel.
func (b *Troubled) ListenPattern(ctx context.Context, pattern string) error {
	inner, ok := b.inner.(hub.PatternBroker)
	if !ok {
		return hub.ErrNotSupported
	}
	if err := b.wait(ctx, b.of(Listen, pattern)); err != nil {
		return err
	}
	return inner.ListenPattern(ctx, pattern)
}

// MutePattern implements hub.PatternBroker, if inner does.
func (b *Troubled) MutePattern(ctx context.Context, pattern string) error {
	inner, ok := b.inner.(hub.PatternBroker)
	if !ok {
		return hub.ErrNotSupported
	}
	if err := b.wait(ctx, b.of(Mute, pattern)); err != nil {
		return err
	}
	return inner.MutePattern(ctx, pattern)
}

// List implements hub.ListingBroker, if inner does. Its trouble is that of every channel.
func (b *Troubled) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	inner, ok := b.inner.(hub.ListingBroker)
	if !ok {
		return nil, hub.ErrNotSupported
	}
	if err := b.wait(ctx, b.of(List, "")); err != nil {
		return nil, err
	}
	return inner.List(ctx, q)
}

// History implements hub.Broker. The page is what inner has when the trouble is over.
func (b *Troubled) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if err := b.wait(ctx, b.of(History, channel)); err != nil {
		return hub.Page{}, err
	}
	return b.inner.History(ctx, channel, q)
}

// Health implements hub.HealthBroker, if inner does.
func (b *Troubled) Health(ctx context.Context) error {
	if inner, ok := b.inner.(hub.HealthBroker); ok {
		return inner.Health(ctx)
	}
	return errors.ErrUnsupported
}

// Close implements hub.Broker. What waits ends.
func (b *Troubled) Close() error {
	b.mu.Lock()
	if !b.isClosed {
		b.isClosed = true
		close(b.closed)
	}
	b.mu.Unlock()
	err := b.inner.Close()
	b.wg.Wait()
	return err
}
