package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// Broker is a hub.Broker: a membroker, until it is moved to another process. All methods
// are safe for concurrent use.
type Broker struct {
	local    *membroker.Broker
	receiver hub.Receiver // set by Start, before anything is delivered

	careful atomic.Bool             // it may wait
	away    atomic.Pointer[remote]  // where it has moved to; nil: nowhere
	house   atomic.Pointer[hosting] // nil: no guest is hosted

	mu     sync.Mutex // guards what follows
	move   *Move      // nil: it is not moving
	closed bool
}

// It forwards everything that a hub can ask of a membroker.
var (
	_ hub.ImmediateBroker = (*Broker)(nil)
	_ hub.PatternBroker   = (*Broker)(nil)
	_ hub.ClearingBroker  = (*Broker)(nil)
	_ hub.ListingBroker   = (*Broker)(nil)
	_ hub.TransientBroker = (*Broker)(nil)
	_ hub.HealthBroker    = (*Broker)(nil)
)

// New returns a Broker that keeps everything in local, which it closes with itself.
func New(local *membroker.Broker) *Broker { return &Broker{local: local} }

// Start implements hub.Broker.
func (b *Broker) Start(r hub.Receiver) error {
	if r != nil {
		b.receiver = r
		return b.local.Start(fan{b})
	}
	return b.local.Start(nil)
}

// fan is the Receiver of deliveries, for the hub here and a guest.
type fan struct{ *Broker }

// Receive implements hub.Receiver.
func (f fan) Receive(p *hub.Publication) {
	f.receiver.Receive(p)
	if h := f.house.Load(); h != nil {
		h.guest.receive(p)
	}
}

// Lost implements hub.Receiver.
func (f fan) Lost(channel string) {
	f.receiver.Lost(channel)
	if h := f.house.Load(); h != nil {
		h.guest.lose(channel)
	}
}

// IsImmediate implements hub.ImmediateBroker: it never waits until it moves.
func (b *Broker) IsImmediate() bool { return !b.careful.Load() }

// Publish implements hub.Broker. While the Broker moves, publications wait; the
// membroker itself puts them aside, so that nothing is checked here before.
func (b *Broker) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	b.local.Publish(m, r, to, ticket)
}

// Listen implements hub.Broker.
func (b *Broker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	return b.listenFor(ctx, ours, channel)
}

// Mute implements hub.Broker.
func (b *Broker) Mute(ctx context.Context, channel string) error {
	return b.muteFor(ctx, ours, channel)
}

// ListenPattern implements hub.PatternBroker.
func (b *Broker) ListenPattern(ctx context.Context, pattern string) error {
	return b.listenPatternFor(ctx, ours, pattern)
}

// MutePattern implements hub.PatternBroker.
func (b *Broker) MutePattern(ctx context.Context, pattern string) error {
	return b.muteFor(ctx, ours, pattern)
}

// listener is where the histories are: the membroker here, or a remote.
type listener interface {
	Listen(ctx context.Context, channel string) (hub.Position, error)
	Mute(ctx context.Context, channel string) error
	ListenPattern(ctx context.Context, pattern string) error
	MutePattern(ctx context.Context, pattern string) error
}

// listener returns r, or the membroker if that is nil.
func (b *Broker) listener(r *remote) listener {
	if r != nil {
		return r
	}
	return b.local
}

// want notes that the hub here listens, or the guest, where there is one.
func (b *Broker) want(ctx context.Context, who party, name string) error {
	if h := b.house.Load(); h != nil {
		return h.want(ctx, who, name)
	}
	return nil
}

// listenFor listens to a channel for the hub here, or for the guest.
func (b *Broker) listenFor(ctx context.Context, who party, channel string) (top hub.Position, err error) {
	if err := b.want(ctx, who, channel); err != nil {
		return top, err
	}
	err = b.anywhere(ctx, func(r *remote) error {
		top, err = b.listener(r).Listen(ctx, channel)
		return err
	})
	return top, err
}

// listenPatternFor listens to a pattern for the hub here, or for the guest.
func (b *Broker) listenPatternFor(ctx context.Context, who party, pattern string) error {
	if err := b.want(ctx, who, pattern); err != nil {
		return err
	}
	return b.anywhere(ctx, func(r *remote) error { return b.listener(r).ListenPattern(ctx, pattern) })
}

// muteFor mutes a channel or a pattern for the hub here, or for the guest: the other one
// may listen still.
func (b *Broker) muteFor(ctx context.Context, who party, name string) error {
	h := b.house.Load()
	if h != nil && !h.leave(who, name) {
		return nil
	}
	err := b.anywhere(ctx, func(r *remote) error {
		if hub.IsPattern(name) {
			return b.listener(r).MutePattern(ctx, name)
		}
		return b.listener(r).Mute(ctx, name)
	})
	if h != nil {
		h.left(name)
	}
	return err
}

// anywhere calls ask where the histories are: with nil here. While they are on their way,
// it waits.
func (b *Broker) anywhere(ctx context.Context, ask func(*remote) error) error {
	for {
		if r := b.away.Load(); r != nil {
			return ask(r)
		}
		if err := ask(nil); !errors.Is(err, membroker.ErrFrozen) {
			return err
		}
		b.mu.Lock()
		move := b.move
		b.mu.Unlock()
		if move == nil {
			continue // it has been decided
		}
		select {
		case <-move.decided:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// History implements hub.Broker.
func (b *Broker) History(ctx context.Context, channel string, q hub.Query) (page hub.Page, err error) {
	err = b.anywhere(ctx, func(r *remote) error {
		if r != nil {
			page, err = r.History(ctx, channel, q)
		} else {
			page, err = b.local.History(ctx, channel, q)
		}
		return err
	})
	return page, err
}

// Began implements hub.TransientBroker. It is the same wherever the histories are.
func (b *Broker) Began() time.Time { return b.local.Began() }

// Clear implements hub.ClearingBroker.
func (b *Broker) Clear(ctx context.Context, channel string) error {
	return b.anywhere(ctx, func(r *remote) error {
		if r != nil {
			return r.Clear(ctx, channel)
		}
		return b.local.Clear(ctx, channel)
	})
}

// List implements hub.ListingBroker.
func (b *Broker) List(ctx context.Context, q hub.ListQuery) (list []hub.ChannelInfo, err error) {
	err = b.anywhere(ctx, func(r *remote) error {
		if r != nil {
			list, err = r.List(ctx, q)
		} else {
			list, err = b.local.List(ctx, q)
		}
		return err
	})
	return list, err
}

// Health implements hub.HealthBroker.
func (b *Broker) Health(ctx context.Context) error {
	return b.anywhere(ctx, func(r *remote) error {
		if r != nil {
			return r.Health(ctx)
		}
		return b.local.Health(ctx)
	})
}

// Stats returns the Stats of the membroker, zero once it has moved.
func (b *Broker) Stats() membroker.Stats { return b.local.Stats() }

// Close implements hub.Broker. A move under way is aborted.
func (b *Broker) Close() error {
	b.mu.Lock()
	move, closed := b.move, b.closed
	b.closed = true
	b.mu.Unlock()
	if closed {
		return hub.ErrClosed
	}
	if move != nil {
		move.Abort()
	}
	if r := b.away.Load(); r != nil {
		r.close()
	}
	if h := b.house.Load(); h != nil {
		h.guest.line.close()
		<-h.done
	}
	return b.local.Close()
}

// Restore takes over what another Broker has written, see membroker.Broker.Restore.
func (b *Broker) Restore(r io.Reader) error { return b.local.Restore(r) }
