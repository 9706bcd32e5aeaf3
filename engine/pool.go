package engine

import (
	"context"
	"sync"
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
	queue   []*mailbox // those that have a call to make, the first one at head
	head    int
	workers int
	begun   uint64        // calls
	idle    chan struct{} // closed when there are no workers; nil while nobody waits
}

func newPool(workers int) *pool {
	if workers <= 0 {
		workers = DefaultWorkers
	}
	return &pool{max: workers}
}

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
	p.queue = append(p.queue, m)
	more := p.workers < p.max
	if more {
		p.workers++
	}
	p.mu.Unlock()
	if more {
		go p.work()
	}
}

// work is a worker. It ends when there is nothing to do.
func (p *pool) work() {
	ended := false
	defer func() {
		if !ended {
			go p.work() // a callback has ended this goroutine; the mailbox has noticed
		}
	}()
	for m := p.next(); m != nil; m = p.next() {
		m.call()
	}
	ended = true
}

// next returns who is first in the queue, or nil when the worker has to go.
func (p *pool) next() *mailbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.head < len(p.queue) {
		m := p.queue[p.head]
		p.queue[p.head] = nil
		p.head++
		p.begun++
		return m
	}
	if p.workers--; p.workers == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
	return nil
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
		first = p.queue[p.head].conn
	}
	return p.begun, n, first
}
