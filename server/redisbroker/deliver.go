package redisbroker

import (
	"bytes"
	"context"
	"hash/maphash"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// deliveries are what was heard, on its way to the Receiver. Lines only put it into the
// queue of its channel; workers take the channels in turn, one worker a channel at a time.
//
//	line ─► channel.pending ─► worker ─► Receiver
//	               │ something is missing
//	               └──► repairer: History ─► Receiver
type deliveries struct {
	b       *Broker
	seed    maphash.Seed
	shards  [shardCount]shard
	workers queue
	repairs queue

	queued  sync.Mutex // guards bytes
	drained *sync.Cond
	bytes   int64
}

const (
	shardCount  = 32
	repairCount = 16
)

type shard struct {
	mu       sync.Mutex // guards what follows, and the channels
	channels map[string]*channel
}

// channel is a channel that somebody listens to, or that a pattern is about and that was
// heard of lately.
type channel struct {
	name string
	part *partition
	in   *shard

	listening bool
	matched   verdict // whether a pattern is about it

	// last is the newest position that was delivered, or is not to be; zero if nothing is
	// known. While known is false it is to be compared with where the channel is.
	last  hub.Position
	known bool
	begin hub.Position // where the channel was at Listen, while last is zero because a pattern is about it
	again bool         // too much has come to wait until it was known
	until uint64       // what comes up to this offset is to be read, if it is above last

	pending []told
	busy    bool // it is a worker's, a repairer's or in one of their queues
	waiting []chan hub.Position
	heard   time.Time // when something came last
}

func (d *deliveries) init(b *Broker) {
	d.b, d.seed = b, maphash.MakeSeed()
	d.drained = sync.NewCond(&d.queued)
	d.workers.init()
	d.repairs.init()
	for i := range d.shards {
		d.shards[i].channels = make(map[string]*channel)
	}
}

func (d *deliveries) start() {
	for range max(2, runtime.GOMAXPROCS(0)) {
		d.workers.start()
	}
	for range repairCount {
		d.repairs.start()
	}
}

// release lets lines go on that wait until less is queued: the Broker is closed.
func (d *deliveries) release() {
	d.queued.Lock()
	d.bytes = -1 << 62
	d.queued.Unlock()
	d.drained.Broadcast()
}

// stop ends all deliveries and waits for those under way.
func (d *deliveries) stop() {
	d.workers.stop()
	d.repairs.stop()
}

func (d *deliveries) shard(name []byte) *shard {
	return &d.shards[maphash.Bytes(d.seed, name)%shardCount]
}

// hear is called by a line with each message.
func (b *Broker) hear(of *listener, topic, data []byte) {
	i := bytes.Index(topic, []byte("}:"))
	if i < 0 {
		return
	}
	rest := topic[i+2:]
	switch {
	case string(rest) == "a":
		b.hearAll(of, data)
	case len(rest) < 3 || rest[1] != ':':
	case rest[0] == 'c':
		b.deliveries.heard(of.be, rest[2:], data)
	case rest[0] == 'b':
		b.bus.heard(b, string(rest[2:]), data)
	case rest[0] == 'p':
		of.hearProbe(data)
	}
}

// hearAll is called with a message of the topic of all channels.
func (b *Broker) hearAll(of *listener, data []byte) {
	if name, data, ok := bytes.Cut(data, []byte{'\n'}); ok {
		b.deliveries.heard(of.be, name, data)
	}
}

// heard queues a publication of a channel, if anybody wants it.
func (d *deliveries) heard(be *backend, name, data []byte) {
	t, err := parseTold(data)
	if err != nil {
		d.b.note(err)
		return
	}
	s := d.shard(name)
	s.mu.Lock()
	c := s.channels[string(name)]
	if c == nil {
		if c = d.matching(be, s, name); c == nil {
			s.mu.Unlock()
			return
		}
	}
	c.heard = time.Now()
	if !c.known && (len(c.pending) >= unsyncedMax || d.isFull()) {
		d.forget(c)
		c.again = true
	} else {
		c.pending = append(c.pending, t)
		d.add(t.bytes())
	}
	d.activate(c)
	isKnown := c.known
	s.mu.Unlock()
	if isKnown {
		d.awaitRoom()
	}
}

// matching is the state of a channel that nobody listens to and a pattern is about, or nil;
// s.mu is held.
func (d *deliveries) matching(be *backend, s *shard, name []byte) *channel {
	matched := d.b.patterns.match(string(name))
	if !matched.is {
		return nil
	}
	c := &channel{name: string(name), part: be.partition(string(name)), in: s, known: true, matched: matched}
	s.channels[c.name] = c
	return c
}

// activate has a worker see to c, if there is something to do; the lock of its shard is held.
func (d *deliveries) activate(c *channel) {
	if !c.busy && c.known && (len(c.pending) > 0 || c.until > c.last.Offset) {
		c.busy = true
		d.workers.push(func() { d.run(c) })
	}
}

// The next step of a worker in a channel.
type step int

const (
	stepNone step = iota
	stepDeliver
	stepRepair
	stepLocate
)

// run delivers the pending publications of a channel, in order. Nothing else does.
func (d *deliveries) run(c *channel) {
	for {
		c.in.mu.Lock()
		batch, next := d.take(c)
		if next == stepNone || next == stepLocate {
			c.busy = false
		}
		c.in.mu.Unlock()
		for _, p := range batch {
			if d.b.stage.Load() == stageClosed {
				return
			}
			d.b.receiver.Receive(p)
		}
		switch next {
		case stepNone:
			return
		case stepRepair:
			d.repairs.push(func() { d.repair(c) })
			return
		case stepLocate:
			d.relocate(c)
			return
		}
	}
}

// take takes what can be delivered, and returns the next step; the lock is held.
func (d *deliveries) take(c *channel) (batch []*hub.Publication, next step) {
	if !d.isWanted(c) {
		d.forget(c)
		return nil, stepNone
	}
	if !c.known {
		return nil, stepNone // the goroutine that finds out where it is goes on
	}
	n := 0
	defer func() {
		for i := range n {
			d.add(-c.pending[i].bytes())
		}
		left := copy(c.pending, c.pending[n:])
		clear(c.pending[left:])
		if c.pending = c.pending[:left]; left == 0 && cap(c.pending) > 64 {
			c.pending = nil
		}
	}()
	if c.until > c.last.Offset {
		return nil, stepRepair
	}
	const most = 256 // before its lock is left
	for n < len(c.pending) && len(batch) < most {
		t := &c.pending[n]
		switch {
		case c.last.IsZero(): // the first publication that a pattern has brought
		case t.epoch != c.last.Epoch:
			c.known = false
			return batch, stepLocate
		case t.offset <= c.last.Offset:
			n++
			continue
		case t.offset > c.last.Offset+1 && !t.isFirst:
			c.until = t.offset - 1
			return batch, stepRepair
		}
		n++
		p, err := t.publication(c.name)
		c.last = p.Position
		if err != nil {
			d.b.note(err)
			continue // the hub finds that it is missing by the next one
		}
		batch = append(batch, p)
	}
	if n == 0 && len(batch) == 0 {
		return nil, stepNone
	}
	return batch, stepDeliver
}

// isWanted reports whether anybody wants the publications of c; the lock is held.
func (d *deliveries) isWanted(c *channel) bool {
	if c.listening {
		return true
	}
	isMatched := d.isMatched(c)
	if !isMatched && c.in.channels[c.name] == c {
		delete(c.in.channels, c.name)
	}
	return isMatched
}

// isMatched reports whether a pattern is about c; the lock is held.
func (d *deliveries) isMatched(c *channel) bool {
	if c.matched.of != d.b.patterns.generation.Load() {
		c.matched = d.b.patterns.match(c.name)
	}
	return c.matched.is
}

// forget drops the pending publications; the lock is held.
func (d *deliveries) forget(c *channel) {
	for i := range c.pending {
		d.add(-c.pending[i].bytes())
	}
	c.pending = nil
}

// listen makes c known, and returns where the answer of locate will be.
func (d *deliveries) listen(be *backend, name string) (*channel, chan hub.Position) {
	s := d.shard([]byte(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[name]
	if c == nil {
		name = strings.Clone(name) // it may be a part of a long request
		c = &channel{name: name, part: be.partition(name), in: s}
		s.channels[name] = c
	}
	c.listening = true
	answer := make(chan hub.Position, 1)
	c.waiting = append(c.waiting, answer)
	return c, answer
}

// mute ends what listen began.
func (d *deliveries) mute(name string) {
	s := d.shard([]byte(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[name]; c != nil {
		c.listening, c.waiting = false, nil
		if !d.isWanted(c) {
			d.forget(c)
			return
		}
		// Patterns hear everything, wherever the channel is.
		c.known, c.until, c.begin = true, 0, hub.Position{}
		d.activate(c)
	}
}

// doubt is called when something may have been missed of c.
func (d *deliveries) doubt(c *channel) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.listening {
		c.known = false
	}
}

// relocate has it found out where c is now.
func (d *deliveries) relocate(c *channel) {
	be := d.b.backend.Load()
	c.in.mu.Lock()
	listening := c.listening
	if !listening && c.in.channels[c.name] == c {
		delete(c.in.channels, c.name) // patterns know no position, and are told that all may be lost
		d.forget(c)
	}
	c.in.mu.Unlock()
	if listening {
		be.want(c.part, c.part.channelTopic(c.name), true, func(t *topic) { t.channel = c }, nil)
	} else {
		d.b.patterns.lose(d.b)
	}
}

// resync has it found out where all channels of a partition are.
func (d *deliveries) resync(be *backend, part *partition) {
	for i := range d.shards {
		s := &d.shards[i]
		var doubtful []*channel
		s.mu.Lock()
		for _, c := range s.channels {
			if c.part == part {
				c.known = false
				doubtful = append(doubtful, c)
			}
		}
		s.mu.Unlock()
		for _, c := range doubtful {
			d.relocate(c)
		}
	}
}

// sweep forgets channels that only patterns are about and that are quiet. Until then they are
// known so that the two copies of a publication, for the channel and for patterns, are
// delivered once.
func (d *deliveries) sweep(now time.Time) {
	const quiet = time.Minute
	d.forgetWhere(func(c *channel) bool { return now.Sub(c.heard) > quiet })
}

// forgetUnmatched forgets channels that no pattern is about any more.
func (d *deliveries) forgetUnmatched() {
	d.forgetWhere(func(c *channel) bool { return !d.isWanted(c) })
}

// forgetWhere forgets channels that nobody listens to and for which is reports true.
func (d *deliveries) forgetWhere(is func(*channel) bool) {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		for name, c := range s.channels {
			if !c.listening && !c.busy && is(c) {
				d.forget(c)
				delete(s.channels, name)
			}
		}
		s.mu.Unlock()
	}
}

// isLevel reports whether it is known of all channels where they are, and nothing is to be
// read of what was missed.
func (d *deliveries) isLevel() bool {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		for _, c := range s.channels {
			if c.listening && (!c.known || c.until > c.last.Offset) {
				s.mu.Unlock()
				return false
			}
		}
		s.mu.Unlock()
	}
	return true
}

// bytes is what a queued publication costs.
func (t *told) bytes() int64 { return int64(len(t.record)) + 96 }

// add counts queued bytes.
func (d *deliveries) add(n int64) {
	d.queued.Lock()
	d.bytes += n
	d.queued.Unlock()
	if n < 0 {
		d.drained.Broadcast()
	}
}

func (d *deliveries) isFull() bool {
	d.queued.Lock()
	defer d.queued.Unlock()
	return d.bytes > queuedBytesMax
}

// awaitRoom waits until less is queued.
func (d *deliveries) awaitRoom() {
	d.queued.Lock()
	defer d.queued.Unlock()
	for d.bytes > queuedBytesMax {
		d.drained.Wait()
	}
}

// repair reads the missing publications of a channel, once for all that listen, and goes on
// with the pending ones.
func (d *deliveries) repair(c *channel) {
	ctx, cancel := context.WithTimeout(d.b.ctx, 4*callTimeout)
	defer cancel()
	for pause := retryMin; ; {
		c.in.mu.Lock()
		from, until, isWanted := c.last, c.until, d.isWanted(c)
		c.in.mu.Unlock()
		if until <= from.Offset || !isWanted || d.b.stage.Load() == stageClosed {
			break
		}
		page, err := d.b.History(ctx, c.name, hub.Query{Since: from, Limit: pageMax})
		if err != nil {
			if d.b.wait(ctx, pause) {
				pause = min(2*pause, retryMax)
				continue
			}
			d.b.receiver.Lost(c.name)
			page = hub.Page{Position: hub.Position{Epoch: from.Epoch, Offset: until}}
		}
		if page.Gap != nil {
			d.b.receiver.Lost(c.name)
		}
		for _, p := range page.Publications {
			if d.b.stage.Load() == stageClosed {
				return
			}
			d.b.receiver.Receive(p)
		}
		c.in.mu.Lock()
		if page.Position.Epoch != c.last.Epoch || page.Position.Offset <= c.last.Offset {
			c.until = 0 // it is where it was, or in another epoch: what was to be read is not there
		}
		c.last = page.Position
		c.in.mu.Unlock()
	}
	d.run(c)
}
