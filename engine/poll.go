package engine

import "time"

// poller waits for what happens to the sockets of one loop. Its methods are
// called by the loop, except wake.
type poller interface {
	// wait fills events with what is ready, and returns how many there are. It
	// waits for timeout, for ever if that is negative, or until wake.
	wait(events []event, timeout time.Duration) int

	// pause waits for d, or not if that is negative, whatever is ready or wakes.
	pause(d time.Duration)

	// wake makes the wait under way, or else the next one, return. It may be
	// called from any goroutine, also after close.
	wake()

	// add watches a descriptor for reading, watch changes what it is watched
	// for, and remove ends it. key comes back in events.
	// addListener is add for a listener that other loops watch, too.
	add(fd, key int32) error
	addListener(fd, key int32) error
	watch(fd, key int32, read, write bool)
	remove(fd int32)

	close()
}

// event says that a descriptor is ready. Readiness stays until it is used up, so
// an event that is not acted on comes again.
type event struct {
	fd, key  int32
	readable bool
	writable bool
}

// eventsMax is how many events a loop takes at once.
const eventsMax = 256

// parked is the poller of a loop whose connections are all streams: it waits to
// be woken.
type parked struct {
	woken chan struct{} // capacity 1
	timer *time.Timer
}

func newParked() *parked {
	p := &parked{woken: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	return p
}

func (p *parked) wait(_ []event, timeout time.Duration) int {
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

// pause does nothing: others, who do the I/O, have had the processor before it.
func (p *parked) pause(time.Duration) {}

func (p *parked) wake() {
	select {
	case p.woken <- struct{}{}:
	default: // awake already
	}
}

func (p *parked) add(_, _ int32) error         { return errNoDescriptors }
func (p *parked) addListener(_, _ int32) error { return errNoDescriptors }
func (p *parked) watch(_, _ int32, _, _ bool)  {}
func (p *parked) remove(int32)                 {}
func (p *parked) close()                       {}
