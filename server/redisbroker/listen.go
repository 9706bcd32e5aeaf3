package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/godwit-io/godwit/hub"
)

// Listen implements hub.Broker. It waits for Redis as long as ctx lasts.
func (b *Broker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	be, err := b.awaitBackend(ctx)
	if err != nil {
		return hub.Position{}, err
	}
	c, answer := b.deliveries.listen(be, channel)
	be.want(c.part, c.part.channelTopic(c.name), true, func(t *topic) { t.channel = c }, nil)
	select {
	case top := <-answer:
		return top, nil
	case <-ctx.Done():
		return hub.Position{}, b.lateError(ctx)
	case <-b.ctx.Done():
		return hub.Position{}, hub.ErrClosed
	}
}

// lateError is why something was not answered in time.
func (b *Broker) lateError(ctx context.Context) error {
	if b.stage.Load() == stageClosed {
		return hub.ErrClosed
	}
	if err := b.health.last(); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("redisbroker: not heard in time: %w", err)
	}
	return ctx.Err()
}

// Mute implements hub.Broker. It does not wait for Redis.
func (b *Broker) Mute(_ context.Context, channel string) error {
	if err := b.checkOpen(); err != nil {
		return err
	}
	be := b.backend.Load()
	if be == nil {
		return nil // nothing was listened to
	}
	part := be.partition(channel)
	b.deliveries.mute(channel)
	be.want(part, part.channelTopic(channel), false, nil, nil)
	return nil
}

