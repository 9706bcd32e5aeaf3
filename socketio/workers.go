package socketio

import (
	"sync"
	"sync/atomic"
	"time"
)

// workers are the goroutines that run handlers: as many as there are sockets with something
// to do. Idle workers wait a little for more, because a goroutine that has grown its stack
// for one event has it for the next.
type workers struct {
	busy atomic.Int64

	mu      sync.Mutex // guards the rest
	idle    []*worker  // the latest to become idle is last
	timer   *time.Timer
	stopped bool
}

type worker struct {
	next  chan *Socket // nil ends it
	since time.Time    // it has nothing to do
}

const (
	idleWorkersMax = 64
	idleWorkerTime = 5 * time.Second
)

// run has a worker do what s has to do.
func (w *workers) run(s *Socket) {
	w.busy.Add(1)
	w.mu.Lock()
	n := len(w.idle)
	if n == 0 {
		w.mu.Unlock()
		go w.workLoop(s)
		return
	}
	one := w.idle[n-1]
	w.idle[n-1] = nil
	w.idle = w.idle[:n-1]
	w.mu.Unlock()
	one.next <- s // there is room for one
}

func (w *workers) workLoop(s *Socket) {
	one := &worker{next: make(chan *Socket, 1)}
	for s != nil {
		s.workAll()
		server := s.client.server
		s = nil // it may go
		stays := w.wait(one)
		server.worked()
		if !stays {
			return
		}
		s = <-one.next
	}
}

// wait makes one idle. It reports false if it is not needed.
func (w *workers) wait(one *worker) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || len(w.idle) == idleWorkersMax {
		return false
	}
	one.since = time.Now()
	w.idle = append(w.idle, one)
	if w.timer == nil {
		w.timer = time.AfterFunc(idleWorkerTime, w.reap)
	}
	return true
}

// reap ends the workers that have had nothing to do for a while.
func (w *workers) reap() {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.idle) && time.Since(w.idle[n].since) >= idleWorkerTime {
		close(w.idle[n].next)
		n++
	}
	clear(w.idle[:n])
	w.idle = append(w.idle[:0], w.idle[n:]...)
	if w.timer = nil; len(w.idle) > 0 && !w.stopped {
		w.timer = time.AfterFunc(idleWorkerTime, w.reap)
	}
}

// stop ends the idle workers now, and the others when they are done.
func (w *workers) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	for _, one := range w.idle {
		close(one.next)
	}
	w.idle = nil
	if w.timer != nil {
		w.timer.Stop()
	}
}
