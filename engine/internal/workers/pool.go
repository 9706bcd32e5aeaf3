package workers

import (
	"context"
	"sync"
	"time"
)

// Job is something that has calls to make, one at a time.
type Job interface {
	// Call makes a call, which may take long. A call that ends its goroutine
	// with runtime.Goexit is over, too.
	Call()
}

// Pool is the goroutines that calls run on. There are as many as there is work
// for, up to a maximum, and none without. All methods are safe for concurrent use.
//
//	Submit ─► queue ─► worker ─► Job.Call
//	  ▲                             │
//	  └──── has more to do ◄────────┘
//
// A Job stands in the queue once for each call of Submit. A Job that is submitted
// again after each call goes back to the end, so a job that always has something to
// do cannot keep a worker to itself.
type Pool struct {
	max int

	mu      sync.Mutex // guards what follows; the last lock to be taken
	queue   []queued   // those that have a call to make, the first one at head
	head    int
	workers int
	busy    int           // workers that are making a call
	begun   uint64        // calls
	spent   time.Duration // in all calls, as far as looked
	waited  time.Duration // before all calls that have begun
	looked  time.Time     // when spent was last brought up to date
	idle    chan struct{} // closed when there are no workers; nil while nobody waits
}

// queued is a job in the queue, since a moment.
type queued struct {
	job   Job
	since time.Time
}

// New makes a pool of so many workers, at least 1.
func New(workers int) *Pool { return &Pool{max: max(workers, 1)} }

// Max returns how many workers there may be.
func (p *Pool) Max() int { return p.max }

// Submit has a worker call j. It does not wait.
func (p *Pool) Submit(j Job) {
	p.mu.Lock()
	if p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	} else if p.head > len(p.queue)/2 && len(p.queue) == cap(p.queue) {
		n := copy(p.queue, p.queue[p.head:])
		clear(p.queue[n:])
		p.queue, p.head = p.queue[:n], 0
	}
	p.queue = append(p.queue, queued{j, time.Now()})
	more := p.workers < p.max
	if more {
		p.workers++
	}
	p.mu.Unlock()
	if more {
		go p.work(false)
	}
}

// work is a worker, which may be in the middle of its work. It ends when there is
// nothing to do.
func (p *Pool) work(called bool) {
	ended := false
	defer func() {
		if !ended {
			go p.work(true) // a callback has ended this goroutine; the job has noticed
		}
	}()
	for j := p.next(called); j != nil; j = p.next(true) {
		j.Call()
	}
	ended = true
}

// next returns the job that is first in the queue, or nil when the worker has to go. called
// says that it has made a call.
func (p *Pool) next(called bool) Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.look()
	if called {
		p.busy--
	}
	if p.head < len(p.queue) {
		first := &p.queue[p.head]
		j := first.job
		p.waited += now.Sub(first.since)
		*first = queued{}
		p.head++
		p.begun++
		p.busy++
		return j
	}
	if p.workers--; p.workers == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
	return nil
}

// look brings spent up to date; mu is held.
func (p *Pool) look() time.Time {
	now := time.Now()
	if p.busy > 0 {
		p.spent += time.Duration(p.busy) * now.Sub(p.looked)
	}
	p.looked = now
	return now
}

// Stats are figures of a pool.
type Stats struct {
	Workers int           // how many calls may run at the same time
	Busy    int           // calls that run now
	Waiting int           // calls that wait for a worker now
	Oldest  time.Duration // how long the first of these has waited

	Calls    uint64        // that have begun
	CallTime time.Duration // of all calls together, those that run included
	WaitTime time.Duration // of all calls that have begun together, before they did
}

// Stats returns the figures as they are now.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.look()
	w := Stats{
		Workers: p.max, Busy: p.busy, Waiting: len(p.queue) - p.head,
		Calls: p.begun, CallTime: p.spent, WaitTime: p.waited,
	}
	if w.Waiting > 0 {
		w.Oldest = now.Sub(p.queue[p.head].since)
	}
	return w
}

// Wait waits until all calls have been made.
func (p *Pool) Wait(ctx context.Context) error {
	p.mu.Lock()
	if p.workers == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Waiting returns how many calls have begun since the beginning of time, how
// many wait for a worker, and the job of the first of these.
func (p *Pool) Waiting() (begun uint64, n int, first Job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n = len(p.queue) - p.head; n > 0 {
		first = p.queue[p.head].job
	}
	return p.begun, n, first
}
