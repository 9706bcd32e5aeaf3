package workers

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is a Job that is a function.
type call func()

func (c call) Call() { c() }

func settle(t *testing.T, p *Pool) {
	t.Helper()
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// No more calls run at the same time than there may be workers, and all are made,
// in the order in which they came.
func TestPoolIsBounded(t *testing.T) {
	for _, workers := range []int{-1, 1, 3} {
		p := New(workers)
		var mu sync.Mutex
		running, most, next := 0, 0, 0
		release := make(chan struct{})
		const calls = 100
		for range calls {
			p.Submit(call(func() {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				<-release
				mu.Lock()
				running--
				next++
				mu.Unlock()
			}))
		}
		if s := p.Stats(); s.Workers != p.Max() || s.Busy+s.Waiting != calls {
			t.Errorf("%d workers: %+v", workers, s)
		}
		close(release)
		settle(t, p)
		if most > max(workers, 1) || next != calls {
			t.Errorf("%d workers: %d calls at a time, %d in all", workers, most, next)
		}
		if s := p.Stats(); s.Busy != 0 || s.Waiting != 0 || s.Calls != calls {
			t.Errorf("%d workers, at the end: %+v", workers, s)
		}
	}
}

// Jobs have their turn in the order in which they were submitted.
func TestPoolKeepsOrder(t *testing.T) {
	p := New(1)
	var order []int
	for i := range 1000 {
		p.Submit(call(func() { order = append(order, i) }))
	}
	settle(t, p)
	for i, got := range order {
		if got != i {
			t.Fatalf("call %d came as number %d", got, i)
		}
	}
	if len(order) != 1000 {
		t.Errorf("%d calls", len(order))
	}
}

// A call that ends its goroutine costs a goroutine, and no worker.
func TestPoolOutlivesGoexit(t *testing.T) {
	p := New(2)
	var made sync.WaitGroup
	for i := range 20 {
		made.Add(1)
		p.Submit(call(func() {
			defer made.Done()
			if i%2 == 0 {
				runtime.Goexit()
			}
		}))
	}
	made.Wait()
	settle(t, p)
	if s := p.Stats(); s.Calls != 20 || s.Busy != 0 {
		t.Errorf("%+v", s)
	}
}

// Waiting names the job that has waited longest, and Wait obeys its context.
func TestPoolWaiting(t *testing.T) {
	p := New(1)
	begun, release := make(chan struct{}), make(chan struct{})
	p.Submit(call(func() {
		close(begun)
		<-release
	}))
	<-begun
	first := &named{}
	p.Submit(first)
	p.Submit(&named{})
	if calls, n, job := p.Waiting(); calls != 1 || n != 2 || job != first {
		t.Errorf("%d have begun, %d wait, %v is first", calls, n, job)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); err != context.Canceled {
		t.Errorf("Wait: %v", err)
	}
	close(release)
	settle(t, p)
}

type named struct{ _ int }

func (*named) Call() {}
