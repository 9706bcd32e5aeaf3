package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// payloadMark is where the payload goes in FanoutOptions.Publish and
	// PublishOptions.Body.
	payloadMark = "{payload}"

	// publishMarker begins every payload, so that it can be found.
	publishMarker = "godwit:"

	// publisherBits are those of a payload's connection that say which publisher it
	// is of. The others are those of the run.
	publisherBits = 8
	runBits       = 8*digits/2 - numberBits - publisherBits

	// probePause is how long the publisher waits until everybody has a probe, before
	// it publishes another, and probesMax how often it does.
	probePause = 250 * time.Millisecond
	probesMax  = 40

	notYet = 1 << numberBits
)

// broadcast is a run in which few publish and many receive, over any transport.
//
// Publications are numbered from 0. With several publishers they take turns, so
// number n is of publisher n % publishers, and only those of one publisher come in
// order. The first ones are probes.
type broadcast struct {
	*run
	id         int // of the run: publications of other runs do not count
	payloads   *payloads
	audience   *audience
	listeners  []*listener
	publishers uint64

	// write publishes, and returns when the publisher is free again. A *notTaken is
	// about this publication alone, and any other error ends the publisher's work.
	write func(ctx context.Context, publisher int, number uint64) error

	measuring atomic.Uint64   // the number of the first publication that is no probe
	published []atomic.Uint64 // by publisher: the number of its next
	working   []atomic.Bool   // by publisher: it is publishing or about to, or in an open loop has more to publish
	times     []atomic.Int64  // closed loop: when each publication of the window was sent
	began     time.Duration   // open loop: of the schedule
	strangers atomic.Int64    // payloads of other runs

	failures atomic.Int64 // how many are in failed
	mu       sync.Mutex
	failed   map[uint64]bool // numbers that the server did not take; mu guards it
}

func newBroadcast(r *run, publishers int) *broadcast {
	b := &broadcast{
		run: r, id: 1 + rand.IntN(1<<runBits-1), payloads: newPayloads(r.o.Size, publishMarker), audience: newAudience(r.o.Window, publishers),
		publishers: uint64(publishers), published: make([]atomic.Uint64, publishers), working: make([]atomic.Bool, publishers),
		times: make([]atomic.Int64, r.o.Window), failed: map[uint64]bool{},
	}
	b.measuring.Store(notYet)
	for p := range b.published {
		b.published[p].Store(uint64(p))
	}
	return b
}

// sender is what the payloads of a publisher have for a connection.
func (b *broadcast) sender(publisher int) int { return b.id<<publisherBits | publisher }

// listener is a subscriber. Its methods are for one goroutine.
type listener struct {
	*broadcast
	shard     *shard
	next      []atomic.Uint64 // by publisher: the number to come
	gone      atomic.Bool
	dropped   atomic.Bool // it went before the run ended
	announced bool        // the server has said that something is missing
	membership
}

func (b *broadcast) newListener(i int) *listener {
	l := &listener{broadcast: b, shard: b.latency.shard(i), next: make([]atomic.Uint64, b.publishers)}
	return l
}

// probe publishes until every listener has got something, so that the measurement
// does not begin before all are subscribed.
func (b *broadcast) probe(ctx context.Context) error {
	var clock alarm
	for range probesMax {
		number := b.published[0].Load()
		if err := b.write(ctx, 0, number); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("loadgen: cannot publish: %w", err)
		}
		b.published[0].Store(number + b.publishers)
		for waited := time.Duration(0); waited < probePause; waited += tickMin / 10 {
			if b.deaf() == 0 {
				return b.settle(ctx)
			}
			if !clock.wait(ctx, tickMin/10) {
				return ctx.Err()
			}
		}
		b.progress(Progress{Phase: "waiting for subscribers", Done: len(b.listeners) - b.deaf(), Of: len(b.listeners)})
	}
	why := ""
	if kinds := b.tally.errors(); len(kinds) > 0 {
		why = fmt.Sprintf("; %s (%s)", kinds[0].Kind, kinds[0].Example)
	}
	return fmt.Errorf("loadgen: %d of %s got nothing of %d publications%s: does this URL send what is published to everybody who listens?", b.deaf(), plural(len(b.listeners), b.report.Kind.unit()), probesMax, why)
}

