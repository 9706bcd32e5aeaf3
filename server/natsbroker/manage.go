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
		case <-b.growing:
			if err := b.growStream(b.stop); err != nil && !b.isClosed() {
				b.log.Error("natsbroker: the stream cannot keep as much as is asked for", "error", err)
			}
		case <-poll.C:
			if err := b.poll(b.stop); err == nil {
				failed = 0
			} else if failed++; failed > 1 || errors.Is(err, errRecordChanged) || errors.Is(err, errNoStream) {
				b.disturb()
			}
		}
	}
}

// recover looks what is there and goes on, however long that takes.
func (b *Broker) recover() {
	b.ring.stall()
	wait := setUpWaitMin
	for {
		ctx, cancel := context.WithTimeout(b.stop, setUpTime)
		err := b.setUp(ctx)
		cancel()
		if err == nil {
			break
		}
		b.gate.set(false)
		if b.isClosed() {
			return
		}
		if b.gate.blame(err) && b.nc.IsConnected() {
			b.log.Warn("natsbroker: NATS cannot be used; it is tried again", "error", err)
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
	b.gate.set(true)
	b.ring.resume()
	nudge(b.checking)
}

// setUp returns nil once the stream is as it should be, the era is known, and the
// stream takes messages.
func (b *Broker) setUp(ctx context.Context) error {
	if !b.nc.IsConnected() {
		if err := b.gate.reason(); err != nil {
			return err
		}
		return errors.New("it is being connected to")
	}
	if err := checkVersion(b.nc.ConnectedServerVersion()); err != nil {
		return err
	}
	if _, err := b.streamState(ctx); err != nil || b.era.Load() == nil {
		if err := b.makeStreams(ctx); err != nil {
			return err
		}
	}
	if err := b.verify(ctx); err != nil {
		return err
	}
	_, err := b.putBeacon(ctx)
	return err
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
	raise(&b.known, a.seq)
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
