package natsbroker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/godwit-io/godwit/hub"
)

// Broker is a hub.Broker on NATS JetStream. All methods are safe for concurrent use.
type Broker struct {
	options Options
	log     *slog.Logger
	names   names

	nc       *nats.Conn
	js       jetstream.JetStream
	receiver hub.Receiver

	life  sync.Mutex // guards Start against Close
	stage atomic.Int32
	stop  context.Context // ends with Close
	end   context.CancelFunc
	loops sync.WaitGroup
	kept  sync.WaitGroup // what looks after itself: repairs, and clean-ups

	gate   gate
	era    atomic.Pointer[era]
	limits atomic.Pointer[limits]
	skew   atomic.Int64 // how far the servers' clock is ahead, in nanoseconds

	disturbed    chan struct{}                      // something may be wrong with the connection or the stream
	violation    atomic.Pointer[string]             // the last one of a permission, which was logged
	mayNotUpdate atomic.Bool                        // it was tried to change how much the stream keeps
	underWay     atomic.Pointer[context.CancelFunc] // ends what manageLoop does
	dialed       atomic.Uint64                      // counts connections that were begun
	confirmed    atomic.Uint64                      // with which of them the era was confirmed; 0 for none
	fence        atomic.Pointer[fence]              // the last one
	growing      chan struct{}                      // the stream is to keep more
	doubts       atomic.Uint64                      // how often something may have been lost
	settled      atomic.Uint64                      // that of the doubts that was looked into
	checking     chan struct{}                      // something may have been lost
	fresh        chan struct{}                      // channels are listened to that were not
	wanted       wanted

	ring     ring
	trims    trims
	replies  replies
	proofs   proofs
	shards   [shardCount]shard
	patterns patterns
	unlisted atomic.Int64
	arrivals [deliverers]chan *nats.Msg
	acks     chan *nats.Msg
	repairs  chan struct{} // a place for each channel that is repaired at a time
	bus      bus
}

// names are what things are called in NATS.
type names struct {
	in, out, bus, inbox string // they end in "."
	stream, bucket      string
	record              string // a subject
	beacon              string // a subject
}

func newNames(prefix string) names {
	name := "GODWIT"
	if prefix != DefaultPrefix {
		name += "_" + prefix
	}
	return names{
		in: prefix + ".in.", out: prefix + ".out.", bus: prefix + ".bus.", inbox: nats.NewInbox() + ".",
		stream: name, bucket: name,
		record: "$KV." + name + ".epoch",
		beacon: prefix + ".in.%",
	}
}

func (n *names) subject(channel string) string {
	return string(AppendSubject(append(make([]byte, 0, len(n.in)+len(channel)+8), n.in...), channel))
}

// The stages of a Broker's life.
const (
	stageNew = iota
	stageOpen
	stageClosed
)

// New returns a Broker, which is the caller's to close until a hub has it. It connects to
// nothing yet, but reads the files that the options name. The error wraps a
// *hub.OptionError.
func New(o *Options) (*Broker, error) {
	options, err := o.effective()
	if err == nil {
		err = options.checkFiles()
	}
	if err != nil {
		return nil, err
	}
	b := &Broker{
		options:   options,
		log:       options.Logger,
		names:     newNames(options.Prefix),
		disturbed: make(chan struct{}, 1),
		growing:   make(chan struct{}, 1),
		checking:  make(chan struct{}, 1),
		fresh:     make(chan struct{}, 1),
		repairs:   make(chan struct{}, repairsMax),
		acks:      make(chan *nats.Msg, 2*sentMax),
	}
	b.stop, b.end = context.WithCancel(context.Background())
	b.gate.init()
	b.ring.init(b)
	b.replies.init()
	b.bus.init()
	for i := range b.shards {
		b.shards[i].trackers = make(map[string]*tracker)
	}
	for i := range b.arrivals {
		b.arrivals[i] = make(chan *nats.Msg, waitingMax)
	}
	return b, nil
}

// Start implements hub.Broker. It does not wait for NATS: what needs it waits, and
// Health says when it takes too long. The error is one of the configuration.
func (b *Broker) Start(r hub.Receiver) error {
	b.life.Lock()
	defer b.life.Unlock()
	switch stage := b.stage.Load(); {
	case stage == stageClosed:
		return hub.ErrClosed
	case stage != stageNew || r == nil:
		return errStart
	}
	b.receiver = r
	if err := b.connect(); err != nil {
		return err
	}
	b.stage.Store(stageOpen)
	for _, loop := range []func(){b.manageLoop, b.growLoop, b.sweepLoop, b.checkLoop, b.sendLoop, b.busLoop, b.busSendLoop} {
		b.loops.Go(loop)
	}
	for _, waiting := range b.arrivals {
		b.loops.Go(func() { b.deliverLoop(waiting) })
	}
	b.disturb()
	return nil
}

