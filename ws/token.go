//go:build !js

package ws

import "context"

// token is a right that one goroutine has at a time. It goes to the waiting
// goroutines in the order in which they came. Its Conn's mu guards it: a goroutine
// that takes a right has something to do under mu anyway, and an idle connection
// pays for no channel.
type token struct {
	// last is nil while nobody has the right, nobody while somebody has it and
	// nobody waits, and else the last of the waiters: last.next is the first,
	// and so on round to last.
	last *waiter
}

type waiter struct {
	ready chan struct{} // closed when the right is the waiter's
	next  *waiter
}

var nobody = &waiter{}

func (t *token) held() bool { return t.last != nil }

// take reports whether the right was free, and takes it.
func (t *token) take() bool {
	if t.held() {
		return false
	}
	t.last = nobody
	return true
}

// give gives the right back, or on.
func (t *token) give() {
	if t.last == nobody {
		t.last = nil
		return
	}
	first := t.last.next
	t.remove(t.last)
	close(first.ready)
}

// wait gets in line.
func (t *token) wait() *waiter {
	w := &waiter{ready: make(chan struct{})}
	if t.last == nobody {
		w.next = w
	} else {
		w.next, t.last.next = t.last.next, w
	}
	t.last = w
	return w
}

// leave leaves the line. If the right had come meanwhile, it goes on.
func (t *token) leave(w *waiter) {
	if t.last != nobody {
		for before := t.last; ; before = before.next {
			if before.next == w {
				t.remove(before)
				return
			}
			if before.next == t.last {
				break
			}
		}
	}
	t.give()
}

// remove takes the one behind before out of the line.
func (t *token) remove(before *waiter) {
	w := before.next
	before.next = w.next
	switch {
	case before == w:
		t.last = nobody
	case w == t.last:
		t.last = before
	}
}

// acquire takes t and locks mu, unless the connection or ctx ends first: then it
// returns why, and mu is not locked.
func (c *Conn) acquire(ctx context.Context, t *token) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed == nil && t.take() {
		return nil
	}
	return c.acquireLater(ctx, t)
}

// tryAcquire is acquire without waiting. It reports whether t is taken and mu
// locked.
func (c *Conn) tryAcquire(t *token) bool {
	c.mu.Lock()
	if c.closed == nil && t.take() {
		return true
	}
	c.mu.Unlock()
	return false
}

// acquireLater waits for t. It is apart from acquire so that the stack of a
// goroutine that only waits for the peer stays small.
func (c *Conn) acquireLater(ctx context.Context, t *token) error {
	if c.closed != nil {
		defer c.mu.Unlock()
		return c.closed
	}
	mine, done := t.wait(), c.ended()
	c.mu.Unlock()
	var err error
	select {
	case <-mine.ready:
		c.mu.Lock()
		if c.closed == nil {
			return nil
		}
		err = c.closed
		t.give()
		c.mu.Unlock()
		return err
	case <-ctx.Done():
		err = ctx.Err()
	case <-done:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.leave(mine)
	if err == nil {
		err = c.closed
	}
	return err
}
