package hooks

import (
	"container/list"
	"context"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/godwit-io/godwit/access"
)

const (
	// lanes is how many requests with events are under way at most. What belongs to one
	// channel goes by one lane, so that it stays in order; a request that fails holds
	// up the channels of its lane alone.
	lanes = 4

	// gatherFor is how long an event waits for others that can be sent with it.
	gatherFor = 100 * time.Millisecond

	// The pauses between attempts: each is twice the one before, 25 % more or less. None
	// is longer than a part of the time for which an event is worth trying, so that
	// an event that comes while the application is away has its attempts, too.
	retryFirst = time.Second
	retryLast  = time.Minute
	retryVary  = 0.25
	retryPart  = 4
)

func newPauses(retry time.Duration) *backoff.ExponentialBackOff {
	longest := min(retryLast, retry/retryPart)
	p := &backoff.ExponentialBackOff{InitialInterval: min(retryFirst, longest), MaxInterval: longest, Multiplier: 2, RandomizationFactor: retryVary}
	p.Reset()
	return p
}

// teller sends events. Its lanes are goroutines that live as long as it does.
type teller struct {
	*endpoint
	ctx      context.Context // ends everything
	o        Events
	channels []access.Pattern
	types    map[string]bool
	observer *Observer
	seed     maphash.Seed
	closing  chan struct{} // closed by close: nothing waits for others any more
	running  sync.WaitGroup
	finished chan struct{} // closed when the last lane has ended

	mu      sync.Mutex // guards what follows
	states  map[presenceKey]*presenceState
	damped  list.List // of presenceKey: the changes that wait, the oldest first
	timer   *time.Timer
	armed   bool
	lanes   [lanes]lane
	count   int // of events in the lanes, those being sent included
	bytes   int
	givenUp uint64
	lost    []loss    // of those, which the observer has not been told
	atClose int       // of those
	pausing time.Time // until then nothing is sent: the application said so
	gone    bool
	closed  bool

	ended     int           // of the lanes
	successor *teller       // has taken over
	before    chan struct{} // nil, or closed when there is nothing left of our predecessor
}

// loss is of events that were given up.
type loss struct {
	events int
	why    Reason
}

// lane is a queue of events in order.
type lane struct {
	queue []event
	bytes int
	wake  chan struct{} // has one when there is reason to look at the queue again

	// Of its goroutine alone:
	pauses *backoff.ExponentialBackOff // begins anew when a batch was taken, whichever failed before
	next   time.Time                   // until then it does not send
}

func newTeller(ctx context.Context, events *Events, o *Options, s *signer) (*teller, error) {
	if err := checkTypes(events.Types); err != nil {
		return nil, err
	}
	e, err := newEndpoint("events", "Events.URL", events.URL, lanes, events.Timeout, o, s)
	if err != nil {
		return nil, err
	}
	t := &teller{
		endpoint: e, ctx: ctx, o: *events, channels: slices.Clone(events.Channels), observer: o.Observer, types: map[string]bool{},
		seed: maphash.MakeSeed(), closing: make(chan struct{}), finished: make(chan struct{}), states: map[presenceKey]*presenceState{},
	}
	types := events.Types
	if types == nil {
		types = eventTypes
	}
	for _, name := range types {
		t.types[name] = true
	}
	for i := range t.lanes {
		t.lanes[i].wake = make(chan struct{}, 1)
		t.lanes[i].pauses = newPauses(t.o.Retry)
		t.running.Go(func() { t.laneLoop(&t.lanes[i]) })
	}
	return t, nil
}

// tellsEither reports whether events of one of two types are sent. The state of a
// pair is kept for both.
func (t *teller) tellsEither(a, b string) bool { return t.types[a] || t.types[b] }

// put queues an event.
func (t *teller) put(e event) {
	t.mu.Lock()
	if t := t.successor; t != nil {
		defer t.put(e) // when the lock is free again
	}
	defer t.unlock()
	e.at = time.Now()
	t.putLocked(e)
}