// Close implements hub.Broker. It must not be called from a Receiver.
func (b *Broker) Close() error {
	b.life.Lock()
	defer b.life.Unlock()
	before := b.stage.Swap(stageClosed)
	if before == stageClosed {
		return hub.ErrClosed
	}
	b.end()
	if before == stageNew {
		return nil
	}
	b.ring.wake()
	b.bus.wake()
	b.nc.Close() // which ends writes, too
	b.loops.Wait()
	b.kept.Wait()
	b.ring.close()
	b.closeTrackers()
	return nil
}

func (b *Broker) isClosed() bool { return b.stage.Load() == stageClosed }

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

// await waits until the broker can serve, and returns the era.
func (b *Broker) await(ctx context.Context) (*era, error) {
	for {
		if err := b.checkOpen(); err != nil {
			return nil, err
		}
		open := b.gate.opened()
		select {
		case <-open:
			return b.era.Load(), nil
		default:
		}
		select {
		case <-open:
		case <-ctx.Done():
			return nil, b.away(ctx.Err())
		case <-b.stop.Done():
			return nil, hub.ErrClosed
		}
	}
}

// serve is await for callers from outside: when the broker has been away for long,
// they are told at once.
func (b *Broker) serve(ctx context.Context) (*era, error) {
	if err := b.checkAway(); err != nil {
		return nil, err
	}
	return b.await(ctx)
}

// checkAway returns an error when the broker has been away for longer than AwayMax.
func (b *Broker) checkAway() error {
	if since := b.gate.closedSince(); !since.IsZero() && time.Since(since) > b.options.AwayMax {
		return b.away(errors.New("it does not answer"))
	}
	return nil
}

// failed makes of an error of a call what its caller is told.
func (b *Broker) failed(err error) error {
	if err != nil && b.isClosed() {
		return hub.ErrClosed
	}
	return err
}

// away is ErrAway with what is wrong.
func (b *Broker) away(err error) error {
	if b.isClosed() {
		return hub.ErrClosed
	}
	if fault := b.gate.reason(); fault != nil {
		return fmt.Errorf("%w: %w", ErrAway, fault)
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// Health implements hub.HealthBroker. The broker looks by itself, every second; only
// before it has ever served this waits for it.
func (b *Broker) Health(ctx context.Context) error {
	if err := b.checkOpen(); err != nil {
		return err
	}
	if b.era.Load() == nil {
		ctx, cancel := context.WithTimeout(ctx, requestTime)
		defer cancel()
		_, err := b.await(ctx)
		return err
	}
	return b.checkAway()
}

// gate is open while the broker can serve.
type gate struct {
	mu     sync.Mutex // guards what follows
	open   chan struct{}
	isOpen bool
	since  time.Time // when it was closed
	fault  error     // why it is closed, if that is known
}

func (g *gate) init() { g.open, g.since = make(chan struct{}), time.Now() }

// opened is closed while the gate is open.
func (g *gate) opened() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.change(open)
}

// change opens or closes the gate; mu is held.
func (g *gate) change(open bool) {
	switch {
	case open && !g.isOpen:
		close(g.open)
		g.since, g.fault = time.Time{}, nil
	case !open && g.isOpen:
		g.open = make(chan struct{})
		g.since = time.Now()
	}
	g.isOpen = open
}

// openIf opens the gate if a condition holds, and reports whether it does. A closing
// behind what ends the condition is not overtaken.
func (g *gate) openIf(holds func() bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !holds() {
		return false
	}
	g.change(true)
	return true
}

// blame notes why the gate is closed, and reports whether that is news.
func (g *gate) blame(err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	isNews := g.fault == nil || g.fault.Error() != err.Error()
	g.fault = err
	return isNews
}

func (g *gate) reason() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fault
}

// closedSince is zero while the gate is open.
func (g *gate) closedSince() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.since
}

// nudge sends on a channel that has room for one, unless it is full.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// disturb has the broker look whether everything is as it was, and stop publishing
// until then.
func (b *Broker) disturb() {
	b.ring.stall()
	nudge(b.disturbed)
}

// raise raises a number to at least to.
func raise[T int64 | uint64](v interface {
	Load() T
	CompareAndSwap(old, new T) bool
}, to T) {
	for old := v.Load(); old < to && !v.CompareAndSwap(old, to); old = v.Load() {
	}
}

// now is the time of the servers, as far as it is known.
func (b *Broker) now() time.Time { return time.Now().Add(time.Duration(b.skew.Load())) }

// newID returns a text that no other has.
func newID() string { return rand.Text()[:12] }