// locate finds out where channels are that have just been subscribed to, or are in doubt. It
// reports false if Redis could not say it of some.
func (b *Broker) locate(ctx context.Context, be *backend, channels []*channel) bool {
	if len(channels) == 0 {
		return true
	}
	by := make(map[*partition][]*channel)
	for _, c := range channels {
		by[c.part] = append(by[c.part], c)
	}
	parts := make([]*partition, 0, len(by))
	for part := range by {
		parts = append(parts, part)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := b.each(parts, func(part *partition) error {
		all := by[part]
		for len(all) > 0 {
			n := min(len(all), topsMax)
			if err := b.locateSome(ctx, be, part, all[:n]); err != nil {
				return err
			}
			all = all[n:]
		}
		return nil
	})
	if err != nil {
		b.note(readError(ctx, err))
	}
	return err == nil
}

// locateSome asks for the newest positions of channels of a partition, and whether its
// epoch is of this server.
func (b *Broker) locateSome(ctx context.Context, be *backend, part *partition, channels []*channel) error {
	at, answer, err := b.ask(ctx, be, part, scriptTops, true, func(at *epoch) (keys, args []string) {
		for _, c := range channels {
			keys = append(keys, part.stream(at, c.name))
		}
		return keys, nil
	})
	if err != nil {
		return err
	}
	if len(answer) != len(channels)+1 {
		return errAnswer
	}
	ms, err := answer[0].AsInt64()
	if err != nil {
		return errAnswer
	}
	for i, c := range channels {
		offset, hasStream, err := parseTop(answer[i+1], ms)
		if err != nil {
			return err
		}
		b.deliveries.locate(be, c, hub.Position{Epoch: at.name, Offset: offset}, hasStream)
	}
	return nil
}

// parseTop is the newest offset of a stream. Where there is none it is one that a stream
// which begins from now on is above.
func parseTop(m rueidis.RedisMessage, ms int64) (offset uint64, hasStream bool, err error) {
	text, err := m.ToString()
	if err != nil {
		return 0, false, errAnswer
	}
	if text == "" {
		return placeOf(ms), false, nil
	}
	offset, err = strconv.ParseUint(text, 10, 64)
	return offset, true, err
}

// placeOf is where a channel without a stream is: the last full hour, so that it is the same
// for every node. A stream begins at the time in microseconds, which is above it. Real
// offsets can be such a number, too, but hardly ever are.
func placeOf(ms int64) uint64 { return uint64(1000*ms - 1000*ms%placeUnit) }

func isPlace(offset uint64) bool { return offset%placeUnit == 0 }

// locate is told where c is.
func (d *deliveries) locate(be *backend, c *channel, top hub.Position, hasStream bool) {
	isLost, again := false, false
	c.in.mu.Lock()
	if !c.known {
		switch {
		case c.last.IsZero() && !c.begin.IsZero():
			// Nothing has come since then.
			if isLost = c.begin.Epoch != top.Epoch || c.begin.Offset < top.Offset; isLost {
				c.last = top
			}
		case c.last.IsZero() && d.isMatched(c):
			// What a pattern is about and has not come yet is not to be passed over.
			c.begin = top
		case c.last.IsZero():
			c.last = top
		case c.last.Epoch != top.Epoch:
			isLost = true
			c.last, c.until = top, 0
		case hasStream && top.Offset > c.last.Offset:
			c.until = top.Offset
		case !hasStream && !isPlace(c.last.Offset):
			// It has expired, or somebody has deleted it.
			isLost = true
			c.last, c.until = top, 0
		case !hasStream && top.Offset > c.last.Offset:
			c.last = top
		}
		c.known = true
		again = c.dropForeign(d) || c.again
		if again {
			c.known, c.again = false, false
		}
	}
	if !again {
		for _, answer := range c.waiting {
			answer <- top
		}
		c.waiting = nil
	}
	d.activate(c)
	c.in.mu.Unlock()
	if isLost {
		d.b.receiver.Lost(c.name)
	}
	if again {
		d.relocate(c)
	}
}

// dropForeign drops the pending publications of other epochs than that of last, and reports whether
// there was something; the lock is held.
func (c *channel) dropForeign(d *deliveries) bool {
	n := 0
	for _, t := range c.pending {
		if t.epoch == c.last.Epoch || c.last.IsZero() {
			c.pending[n] = t
			n++
		} else {
			d.add(-t.bytes())
		}
	}
	dropped := n < len(c.pending)
	clear(c.pending[n:])
	c.pending = c.pending[:n]
	return dropped
}

// History implements hub.Broker.
func (b *Broker) History(ctx context.Context, name string, q hub.Query) (hub.Page, error) {
	be, err := b.awaitBackend(ctx)
	if err != nil {
		return hub.Page{}, err
	}
	page, err := b.history(ctx, be, name, q)
	if err != nil {
		return hub.Page{}, b.closed(readError(ctx, err))
	}
	return page, nil
}

func (b *Broker) history(ctx context.Context, be *backend, name string, q hub.Query) (hub.Page, error) {
	part := be.partition(name)
	after := q.Since // which goes on where nothing of an answer is held any more
	check := false
	var dropped time.Time // when what was read last and is not held was accepted
	for {
		at, answer, err := b.ask(ctx, be, part, scriptHistory, check, func(at *epoch) (keys, args []string) {
			since, last := "", max(q.Last, 0)
			if !after.IsZero() {
				last = 0
				if after.Epoch == at.name {
					since = strconv.FormatUint(after.Offset, 10)
				}
			}
			return []string{part.stream(at, name)}, []string{since, strconv.Itoa(last), strconv.Itoa(max(q.Limit, 0))}
		})
		if err != nil {
			return hub.Page{}, err
		}
		r, err := parseRead(answer, name, at.name)
		if err != nil {
			return hub.Page{}, err
		}
		if !check && q.Since.Epoch == at.name && r.isBehind(q.Since.Offset) {
			// A new master that lacks something may be in the epoch of the old one until somebody
			// has looked. Nothing must be answered in it then.
			check = true
			continue
		}
		if q.Since.IsZero() && q.Last > 0 {
			r.reverse()
		}
		r.dropped = dropped
		page, goOn := r.page(q, at)
		if !goOn {
			return page, nil
		}
		newest := r.entries[len(r.entries)-1].publication
		after, dropped = hub.Position{Epoch: at.name, Offset: newest.Position.Offset}, newest.Time
	}
}

// Clear implements hub.ClearingBroker.
func (b *Broker) Clear(ctx context.Context, name string) error {
	be, err := b.awaitBackend(ctx)
	if err != nil {
		return err
	}
	part := be.partition(name)
	_, _, err = b.ask(ctx, be, part, scriptClear, false, func(at *epoch) (keys, args []string) {
		return []string{part.stream(at, name)}, nil
	})
	return b.closed(readError(ctx, err))
}

var (
	_ hub.PatternBroker   = (*Broker)(nil)
	_ hub.BusBroker       = (*Broker)(nil)
	_ hub.ClearingBroker  = (*Broker)(nil)
	_ hub.ListingBroker   = (*Broker)(nil)
	_ hub.HealthBroker    = (*Broker)(nil)
	_ hub.TransientBroker = (*Broker)(nil)
)
