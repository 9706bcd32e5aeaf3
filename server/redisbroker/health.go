package redisbroker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Health implements hub.HealthBroker. Redis is asked, and has to be the master; everything that
// listens has to be connected. After trouble it is also waited until what was missed has
// been handed over, so that a client that is told of its end has had everything.
func (b *Broker) Health(ctx context.Context) error {
	be, err := b.awaitBackend(ctx)
	if err != nil {
		return err
	}
	if err := b.examine(ctx, be); err != nil {
		b.health.fail()
		return b.closed(err)
	}
	if b.health.isAway(time.Now()) {
		if !b.isLevel(be) {
			return errMissed
		}
		b.health.recover()
	}
	b.noteWell()
	return nil
}

// errMissed is what Health says while what was missed is being read.
var errMissed = errors.New("redis: what was missed while it could not be used is being read")

// missedPatience is how long Health waits for that. Where Redis is and cannot be read from, its
// subscribers are told of each channel.
const missedPatience = 10 * time.Second

// health is the known state of Redis.
type health struct {
	mu  sync.Mutex // guards what follows
	err error      // nil if it was well when it was last looked at

	isFailed bool      // Health has said that it is not
	back     time.Time // when it was first found well after that; zero if it was not yet
}

// fail notes that Health finds something wrong.
func (h *health) fail() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.isFailed, h.back = true, time.Time{}
}

// isAway reports whether what was missed may still be on its way, now that Redis is well.
func (h *health) isAway(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isFailed && h.back.IsZero() {
		h.back = now
	}
	h.isFailed = h.isFailed && now.Sub(h.back) < missedPatience
	return h.isFailed
}

func (h *health) recover() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.isFailed = false
}

// isLevel reports whether everything that listens does, and has delivered what it had missed.
func (b *Broker) isLevel(be *backend) bool {
	for _, l := range be.all() {
		if !l.isSettled() {
			return false
		}
	}
	return b.deliveries.isLevel()
}

func (h *health) last() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// set records what was found, and returns whether that is news.
func (h *health) set(err error) (isNews bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	isNews = (err == nil) != (h.err == nil)
	h.err = err
	return isNews
}

// note logs what went wrong, once until Redis is well again.
func (b *Broker) note(err error) {
	if err != nil && b.ctx.Err() == nil && b.health.set(err) {
		b.options.Log.Warn("Redis is in trouble", "error", err)
	}
}

// noteWell ends that. Publishers are not refused any more, either.
func (b *Broker) noteWell() {
	if be := b.backend.Load(); be != nil {
		for _, part := range be.parts {
			part.publishing.recover()
		}
	}
	if b.health.set(nil) {
		b.options.Log.Info("Redis is well again")
	}
}
