package main

import "sync"

// queueMax is how many publications may wait for one subscriber; a publisher
// waits for a subscriber that has no room. It is more than any window here.
const queueMax = 1024

// room sends what is published to all members, each through a goroutine that
// writes. T is a message in the form that the library prepares for many.
type room[T any] struct {
	mu      sync.Mutex
	members map[chan T]struct{}
}

// join writes what is published, until leave is called.
func (r *room[T]) join(write func(T) error) (leave func()) {
	queue := make(chan T, queueMax)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		failed := false
		for message := range queue {
			failed = failed || write(message) != nil // a dead one drains its queue until it leaves
		}
	}()
	r.mu.Lock()
	if r.members == nil {
		r.members = map[chan T]struct{}{}
	}
	r.members[queue] = struct{}{}
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		delete(r.members, queue)
		close(queue)
		r.mu.Unlock()
		<-gone
	}
}

func (r *room[T]) publish(message T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for queue := range r.members {
		queue <- message
	}
}
