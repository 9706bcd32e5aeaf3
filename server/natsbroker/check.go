package natsbroker

import (
	"context"
	"slices"
	"sync"
	"time"
)

// The newest message of a channel has no successor that would betray its loss. So
// channels are looked at: after whatever could have lost something, and from time to
// time.
//
//	beacon ─► stream: its number is a moment that everything is compared with
//	the newest of 1000 subjects each, if it is newer than when they were looked at last,
//	and the beacon: a server that does not have it yet is asked again
//	what was not delivered after a while is read

const (
	staleWait   = 20 * time.Millisecond
	repairTime  = 30 * time.Second
	settleTime  = 200 * time.Millisecond // for publications on their way
	freshTime   = time.Second            // for interest to spread in a cluster
	beaconBytes = 256 << 10              // subjects in a request
)

// suspect notes that something may have been lost on the way to this node.
func (b *Broker) suspect() {
	b.doubts.Add(1)
	b.patterns.mu.Lock()
	defer b.patterns.mu.Unlock()
	b.patterns.suspect = true
}

// isDoubted reports whether something may have been lost on the way to this node and was
// not looked for yet.
func (b *Broker) isDoubted() bool { return b.doubts.Load() != b.settled.Load() }

// checkLoop looks at channels when that is due, or asked for.
func (b *Broker) checkLoop() {
	tick := time.NewTicker(b.options.CheckInterval)
	defer tick.Stop()
	for {
		wait, onlyFresh := settleTime, false
		select {
		case <-b.stop.Done():
			return
		case <-tick.C:
		case <-b.checking:
		case <-b.fresh:
			wait, onlyFresh = freshTime, true
		}
		ctx, cancel := context.WithTimeout(b.stop, 2*repairTime)
		if err := b.check(ctx, wait, onlyFresh); err != nil && !b.isClosed() {
			b.log.Warn("natsbroker: looking for lost publications failed; it is tried again", "error", err)
			if b.pause(b.stop, time.Second) == nil {
				nudge(b.checking)
			}
		}
		cancel()
	}
}

// suspicion is a channel of which something newer is held than was delivered.
type suspicion struct {
	t   *tracker
	seq uint64
}

// check looks at everything that is followed, or at what has not been looked at since it
// is.
func (b *Broker) check(ctx context.Context, wait time.Duration, onlyFresh bool) error {
	if doubts := b.doubts.Load(); b.isIdle() {
		b.settled.Store(doubts)
		return nil
	}
	now, err := b.await(ctx)
	if err != nil {
		return err
	}
	if err := b.pause(ctx, wait); err != nil {
		return err
	}
	doubts := b.doubts.Load() // a later loss is another one
	until, err := b.beacon(ctx)
	if err != nil {
		return err
	}
	found, err := b.findLost(ctx, now, until, onlyFresh)
	if err == nil {
		err = b.replayPatterns(ctx, now, until)
	}
	if err != nil {
		return err
	}
	if len(found) > 0 {
		if err := b.pause(ctx, settleTime); err != nil {
			return err
		}
	}
	if b.era.Load() != now {
		return nil // everything was begun anew
	}
	for _, f := range found {
		b.recheck(f)
	}
	if !onlyFresh {
		b.settled.Store(doubts)
	}
	return nil
}

// beacon returns the number of a beacon that nothing is behind now. While nothing is
// published one is enough, for all nodes.
func (b *Broker) beacon(ctx context.Context) (seq uint64, err error) {
	newest, err := b.newest(ctx, b.names.beacon)
	if err != nil {
		return 0, err
	}
	s, err := b.state(ctx)
	if err != nil || newest != nil && newest.seq == s.last {
		return s.last, err
	}
	err = b.persist(ctx, func() (err error) {
		seq, err = b.putBeacon(ctx)
		return err
	})
	return seq, err
}

// proofs are beacons for clients that show positions ahead of what was read.
type proofs struct {
	mu   sync.Mutex // guards what follows, and is held while a beacon is put
	era  *era
	seq  uint64
	last time.Time
}

// proofInterval is between two of them: anybody can show any position.
const proofInterval = 100 * time.Millisecond

// until returns the number of a beacon that is behind seq, or a new one.
func (p *proofs) until(ctx context.Context, b *Broker, seq uint64) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := b.era.Load()
	if p.era != now {
		p.era, p.seq = now, 0
	}
	if p.seq >= seq {
		return p.seq, nil
	}
	if err := b.pause(ctx, proofInterval-time.Since(p.last)); err != nil {
		return 0, err
	}
	err := b.persist(ctx, func() (err error) {
		p.seq, err = b.putBeacon(ctx)
		return err
	})
	p.last = time.Now()
	raise(&now.known, p.seq)
	return p.seq, err
}

// provenNewest is newest from a server that has everything up to seq, if the stream
// has come so far.
func (b *Broker) provenNewest(ctx context.Context, subject string, seq uint64) (*stored, error) {
	until, err := b.proofs.until(ctx, b, seq)
	if err != nil {
		return nil, err
	}
	for {
		list, _, err := b.get(ctx, getRequest{MultiLast: []string{subject, b.names.beacon}})
		if err != nil {
			return nil, err
		}
		var top *stored
		isProven := false
		for i := range list {
			switch m := &list[i]; m.subject {
			case subject:
				top = m
			case b.names.beacon:
				isProven = m.seq >= until
			}
		}
		if isProven {
			return top, nil
		}
		if err := b.pause(ctx, staleWait); err != nil {
			return nil, err
		}
	}
}

// start is what a repair begins behind, if that is known.
func (t *tracker) start() (seq uint64, isKnown bool) {
	switch t.place {
	case placeBase:
		return t.base, true
	case placeLast:
		return t.last, true
	}
	return 0, false
}

