package redisbroker

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Broker is a hub.Broker that keeps everything in Redis. All methods are safe for
// concurrent use.
type Broker struct {
	options Options
	place   place
	id      string // of this process, for probes

	ctx    context.Context // ends when nothing waits for Redis any more
	cancel context.CancelFunc
	tasks  tasks // goroutines that end with ctx

	backend atomic.Pointer[backend] // nil until Redis was reached once
	reached chan struct{}           // closed then
	health  health
	renewed atomic.Int64  // partitions whose epoch has changed and that were not logged yet
	look    chan struct{} // has watchLoop look at once

	publishers   sync.WaitGroup // goroutines of lanes; added to under a lane's lock
	pending      atomic.Int64
	pendingBytes atomic.Int64

	receiver   hub.Receiver
	deliveries deliveries
	patterns   patterns
	bus        bus
	lister     lister

	life    sync.Mutex // guards Start against Close
	started time.Time  // set before stage is stageOpen
	stage   atomic.Uint32
	closing atomic.Bool // what has not been sent is not sent any more
}

// The stages of a Broker's life.
const (
	stageNew = iota
	stageOpen
	stageClosed
)

// closePatience is how long Close waits for what Redis was asked already.
const closePatience = 2 * time.Second

// firstPatience is how long it is waited for Redis after Start: later callers are told at once
// that it has not been reached yet.
const firstPatience = time.Second

// New returns a Broker, which connects to Redis when it is started and is the caller's to
// close until a hub has it. The error is a *URLError or wraps a *hub.OptionError.
func New(o *Options) (*Broker, error) {
	options, err := o.effective()
	if err != nil {
		return nil, err
	}
	place, err := parsePlace(options.URL)
	if err != nil {
		return nil, err
	}
	if place.user == "" {
		place.user = options.User
	}
	if place.password == "" {
		place.password = options.Password
	}
	b := &Broker{options: options, place: place, id: rand.Text()[:12], reached: make(chan struct{}), look: make(chan struct{}, 1)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.deliveries.init(b)
	b.bus.init()
	return b, nil
}

// Start implements hub.Broker. It does not wait for Redis: until that is reached every
// call answers ErrAway, or waits for it.
func (b *Broker) Start(r hub.Receiver) error {
	b.life.Lock()
	defer b.life.Unlock()
	switch {
	case b.stage.Load() == stageClosed:
		return hub.ErrClosed
	case b.stage.Load() != stageNew || r == nil:
		return errStart
	}
	b.receiver = r
	b.started = time.Now()
	b.stage.Store(stageOpen)
	b.deliveries.start()
	b.task(b.connectLoop)
	return nil
}

// Close implements hub.Broker. It must not be called from a Receiver or a hub.Hearer.
func (b *Broker) Close() error {
	b.life.Lock()
	defer b.life.Unlock()
	before := b.stage.Swap(stageClosed)
	if before == stageClosed {
		return hub.ErrClosed
	}
	if before == stageOpen {
		b.closing.Store(true)
		be := b.backend.Load()
		if be != nil {
			for _, part := range be.parts { // the next holder of the lock finds the Broker closed
				part.publishing.mu.Lock()
				part.publishing.mu.Unlock() //nolint:staticcheck // nothing is done under it
			}
		}
		limit := time.AfterFunc(closePatience, b.cancel)
		b.publishers.Wait()
		limit.Stop()
		b.cancel()
		b.deliveries.release()
		b.tasks.end()
		b.deliveries.stop()
		if be = b.backend.Load(); be != nil {
			be.close()
		}
	}
	b.cancel()
	return nil
}

// tasks are goroutines that are waited for. None begins once that has begun.
type tasks struct {
	mu    sync.Mutex // guards what follows
	wg    sync.WaitGroup
	ended bool
}

// task calls f in a goroutine, and reports false if the Broker is closed.
func (b *Broker) task(f func()) bool {
	b.tasks.mu.Lock()
	defer b.tasks.mu.Unlock()
	if !b.tasks.ended {
		b.tasks.wg.Go(f)
	}
	return !b.tasks.ended
}

// end waits for all.
func (t *tasks) end() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.wg.Wait()
}

// checkOpen returns nil between Start and Close.
func (b *Broker) checkOpen() error {
	switch b.stage.Load() {
	case stageOpen:
		return nil
	case stageNew:
		return errStart
	}
	return hub.ErrClosed
}

func (b *Broker) isClosing() bool { return b.closing.Load() }

// away is why Redis has not been reached yet.
func (b *Broker) away() error {
	if err := b.health.last(); err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return ErrAway
}

// awaitBackend waits until Redis was reached once, if it was started only now.
func (b *Broker) awaitBackend(ctx context.Context) (*backend, error) {
	if err := b.checkOpen(); err != nil {
		return nil, err
	}
	if be := b.backend.Load(); be != nil {
		return be, nil
	}
	first, cancel := context.WithDeadline(ctx, b.started.Add(firstPatience))
	defer cancel()
	select {
	case <-b.reached:
		return b.backend.Load(), nil
	case <-first.Done():
		return nil, b.away()
	case <-b.ctx.Done():
		return nil, hub.ErrClosed
	}
}

// wait makes a pause, and reports whether it was long enough.
func (b *Broker) wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-b.ctx.Done():
	}
	return false
}

// closed is err, or hub.ErrClosed of a Broker that is.
func (b *Broker) closed(err error) error {
	if err != nil && b.stage.Load() == stageClosed {
		return hub.ErrClosed
	}
	return err
}

// Began implements hub.TransientBroker: when the youngest epoch began, for what was before it
// may be lost.
func (b *Broker) Began() time.Time {
	var newest time.Time
	if be := b.backend.Load(); be != nil {
		for _, part := range be.parts {
			if at := part.state.Load(); at != nil && at.began.After(newest) {
				newest = at.began
			}
		}
	}
	return newest
}
