package natsbroker

import (
	"context"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go"
)

// deliverLoop takes what subscriptions are sent.
func (b *Broker) deliverLoop(waiting <-chan *nats.Msg) {
	b.each(waiting, b.arrived)
}

// arrived takes a message of the stream that is sent to subscribers.
func (b *Broker) arrived(m *nats.Msg) {
	channel, err := ParseSubject(m.Subject[min(len(b.names.out), len(m.Subject)):])
	if err != nil {
		return // it is of no channel
	}
	a, err := parseArrival(m)
	if err != nil {
		b.log.Error("natsbroker: what came is not from the stream; does anybody else publish below "+b.names.out+"?", "subject", m.Subject, "error", err)
		return
	}
	s := b.shard(channel)
	s.mu.Lock()
	t := s.trackers[channel]
	if t == nil {
		if t = b.followed(s, channel); t == nil {
			s.mu.Unlock()
			return
		}
	}
	if len(t.held) >= heldMax {
		t.overflow = true
	} else {
		t.held = append(t.held, a)
	}
	if t.busy {
		s.mu.Unlock()
		return
	}
	t.busy = true
	s.mu.Unlock()
	b.deliver(s, t)
}

// followed begins to follow a channel that a pattern matches, nil if none does; the lock
// of its shard is held.
func (b *Broker) followed(s *shard, channel string) *tracker {
	if !b.patterns.matches(channel) {
		return nil
	}
	if b.unlisted.Add(1) > unlistedMax {
		for _, t := range s.trackers { // any: that it is known matters for a loss alone
			if t.sub == nil && t.asking == 0 && !t.busy && len(t.held) == 0 {
				b.unlisted.Add(-1)
				b.drop(s, t)
				break
			}
		}
	}
	t := b.newTracker(channel)
	s.trackers[t.channel] = t
	return t
}

func parseArrival(m *nats.Msg) (arrival, error) {
	s, err := parseStored(m)
	if err != nil {
		return arrival{}, err
	}
	before, err := strconv.ParseUint(m.Header.Get(headerPrevious), 10, 64)
	return arrival{s, before}, err
}

// deliver delivers the held publications of a channel, and makes it not busy. The caller has made
// it busy. A channel that has lost something goes on in a goroutine of its own, which
// reads it first. What is not known to be of the era waits for confirm.
func (b *Broker) deliver(s *shard, t *tracker) {
	for {
		s.mu.Lock()
		if t.gone || b.isClosed() || !b.isConfirmed() {
			t.busy = false
			s.mu.Unlock()
			return
		}
		if t.overflow || t.suspect {
			s.mu.Unlock()
			b.kept.Go(func() { b.repair(s, t) })
			return
		}
		if len(t.held) == 0 {
			t.held, t.busy = nil, false
			s.mu.Unlock()
			return
		}
		a := t.held[0]
		now := b.era.Load()
		if isNext, isOld := t.judge(&a, now, b.isDoubted()); isOld {
			t.held = t.held[1:]
			s.mu.Unlock()
		} else if !isNext {
			s.mu.Unlock()
			b.kept.Go(func() { b.repair(s, t) })
			return
		} else {
			t.held = t.held[1:]
			b.hand(s, t, now, &a.stored, a.before)
		}
	}
}

// judge says whether a message is the next one of its channel. With a doubt something may
// have been lost on the way to this node.
func (t *tracker) judge(a *arrival, now *era, isDoubted bool) (isNext, isOld bool) {
	switch {
	case a.seq <= t.last || a.seq <= now.base:
		return false, true
	case t.place != placeLast:
		return true, false // nothing is known of the one before
	case a.before <= now.base:
		return !isDoubted, false // the stream holds none before it, any more
	}
	return a.before <= t.last, false
}

// hand gives a message to the receiver. The lock of the shard is held, and is given back
// meanwhile.
func (b *Broker) hand(s *shard, t *tracker, now *era, m *stored, before uint64) {
	previous := before
	switch {
	case before != 0 && before == t.last && t.place == placeLast:
		previous = t.previous // which is not before where that is no publication
	case before <= now.base:
		previous = 0
	}
	t.last, t.previous, t.place = m.seq, m.offset(), placeLast
	s.mu.Unlock()
	now.saw(m.seq)
	if !m.meta.isMark && !b.isClosed() {
		b.receiver.Receive(b.publication(now, t.channel, m, previous))
	}
}

