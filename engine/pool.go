package engine

import (
	"context"
	"sync"
	"time"
)

// DefaultWorkers is the default of Server.Workers.
const DefaultWorkers = 256

// Blocking returns a Handler that does what h does, with calls that may block:
// they run on goroutines of the server, see Server.Workers, and not on the loop.
// It is for Server.Handler, Admission.Handler and Conn.SetHandler, so that some
// connections can have it and others not.
//
// Everything else stays as Handler says: the calls for one connection come one
// after another and in order, OnWake among them if h is a Waker, and a payload
// is valid until OnMessage returns. While a call runs, or waits for a worker,
// the connection's pings are answered, but nothing behind its next message is
// looked at: no more is kept of it than that call's message and what was read
// along with it, 64 KiB at most, and then the peer has to wait.
//
// It costs a copy of each message that arrived whole, and two switches between
// goroutines. What cannot block is better off without it.
func Blocking(h Handler) Handler {
	if _, ok := h.(blocking); ok || h == nil {
		return h
	}
	return blocking{h}
}

// blocking marks a Handler; it is never called itself.
type blocking struct{ Handler }

// plain is h without the mark.
func plain(h Handler) Handler {
	if b, ok := h.(blocking); ok {
		return b.Handler
	}
	return h
}

// pool is the goroutines that calls of blocking handlers run on. There are as
// many as there is work for, up to max, and none without.
//
//	loop ─► mailbox.OnMessage ─► queue ─► worker ─► Handler.OnMessage
//	  ▲       what is to be called            │
//	  └───────────── read on ◄────────────────┘
//
// A mailbox stands in the queue once, and goes back to its end after each call,
// so a connection that always has something cannot keep a worker to itself.
type pool struct {
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

// queued is a mailbox in the queue, since a moment.
type queued struct {
	m     *mailbox
	since time.Time
}

func newPool(workers int) *pool { return &pool{max: workers} }

// submit has a worker make m's next call.
func (p *pool) submit(m *mailbox) {
	p.mu.Lock()
	if p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	} else if p.head > len(p.queue)/2 && len(p.queue) == cap(p.queue) {
		n := copy(p.queue, p.queue[p.head:])
		clear(p.queue[n:])
		p.queue, p.head = p.queue[:n], 0
	}
	p.queue = append(p.queue, queued{m, time.Now()})
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
func (p *pool) work(called bool) {
	ended := false
	defer func() {
		if !ended {
			go p.work(true) // a callback has ended this goroutine; the mailbox has noticed
		}
	}()
	for m := p.next(called); m != nil; m = p.next(true) {
		m.call()
	}
	ended = true
}

// next returns who is first in the queue, or nil when the worker has to go. called
// says that it has made a call.
func (p *pool) next(called bool) *mailbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.look()
	if called {
		p.busy--
	}
	if p.head < len(p.queue) {
		first := &p.queue[p.head]
		m := first.m
		p.waited += now.Sub(first.since)
		*first = queued{}
		p.head++
		p.begun++
		p.busy++
		return m
	}
	if p.workers--; p.workers == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
	return nil
}

// look brings spent up to date; mu is held.
func (p *pool) look() time.Time {
	now := time.Now()
	if p.busy > 0 {
		p.spent += time.Duration(p.busy) * now.Sub(p.looked)
	}
	p.looked = now
	return now
}

func (p *pool) stats() WorkerStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.look()
	w := WorkerStats{
		Workers: p.max, Busy: p.busy, Waiting: len(p.queue) - p.head,
		Calls: p.begun, CallTime: p.spent, WaitTime: p.waited,
	}
	if w.Waiting > 0 {
		w.Oldest = now.Sub(p.queue[p.head].since)
	}
	return w
}

// wait waits until all calls have been made.
func (p *pool) wait(ctx context.Context) error {
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

// waiting returns how many calls have begun since the beginning of time, how
// many wait for a worker, and the connection of the first of these.
func (p *pool) waiting() (begun uint64, n int, first *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n = len(p.queue) - p.head; n > 0 {
		first = p.queue[p.head].m.conn
	}
	return p.begun, n, first
}