// putLocked is put for callers that hold t.mu.
func (t *teller) putLocked(e event) {
	switch {
	case t.closed, !t.types[e.kind]:
		return
	case t.gone:
		t.giveUp(1, Gone)
		return
	case t.count >= t.o.QueueCountMax || t.count > 0 && t.bytes+len(e.text) > t.o.QueueBytesMax:
		t.giveUp(1, QueueFull)
		return
	}
	t.count++
	t.bytes += len(e.text)
	l := &t.lanes[maphash.String(t.seed, e.key)%lanes]
	l.queue = append(l.queue, e)
	l.bytes += len(e.text)
	if len(l.queue) == 1 || t.isFull(l) {
		l.look()
	}
}

func (l *lane) look() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// isFull reports whether what l has is a whole request.
func (t *teller) isFull(l *lane) bool {
	return len(l.queue) >= t.o.BatchCountMax || l.bytes >= t.o.BatchBytesMax
}

// giveUp counts events of which the application will not hear. t.mu is held.
func (t *teller) giveUp(events int, why Reason) {
	if events == 0 {
		return
	}
	t.givenUp += uint64(events)
	if why == Closed {
		t.atClose += events
	}
	t.lost = append(t.lost, loss{events, why})
}

// unlock gives up t.mu, and then reports what was given up while it was held.
func (t *teller) unlock() {
	lost := t.lost
	t.lost = nil
	t.mu.Unlock()
	if t.observer.GivenUp == nil {
		return
	}
	for _, l := range lost {
		t.observer.GivenUp(l.events, l.why)
	}
}

// laneLoop sends the events of a lane, one request after the other.
func (t *teller) laneLoop(l *lane) {
	for {
		batch, wait := t.take(l)
		switch {
		case batch != nil:
			t.deliver(l, batch)
		case wait == 0:
			t.end()
			return
		default:
			timer := time.NewTimer(wait)
			select {
			case <-l.wake:
			case <-timer.C:
			case <-t.closing:
			case <-t.ctx.Done():
			}
			timer.Stop()
		}
	}
}

// end notes that a lane has ended.
func (t *teller) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended++; t.ended == lanes {
		close(t.finished)
	}
}

// waitBefore waits until nothing is left of our predecessor.
func (t *teller) waitBefore() {
	t.mu.Lock()
	before := t.before
	t.mu.Unlock()
	if before == nil {
		return
	}
	select {
	case <-before:
	case <-t.ctx.Done():
	}
}

// take returns what can be sent in one request now, or how long there may be no
// reason to look again. It returns neither when there will be nothing more.
func (t *teller) take(l *lane) (batch []event, wait time.Duration) {
	t.mu.Lock()
	defer t.unlock()
	now := time.Now()
	stale := 0
	for stale < len(l.queue) && now.Sub(l.queue[stale].at) > t.o.Retry {
		stale++
	}
	t.drop(l, stale, TooOld)
	switch {
	case t.ctx.Err() != nil:
		t.drop(l, len(l.queue), Closed)
		return nil, 0
	case len(l.queue) == 0 && t.closed:
		return nil, 0
	case len(l.queue) == 0:
		return nil, time.Hour
	case !t.closed && !t.isFull(l):
		if wait := gatherFor - now.Sub(l.queue[0].at); wait > 0 && wait <= gatherFor {
			return nil, wait
		}
	}
	n, size := 0, 0
	for n < len(l.queue) && n < t.o.BatchCountMax && (n == 0 || size+len(l.queue[n].text) <= t.o.BatchBytesMax) {
		size += len(l.queue[n].text)
		n++
	}
	batch = slices.Clone(l.queue[:n])
	l.remove(n)
	return batch, 0
}

// drop gives up the first n of a lane. t.mu is held.
func (t *teller) drop(l *lane, n int, why Reason) {
	for _, e := range l.queue[:n] {
		t.count--
		t.bytes -= len(e.text)
	}
	l.remove(n)
	t.giveUp(n, why)
}

// remove takes out the first n.
func (l *lane) remove(n int) {
	for i := range n {
		l.bytes -= len(l.queue[i].text)
		l.queue[i] = event{}
	}
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
}

