package natsbroker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	setUpTime     = 15 * time.Second
	setUpWaitMin  = 50 * time.Millisecond
	setUpWaitMax  = 2 * time.Second
	sweepInterval = 100 * time.Millisecond
)

// manageLoop brings the broker where it can serve, and looks that it stays there.
func (b *Broker) manageLoop() {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	failed := 0
	for {
		select {
		case <-b.stop.Done():
			return
		case <-b.disturbed:
			b.recover()
			failed = 0
		case <-poll.C:
			ctx, cancel := b.attempt(setUpTime)
			err := b.poll(ctx)
			cancel()
			if err == nil {
				failed = 0
			} else if failed++; failed > 1 || errors.Is(err, errRecordChanged) || errors.Is(err, errNoStream) {
				b.disturb()
			}
		}
	}
}

// attempt is a context for what manageLoop does, which ends when the connection does.
func (b *Broker) attempt(most time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(b.stop, most)
	b.underWay.Store(&cancel)
	return ctx, func() {
		b.underWay.Store(nil)
		cancel()
	}
}

// interrupt ends what manageLoop does: its requests went with a connection that has
// broken.
func (b *Broker) interrupt() {
	if cancel := b.underWay.Load(); cancel != nil {
		(*cancel)()
	}
}

// growLoop has the stream keep the histories that are asked for.
func (b *Broker) growLoop() {
	for {
		select {
		case <-b.stop.Done():
			return
		case <-b.growing:
		}
		if _, err := b.await(b.stop); err != nil {
			return
		}
		if err := b.growStream(b.stop); err != nil && !b.isClosed() {
			b.log.Error("natsbroker: the stream cannot keep as much as is asked for; it is tried again", "error", err)
			if b.pause(b.stop, setUpTime) != nil {
				return
			}
			nudge(b.growing)
		}
	}
}

// recover looks at the present state and goes on, however long that takes.
func (b *Broker) recover() {
	b.ring.stall()
	wait := setUpWaitMin
	for {
		dialed := b.dialed.Load()
		ctx, cancel := b.attempt(setUpTime)
		err := b.setUp(ctx, dialed)
		cancel()
		if err == nil {
			if b.gate.openIf(b.isConfirmed) {
				break
			}
			err = errMoved
		}
		b.gate.set(false)
		if b.isClosed() {
			return
		}
		if b.gate.blame(err) && b.nc.IsConnected() {
			b.log.Warn("natsbroker: NATS cannot be used; it is tried again", "error", err)
		}
		if errors.Is(err, context.DeadlineExceeded) && b.nc.IsConnected() && b.nc.FlushTimeout(requestTime) != nil && b.nc.IsConnected() {
			// The connection stands, and the server behind it does not answer at all.
			_ = b.nc.ForceReconnect() // it fails if the connection was closed
		}
		timer := time.NewTimer(wait)
		select {
		case <-b.stop.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-b.disturbed: // the connection is back, for example
			timer.Stop()
		}
		wait = min(2*wait, setUpWaitMax)
	}
	b.ring.resume()
	if !b.isConfirmed() {
		b.ring.stall() // dialing may have come before resume
	}
	nudge(b.checking)
}

// setUp returns nil once the stream is as it should be, the era is known, and the
// stream takes messages.
func (b *Broker) setUp(ctx context.Context, dialed uint64) error {
	if !b.nc.IsConnected() {
		if err := b.gate.reason(); err != nil {
			return err
		}
		return errors.New("it is being connected to")
	}
	if err := checkVersion(b.nc.ConnectedServerVersion()); err != nil {
		return err
	}
	if _, err := b.streamState(ctx); errors.Is(err, errNoStream) || b.era.Load() == nil {
		if err := b.makeStreams(ctx); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	// Before anything is concluded from the state of the stream: a server cut off from the others
	// may say that.
	if _, err := b.putBeacon(ctx); err != nil {
		return b.explain("publishing to the stream "+b.names.stream, err)
	}
	return b.verify(ctx, dialed)
}

// putBeacon stores a message of no channel, and returns its number: the stream has a
// leader, which can store, and has come to there. The stream keeps those before it, too: a
// stream without other messages would seem to have lost them.
func (b *Broker) putBeacon(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	answer, err := b.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: b.names.beacon})
	if err != nil {
		return 0, err
	}
	a, err := ParseAck(b.names.stream, answer.Data)
	switch {
	case err != nil:
		return 0, err
	case a.err != nil:
		return 0, a.err
	}
	return a.seq, nil
}

// sweepLoop ends what has waited for too long.
func (b *Broker) sweepLoop() {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-b.stop.Done():
			return
		case now := <-tick.C:
			if b.ring.sweep(now) {
				b.disturb()
			}
		}
	}
}