// settle waits until nobody has a probe to come, and plans the rest.
func (b *broadcast) settle(ctx context.Context) error {
	first := b.published[0].Load()
	var clock alarm
	for range probesMax {
		behind := 0
		for _, l := range b.listeners {
			if !l.gone.Load() && l.next[0].Load() < first {
				behind++
			}
		}
		if behind == 0 {
			break // otherwise a listener that has missed a probe is treated as if it had it
		}
		if !clock.wait(ctx, tickMin/10) {
			return ctx.Err()
		}
	}
	members := make([]*membership, len(b.listeners))
	for i, l := range b.listeners {
		members[i] = &l.membership
	}
	for p := range b.published {
		b.published[p].Store(first + uint64(p))
		b.working[p].Store(b.o.Rate > 0)
	}
	b.audience.begin(first, members)
	b.plan()
	b.began = b.run.from - b.o.Warmup
	b.measuring.Store(first) // from here on listeners count publications from this number on
	return nil
}

// deaf is how many listeners are connected and have got nothing.
func (b *broadcast) deaf() (n int) {
	for _, l := range b.listeners {
		if !l.gone.Load() && l.next[0].Load() == 0 {
			n++
		}
	}
	return n
}

// publish is the work of one publisher.
func (b *broadcast) publish(publisher int) {
	step := b.publishOnTime
	if b.o.Rate == 0 {
		step = b.publishWhenFree
	}
	working := &b.working[publisher]
	defer working.Store(false)
	var free time.Duration
	clock := alarm{exact: !b.o.isVirtual()}
	number := b.measuring.Load() + uint64(publisher)
	for ; step(&clock, number, &free); number += b.publishers {
		_, timed := b.sentAt(number)
		err := b.write(b.ending, publisher, number)
		free = b.now()
		if _, alone := errors.AsType[*notTaken](err); err != nil && (b.ending.Err() != nil || !alone) {
			b.countUnsent(number, b.ending.Err() == nil)
			return
		}
		if timed {
			b.due.Add(1)
		}
		if err != nil {
			b.tally.addError("publishing", err)
			b.lose(number)
		}
		b.published[publisher].Store(number + b.publishers)
	}
	if b.o.Rate > 0 {
		b.countUnsent(number, false)
	}
}

// countUnsent counts a publication that was not sent, and in an open loop those of
// its publisher that were due after it.
func (b *broadcast) countUnsent(number uint64, lost bool) {
	if b.cut.Load() {
		return
	}
	var n int64
	for ; ; number += b.publishers {
		at, timed := b.sentAt(number)
		if at >= b.until {
			break
		}
		if timed {
			n++
		}
		if b.o.Rate == 0 {
			break // the next one would have waited for it
		}
	}
	b.due.Add(n)
	if lost { // the connection itself is counted by its reader
		b.tally.addMany("not sent, as the publisher's connection was lost", fmt.Sprintf("%s to come", plural(int(n), "publication")), n)
	} else {
		b.tally.addMany("not sent in time", fmt.Sprintf("the server had not taken %s %v after the end", plural(int(n), "publication"), b.o.Drain), n)
	}
}

// notTaken is why one publication was not published, while others may be.
type notTaken struct{ error }

func (e *notTaken) Unwrap() error { return e.error }

// publishWhenFree waits until the window has room for a publication. It reports
// whether it is to be published.
func (b *broadcast) publishWhenFree(_ *alarm, number uint64, _ *time.Duration) bool {
	working := &b.working[number%b.publishers]
	for {
		working.Store(true) // before it looks at the clock: what drain does not see is not published
		now := b.now()
		if now >= b.until {
			return false
		}
		if b.audience.hasRoomFor(number) {
			b.times[number%uint64(len(b.times))].Store(int64(now))
			return true
		}
		working.Store(false)
		select {
		case <-b.audience.room[number%b.publishers]:
		case <-b.ending.Done():
			return false
		}
	}
}

// publishOnTime waits until a publication is due.
func (b *broadcast) publishOnTime(clock *alarm, number uint64, free *time.Duration) bool {
	due := b.began + schedule{b.o.Rate}.due(int64(number-b.measuring.Load()))
	if due >= b.until || !clock.wait(b.ending, due-b.now()) {
		return false
	}
	if b.isMeasured(due) {
		b.lateness.shard(int(number % b.publishers)).recordLatency(b.now() - max(due, *free))
	}
	return true
}

// lose notes that nobody will get a publication, as the server did not take it.
func (b *broadcast) lose(number uint64) {
	b.mu.Lock()
	b.failed[number] = true
	b.mu.Unlock()
	b.failures.Add(1)
	b.audience.void(number)
}

// isLost reports whether the server did not take a publication.
func (b *broadcast) isLost(number uint64) bool {
	if b.failures.Load() == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed[number]
}

// sentAt says when a publication was sent or due, and whether its latency counts.
func (b *broadcast) sentAt(number uint64) (at time.Duration, timed bool) {
	if b.o.Rate > 0 {
		at = b.began + schedule{b.o.Rate}.due(int64(number-b.measuring.Load()))
	} else {
		at = time.Duration(b.times[number%uint64(len(b.times))].Load())
	}
	return at, b.isMeasured(at)
}

