package server

import (
	"sync"
	"time"
)

// drainDelay is the time between word that the server is going away and the drain.
type drainDelay struct {
	once    sync.Once
	skipped chan struct{} // closed to end it
}

// SkipDrainDelay has the drain begin without the rest of Config.DrainDelay, if that
// has begun, or without any of it. It is safe for concurrent use, and more than once.
func (s *Server) SkipDrainDelay() { s.delay.once.Do(func() { close(s.delay.skipped) }) }

// delayDrain tells /readyz, and waits until balancers have looked there.
func (s *Server) delayDrain() {
	if s.config.DrainDelay == 0 {
		return
	}
	s.beginDraining()
	s.log.Info("not ready any more", "drain_delay", s.config.DrainDelay.String())
	timer := time.NewTimer(s.config.DrainDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.delay.skipped:
	}
}
