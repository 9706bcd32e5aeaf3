package roster

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// tasksMax bounds the goroutines that ask other nodes.
const tasksMax = 32

// tasks are what takes a network's time: a bounded number at a time, the rest waits.
type tasks struct {
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting []func(context.Context)
	running int
	closed  bool
}

func newTasks() *tasks {
	t := &tasks{}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// add has f called in its turn, unless it is closed before.
func (t *tasks) add(f func(context.Context)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.waiting = append(t.waiting, f)
	if t.running < tasksMax {
		t.running++
		t.wg.Go(t.runLoop)
	}
}

func (t *tasks) runLoop() {
	for {
		t.mu.Lock()
		if len(t.waiting) == 0 || t.closed {
			t.running--
			t.mu.Unlock()
			return
		}
		f := t.waiting[0]
		t.waiting[0] = nil
		if t.waiting = t.waiting[1:]; len(t.waiting) == 0 {
			t.waiting = nil
		}
		t.mu.Unlock()
		f(t.ctx)
	}
}

// close ends the context of every task, and waits for the running ones.
func (t *tasks) close() {
	t.mu.Lock()
	t.closed = true
	t.waiting = nil
	t.mu.Unlock()
	t.cancel()
	t.wg.Wait()
}

// plan is the calls to make later. One goroutine makes them, so none may wait.
type plan struct {
	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu     sync.Mutex // guards what follows
	queue  dueQueue
	number uint64
	closed bool
}

func newPlan() *plan {
	p := &plan{wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go p.loop()
	return p
}

// after has f called when a time has passed, and never after close.
func (p *plan) after(d time.Duration, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.number++
	heap.Push(&p.queue, due{time.Now().Add(d), p.number, f})
	if p.queue[0].number == p.number { // the loop waits for something later
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// next takes out the call that is due, or returns the time until one is; a negative time says that none
// is planned.
func (p *plan) next() (f func(), wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, -1
	}
	if wait = time.Until(p.queue[0].at); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&p.queue).(due).f, 0
}

func (p *plan) loop() {
	defer close(p.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		f, wait := p.next()
		switch {
		case f != nil:
			f()
			select {
			case <-p.quit:
				return
			default:
				continue
			}
		case wait > 0:
			timer.Reset(wait)
		default:
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-p.wake:
		case <-p.quit:
			return
		}
	}
}

func (p *plan) close() {
	p.mu.Lock()
	p.closed = true
	p.queue = nil
	p.mu.Unlock()
	close(p.quit)
	<-p.done
}

// due is something that is planned.
type due struct {
	at     time.Time
	number uint64
	f      func()
}

// dueQueue is a heap.Interface of planned calls: the first one is due first.
type dueQueue []due

func (q dueQueue) Len() int { return len(q) }
func (q dueQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].number < q[j].number
}
func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)   { *q = append(*q, x.(due)) }
func (q *dueQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = due{}
	*q = old[:len(old)-1]
	return last
}