// drain waits until everything that was due is published and all listeners have it,
// for the drain time at most.
func (b *broadcast) drain(ctx context.Context) {
	if b.cut.Load() {
		return
	}
	var clock alarm
	began := b.now()
	for b.now()-began < b.o.Drain {
		behind := false
		for p := range b.working {
			behind = behind || b.working[p].Load()
		}
		for _, l := range b.listeners {
			behind = behind || !l.gone.Load() && l.missing() > 0
		}
		if !behind {
			return
		}
		b.progress(Progress{Phase: "waiting for the last deliveries", Elapsed: b.now() - began, Total: b.o.Drain})
		if !clock.wait(ctx, tickMin/10) {
			b.interrupt()
			return
		}
	}
}

// account counts what has not been delivered.
func (b *broadcast) account() {
	if n := b.strangers.Load(); n > 0 {
		b.note(fmt.Sprintf("%s of other runs came in between and do not count.", plural(int(n), "message")))
	}
	if b.cut.Load() {
		return
	}
	for i, l := range b.listeners {
		left := l.missing()
		if l.dropped.Load() {
			b.tally.addMany("not delivered, as the connection was lost", fmt.Sprintf("subscriber %d had %d publications to come", i, left), left)
		} else {
			b.tally.addMany("not delivered in time", fmt.Sprintf("subscriber %d had %d publications to come %v after the end", i, left, b.o.Drain), left)
		}
	}
}

// missing is how many publications l has not got that were published. It may be
// called by any goroutine.
func (l *listener) missing() (n int64) {
	first := l.measuring.Load()
	for p := range l.next {
		from, to := max(l.next[p].Load(), first+uint64(p)), l.published[p].Load()
		n += l.between(from, to)
	}
	return n
}

// between counts the publications of one publisher from a number up to another,
// without those that the server did not take.
func (b *broadcast) between(from, to uint64) (n int64) {
	if from >= to {
		return 0
	}
	if b.failures.Load() == 0 {
		return int64((to - from) / b.publishers)
	}
	for ; from < to; from += b.publishers {
		if !b.isLost(from) {
			n++
		}
	}
	return n
}

// search takes all publications that are in b.
func (l *listener) search(message []byte, now time.Duration) {
	for rest := message; ; {
		from, number, after, found, ok := l.payloads.find(rest)
		switch {
		case !found:
			return
		case from >= 0 && from != l.sender(int(number%l.publishers)):
			l.strangers.Add(1)
		case !ok:
			l.noteDamaged(rest, from, number, now)
		default:
			l.receive(number, now, true)
		}
		rest = after
	}
}

// noteDamaged notes a publication that is not as it was sent. If its number is known,
// it is not left out as well.
func (l *listener) noteDamaged(message []byte, from int, number uint64, now time.Duration) {
	l.tally.add(ErrorDamaged, fmt.Sprintf("%.60q", message))
	if from >= 0 {
		l.receive(number, now, false)
	}
}

// receive notes a publication. A bad one is no sample.
func (l *listener) receive(number uint64, now time.Duration, good bool) {
	first, mine := l.measuring.Load(), &l.next[number%l.publishers]
	due := max(mine.Load(), first+number%l.publishers)
	if number < mine.Load() {
		if number >= first {
			l.tally.add("repeated publication", fmt.Sprintf("number %d came when %d was due", number, due))
		}
		return
	}
	mine.Store(number + l.publishers)
	if number < first {
		return // a probe; earlier ones may have come before the subscription
	}
	if left := l.between(due, number); left > 0 {
		kind := "publication left out"
		if l.announced {
			kind = "publication left out, as the server announced"
		}
		l.tally.addMany(kind, fmt.Sprintf("number %d came when %d was due", number, due), left)
	}
	l.announced = false
	if at, timed := l.sentAt(number); good {
		l.shard.recordMessage(l.o.Size, l.isMeasured(now), timed, now-at)
	}
	if l.o.Rate == 0 {
		for n := due; n <= number; n += l.publishers {
			if !l.isLost(n) {
				l.audience.noteReceived(n)
			}
		}
	}
}

// leave counts the end of a connection.
func (l *listener) leave(err error) {
	l.gone.Store(true)
	if l.ending.Err() == nil {
		l.dropped.Store(true)
		l.open.Add(-1)
		l.tally.addError("connection lost", err)
	}
	l.audience.leave(&l.membership, func(number uint64) bool { return number < l.next[number%l.publishers].Load() })
}
