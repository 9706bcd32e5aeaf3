package server

import (
	"context"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// away is since when a broker outside of this process cannot be used.
type away struct {
	mu      sync.Mutex // guards what follows
	reached bool       // it could be used before
	doubted time.Time  // when it failed to say how it is for the first time in a row; zero: it did not
	since   time.Time  // zero: it can be used
	err     error      // why not

	failed uint64 // hub.Stats.BrokerFailures when that began; watchBroker's alone
}

// healthInterval is how often a broker outside of this process is asked how it is.
const healthInterval = time.Second

// watchBroker asks a broker outside of this process how it is, until stop is called.
func (s *Server) watchBroker() (stop func()) {
	if !s.config.Broker.IsOn() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		ticker := time.NewTicker(s.healthInterval)
		defer ticker.Stop()
		for {
			s.lookAtBroker(ctx)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}

// lookAtBroker notes how the broker is, has all listeners told, and logs when that
// changes.
func (s *Server) lookAtBroker(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, readinessTimeout)
	defer cancel()
	err := error(nil)
	if b, ok := s.broker.(hub.HealthBroker); ok {
		err = b.Health(limited)
	}
	if ctx.Err() != nil {
		return
	}
	failed := s.hub.Stats().BrokerFailures
	was, began := s.away.note(time.Now(), err)
	_, why := s.away.lasts()
	s.hub.SetAway(why)
	switch {
	case began:
		s.away.failed = failed
		s.log.Error("the broker cannot be used; subscribers stay, and publishers are refused", "error", err)
	case was > 0:
		s.log.Info("the broker can be used again", "away", was.Round(time.Millisecond).String(), "failed", failed-s.away.failed)
	}
}

// note takes how the broker is: was is how long it has been away until now, and began
// whether that begins now. A broker that could be used is away when it has failed twice in
// a row: no listener has to hear that it was slow once.
func (a *away) note(now time.Time, err error) (was time.Duration, began bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		if !a.since.IsZero() {
			was = max(now.Sub(a.since), 1)
		}
		a.reached, a.doubted, a.since, a.err = true, time.Time{}, time.Time{}, nil
	case !a.since.IsZero():
		a.err = err
	case a.reached && a.doubted.IsZero():
		a.doubted = now
	default:
		if a.since = a.doubted; !a.reached {
			a.since = now
		}
		a.err = err
		return 0, true
	}
	return was, false
}

// lasts is how long the broker has been away, 0 if it is there, and why.
func (a *away) lasts() (time.Duration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.since.IsZero() {
		return 0, nil
	}
	return max(time.Since(a.since), 1), a.err
}

// unready says why this server can be sent nothing, or "". What the broker said is for the log, as
// everybody may ask.
func (a *away) unready(patience time.Duration) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.reached:
		return "the broker behind this server has not been reached yet; send requests to another"
	case a.since.IsZero():
		return ""
	}
	if lasts := time.Since(a.since); lasts >= patience {
		return "the broker behind this server has been away for " + lasts.Round(time.Second).String() + "; send new requests to another"
	}
	return ""
}