// deliver sends a batch until it is taken or given up.
func (t *teller) deliver(l *lane, batch []event) {
	id, body := newID(), appendBatch(nil, batch)
	last := batch[len(batch)-1].at.Add(t.o.Retry)
	t.waitBefore()
	why := t.waitTurn(l, last)
	for why == "" {
		r, err := t.attempt(id, body, len(batch))
		if err == nil && r.status/100 == 2 {
			l.pauses.Reset()
			l.next = time.Time{}
			break
		}
		switch {
		case t.ctx.Err() != nil:
			why = Closed
		case err == nil && r.status == http.StatusGone:
			why = t.quit()
		default:
			l.next = time.Now().Add(l.pauses.NextBackOff())
			if err == nil {
				t.slowDown(r)
				err = statusError(r.status)
			}
			t.complain("events could not be delivered", err)
			why = t.waitTurn(l, last)
		}
	}
	t.mu.Lock()
	defer t.unlock()
	for _, e := range batch {
		t.count--
		t.bytes -= len(e.text)
	}
	if why != "" {
		t.giveUp(len(batch), why)
	}
}

// attempt sends a batch once.
func (t *teller) attempt(id string, body []byte, events int) (*reply, error) {
	ctx, cancel := context.WithTimeout(t.ctx, t.o.Timeout)
	defer cancel()
	begun := time.Now()
	r, err := t.post(ctx, id, nil, body, statusOnly)
	if t.observer.Told != nil {
		outcome := Delivered
		if err != nil || r.status/100 != 2 {
			outcome = Failed
		}
		t.observer.Told(events, outcome, time.Since(begun))
	}
	return r, err
}

// slowDown notes how long the application wants to be left alone, which it may say
// with 429 and 503. It holds for all lanes, and for no longer than an event is
// worth trying.
func (t *teller) slowDown(r *reply) {
	if r.status != http.StatusTooManyRequests && r.status != http.StatusServiceUnavailable {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if until := time.Now().Add(min(r.retryAfter, t.o.Retry)); until.After(t.pausing) {
		t.pausing = until
	}
}

// waitTurn waits until the lane's pause and the application's are over. It returns why
// nothing is to be sent then, for events that are worth trying until last.
func (t *teller) waitTurn(l *lane, last time.Time) Reason {
	for {
		t.mu.Lock()
		gone, next := t.gone, t.pausing
		t.mu.Unlock()
		if l.next.After(next) {
			next = l.next
		}
		wait := time.Until(next)
		switch {
		case gone:
			return Gone
		case t.ctx.Err() != nil:
			return Closed
		case wait <= 0:
			return ""
		case next.After(last):
			return TooOld
		case !pause(t.ctx, wait):
			return Closed
		}
	}
}

// quit notes that the application wants no events any more.
func (t *teller) quit() Reason {
	t.mu.Lock()
	isFirst := !t.gone
	t.gone = true
	for i := range t.lanes {
		t.drop(&t.lanes[i], len(t.lanes[i].queue), Gone)
	}
	t.damped.Init()
	clear(t.states)
	t.unlock()
	if isFirst {
		t.logger.Warn("the application wants no events any more (410); none is sent until the hooks are configured again", "hook", t.hook, "url", t.shown)
	}
	return Gone
}

// close sends the remaining events, and returns how many were given up for want of
// time.
func (t *teller) close() int {
	t.mu.Lock()
	if !t.closed {
		for t.damped.Len() > 0 {
			t.settle()
		}
		if t.timer != nil {
			t.timer.Stop()
		}
		t.closed = true
		close(t.closing)
	}
	t.unlock()
	t.running.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.atClose
}

func (t *teller) stats() EventStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return EventStats{Queued: t.count, QueuedBytes: t.bytes, Damped: t.damped.Len(), GivenUp: t.givenUp, Gone: t.gone}
}

// appendBatch appends the body of a request.
func appendBatch(dst []byte, batch []event) []byte {
	dst = append(dst, `{"events":[`...)
	for i := range batch {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, batch[i].text...)
	}
	return append(dst, "]}"...)
}
