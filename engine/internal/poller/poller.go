package poller

import (
	"errors"
	"time"
)

// ErrNoDescriptors is the error of a Parked that is given a descriptor.
var ErrNoDescriptors = errors.New("engine: this poller knows no descriptors")

// Poller waits for what happens to the sockets of one loop. Its methods are
// called by the loop, except Wake.
type Poller interface {
	// Wait fills events with those that are ready, and returns how many there are. It
	// waits for timeout, for ever if that is negative, or until Wake.
	Wait(events []Event, timeout time.Duration) int

	// Pause waits for d, or not if that is negative, whatever is ready or wakes.
	Pause(d time.Duration)

	// Wake makes the Wait under way, or else the next one, return. It may be
	// called from any goroutine, also after Close.
	Wake()

	// Add watches a descriptor for reading, Watch changes what it is watched
	// for, and Remove ends it. key comes back in events.
	// AddListener is Add for a listener that other loops watch, too.
	Add(fd, key int32) error
	AddListener(fd, key int32) error
	Watch(fd, key int32, read, write bool)
	Remove(fd int32)

	Close()
}

// Event says that a descriptor is ready. Readiness stays until it is used up, so
// an event that is not acted on comes again.
type Event struct {
	FD, Key  int32
	Readable bool
	Writable bool
}

// EventsMax is how many events a loop takes at once.
const EventsMax = 256

// Parked is the poller of a loop whose connections are all streams: it waits to
// be woken.
type Parked struct {
	woken chan struct{} // capacity 1
	timer *time.Timer
}

// NewParked makes a Parked.
func NewParked() *Parked {
	p := &Parked{woken: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	return p
}

// Wait waits to be woken.
func (p *Parked) Wait(_ []Event, timeout time.Duration) int {
	if timeout == 0 {
		return 0
	}
	var expired <-chan time.Time
	if timeout > 0 {
		p.timer.Reset(timeout)
		defer p.timer.Stop()
		expired = p.timer.C
	}
	select {
	case <-p.woken:
	case <-expired:
	}
	return 0
}

// Pause does nothing: the goroutines that do the I/O have had the processor before
// it.
func (p *Parked) Pause(time.Duration) {}

// Wake implements Poller.
func (p *Parked) Wake() {
	select {
	case p.woken <- struct{}{}:
	default: // awake already
	}
}

// Add refuses.
func (p *Parked) Add(_, _ int32) error { return ErrNoDescriptors }

// AddListener refuses.
func (p *Parked) AddListener(_, _ int32) error { return ErrNoDescriptors }

// Watch does nothing.
func (p *Parked) Watch(_, _ int32, _, _ bool) {}

// Remove does nothing.
func (p *Parked) Remove(int32) {}

// Close does nothing.
func (p *Parked) Close() {}
