package redisbroker

import "sync"

// queue is what workers are to do.
type queue struct {
	mu     sync.Mutex // guards what follows
	some   *sync.Cond
	list   []func()
	closed bool
	wg     sync.WaitGroup
}

func (q *queue) init() { q.some = sync.NewCond(&q.mu) }

func (q *queue) push(f func()) {
	q.mu.Lock()
	q.list = append(q.list, f)
	q.mu.Unlock()
	q.some.Signal()
}

// start starts a worker.
func (q *queue) start() {
	q.wg.Go(func() {
		for {
			q.mu.Lock()
			for len(q.list) == 0 && !q.closed {
				q.some.Wait()
			}
			if q.closed {
				q.mu.Unlock()
				return
			}
			f := q.list[0]
			q.list[0] = nil
			if q.list = q.list[1:]; len(q.list) == 0 {
				q.list = nil
			}
			q.mu.Unlock()
			f()
		}
	})
}

// stop ends the workers and waits for what they are doing.
func (q *queue) stop() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.some.Broadcast()
	q.wg.Wait()
}
