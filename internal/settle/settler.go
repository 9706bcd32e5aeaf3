package settle

import (
	"runtime/debug"
	"sync"
	"time"
)

const (
	// burst is how many connections are worth a collection, which takes some
	// milliseconds for every ten thousand.
	burst = 1000

	// quiet is how long few connections must have come for the burst to be over,
	// few being a tenth of a burst.
	quiet = 500 * time.Millisecond

	// pause is the least time between two collections.
	pause = 30 * time.Second
)

// Settler watches connections come. The zero value is ready. It is safe for
// concurrent use.
type Settler struct {
	mu      sync.Mutex
	opened  int // since memory was given back
	looked  int // opened, when the timer was set
	timer   *time.Timer
	settled time.Time
	stopped bool
	free    func() // for tests; nil: debug.FreeOSMemory
}

// Opened is called for each new connection.
func (s *Settler) Opened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened++; s.opened >= burst && s.timer == nil && !s.stopped {
		s.watch(max(quiet, time.Until(s.settled.Add(pause))))
	}
}

// Stop ends the watching, for good.
func (s *Settler) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (s *Settler) watch(wait time.Duration) {
	s.looked = s.opened
	s.timer = time.AfterFunc(wait, s.look)
}

func (s *Settler) look() {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	if s.opened-s.looked >= burst/10 { // they are still coming
		s.watch(quiet)
		s.mu.Unlock()
		return
	}
	s.timer, s.opened, s.settled = nil, 0, time.Now()
	free := s.free
	s.mu.Unlock()
	if free == nil {
		free = debug.FreeOSMemory
	}
	free()
}