// repair reads what a channel has lost, delivers it, and goes on delivering.
func (b *Broker) repair(s *shard, t *tracker) {
	select {
	case b.repairs <- struct{}{}:
		defer func() { <-b.repairs }()
	case <-b.stop.Done():
		return
	}
	s.mu.Lock()
	from, _ := t.start()
	t.overflow, t.suspect = false, false
	s.mu.Unlock()
	top, err := b.readLost(s, t, from)
	switch {
	case err == nil || errors.Is(err, errEraChanged) || b.isClosed():
	case errors.Is(err, errMoved):
		s.mu.Lock()
		t.suspect = true // once more, when that is known
		s.mu.Unlock()
	default:
		// The subscribers read it, each for itself; and the channel goes on.
		// There may be many channels, so one of them is a matter of detail.
		b.log.Debug("natsbroker: what a channel has lost could not be read; its subscribers read it themselves", "channel", t.channel, "error", err)
		b.receiver.Lost(t.channel)
		s.mu.Lock()
		switch start, _ := t.start(); {
		case errors.Is(err, errHoles):
			if t.last < top.seq {
				t.last, t.previous, t.place = top.seq, top.offset(), placeLast
			}
		case len(t.held) > 0 && start == from:
			t.last, t.previous, t.place = t.held[0].before, t.held[0].before, placeLast
		}
		s.mu.Unlock()
	}
	b.deliver(s, t)
}

// errEraChanged ends reading: all subscribers are told.
var errEraChanged = errors.New("natsbroker: the epoch has changed meanwhile")

// errMoved ends reading: what was read may be of another epoch.
var errMoved = errors.New("natsbroker: the connection was made again meanwhile")

// errHoles is the end of reading what the stream does not hold any more.
var errHoles = errors.New("it is not held any more")

// readLost reads what came after from and delivers it. It returns what was the newest
// message before.
func (b *Broker) readLost(s *shard, t *tracker, from uint64) (top *stored, err error) {
	ctx, cancel := context.WithTimeout(b.stop, repairTime)
	defer cancel()
	now, err := b.await(ctx)
	if err != nil {
		return nil, err
	}
	dialed := b.dialed.Load()
	top, err = b.newest(ctx, t.subject)
	if err != nil || top == nil || top.seq <= from {
		return top, err
	}
	isFirst, before := true, from
	for next := max(from, now.base+1); ; {
		list, left, err := b.get(ctx, getRequest{Seq: next, NextFor: t.subject, Batch: batchMax, MaxBytes: batchBytesMax})
		if err != nil {
			return top, err
		}
		for i := range list {
			m := &list[i]
			next = m.seq + 1
			if m.seq <= from {
				isFirst = false // it is held, and all that came after it
				continue
			}
			if isFirst {
				isFirst = false
				if err := b.checkHole(ctx, from, m); err != nil {
					return top, err
				}
			}
			s.mu.Lock()
			switch {
			case b.era.Load() != now:
				s.mu.Unlock()
				return top, errEraChanged
			case !b.holds(now, dialed):
				s.mu.Unlock()
				return top, errMoved
			case t.gone || m.seq <= t.last:
				s.mu.Unlock()
			default:
				b.hand(s, t, now, m, before)
			}
			before = m.seq
		}
		switch {
		case next > top.seq:
			return top, nil
		case left > 0:
		case len(list) == 0 || next <= top.seq:
			// This server is behind.
			if err := b.pause(ctx, staleWait); err != nil {
				return top, err
			}
		}
	}
}

// checkHole returns an error if the stream may have held something between from and m.
func (b *Broker) checkHole(ctx context.Context, from uint64, m *stored) error {
	if m.seq == from+1 || m.meta.isMark && m.meta.top <= from {
		return nil
	}
	s, err := b.state(ctx)
	if err != nil {
		return err
	}
	if from+1 < s.first || m.meta.count == 0 {
		return errHoles
	}
	return nil
}