// isIdle reports whether nothing is followed.
func (b *Broker) isIdle() bool {
	b.patterns.mu.RLock()
	n := len(b.patterns.set)
	b.patterns.mu.RUnlock()
	for i := range b.shards {
		if n > 0 {
			return false
		}
		s := &b.shards[i]
		s.mu.Lock()
		n = len(s.trackers)
		s.mu.Unlock()
	}
	return n == 0
}

// recheck has a channel repaired if its held publications have still not come.
func (b *Broker) recheck(f suspicion) {
	s, t := b.shard(f.t.channel), f.t
	s.mu.Lock()
	if start, isKnown := t.start(); t.gone || !isKnown || start >= f.seq {
		s.mu.Unlock()
		return
	}
	t.suspect = true
	if t.busy {
		s.mu.Unlock()
		return
	}
	t.busy = true
	s.mu.Unlock()
	b.deliver(s, t)
}

// looked is a channel that is to be looked at.
type looked struct {
	t             *tracker
	subject       string
	last, checked uint64
}

// findLost asks for publications newer than the delivered ones.
func (b *Broker) findLost(ctx context.Context, now *era, until uint64, onlyFresh bool) (found []suspicion, err error) {
	var all []looked
	b.eachTracker(func(t *tracker) {
		if start, isKnown := t.start(); isKnown && (!onlyFresh || t.fresh) {
			all = append(all, looked{t, t.subject, start, t.checked})
		}
		t.fresh = false
	})
	// Those that were looked at last are asked about together, so that little is sent.
	slices.SortFunc(all, func(a, c looked) int {
		switch {
		case a.checked < c.checked:
			return -1
		case a.checked > c.checked:
			return 1
		}
		return 0
	})
	for len(all) > 0 {
		n, bytes := 0, 0
		for n < len(all) && n < lookedAtMax && bytes < beaconBytes {
			bytes += len(all[n].subject)
			n++
		}
		some := all[:n]
		all = all[n:]
		newer, err := b.newerThan(ctx, some, until)
		if err != nil {
			return nil, err
		}
		for i := range some {
			one := &some[i]
			if seq := newer[one.subject]; seq > one.last {
				found = append(found, suspicion{one.t, seq})
			}
		}
		b.noteChecked(some, now, until)
	}
	return found, nil
}

func (b *Broker) noteChecked(some []looked, now *era, until uint64) {
	for i := range some {
		t := some[i].t
		s := b.shard(t.channel)
		s.mu.Lock()
		if b.era.Load() == now {
			t.checked = max(t.checked, until)
		}
		s.mu.Unlock()
	}
}

// newerThan returns the newest message of each of some subjects that have one behind
// where they were checked.
func (b *Broker) newerThan(ctx context.Context, some []looked, until uint64) (map[string]uint64, error) {
	subjects := make([]string, 0, len(some)+1)
	from := until
	for i := range some {
		subjects = append(subjects, some[i].subject)
		from = min(from, some[i].checked+1)
	}
	subjects = append(subjects, b.names.beacon)
	for {
		list, _, err := b.get(ctx, getRequest{Seq: from, MultiLast: subjects})
		if err != nil {
			return nil, err
		}
		newer := make(map[string]uint64, len(list))
		for i := range list {
			newer[list[i].subject] = list[i].seq
		}
		if newer[b.names.beacon] >= until {
			return newer, nil
		}
		if err := b.pause(ctx, staleWait); err != nil { // this server is behind
			return nil, err
		}
	}
}

// replayPatterns reads what was published in channels that patterns match, if something
// may have been lost: those channels may not be known yet.
func (b *Broker) replayPatterns(ctx context.Context, now *era, until uint64) error {
	p := &b.patterns
	p.mu.Lock()
	isSuspect := p.suspect
	p.suspect = false
	all := make([]*pattern, 0, len(p.set))
	for _, one := range p.set {
		all = append(all, one)
	}
	p.mu.Unlock()
	for _, one := range all {
		if isSuspect || b.isClustered() && !one.wasReplayed {
			if err := b.replay(ctx, one, until); err != nil {
				b.suspect()
				return err
			}
		}
		p.mu.Lock()
		if b.era.Load() == now {
			one.checked = max(one.checked, until)
		}
		one.wasReplayed = true
		p.mu.Unlock()
	}
	return nil
}

func (b *Broker) replay(ctx context.Context, one *pattern, until uint64) error {
	b.patterns.mu.RLock()
	from, n := one.checked+1, 0
	b.patterns.mu.RUnlock()
	for from <= until {
		list, left, err := b.get(ctx, getRequest{Seq: from, NextFor: one.subject, Batch: batchMax, MaxBytes: batchBytesMax})
		if err != nil {
			return err
		}
		if n += len(list); n > replayMax || uint64(n)+left > replayMax {
			b.log.Warn("natsbroker: too much was published while the connection was broken; subscribers read histories", "pattern", one.access.String())
			b.receiver.Lost("")
			return nil
		}
		for i := range list {
			from = list[i].seq + 1
			if list[i].seq <= until {
				b.replayed(&list[i], one)
			}
		}
		if left == 0 {
			// A server that is behind has less; then the checks of channels find it.
			return nil
		}
	}
	return nil
}

// replayed delivers a message as if it came now, unless the channel is known: then it is
// repaired if it has not come.
func (b *Broker) replayed(m *stored, one *pattern) {
	channel, err := ParseSubject(m.subject[len(b.names.in):])
	if err != nil || !one.access.Matches(channel, "") {
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
		t.last, t.place = m.seq-1, placeLast // what was before has been delivered, or comes before
	}
	if t.last >= m.seq {
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	b.recheck(suspicion{t, m.seq})
}
