package diskbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// A disk that is full: publishers are told, reads go on, and it recovers by itself. What was refused is nowhere, and
// what was acknowledged is, also after kill -9.
func TestDiskIsFull(t *testing.T) {
	for _, always := range []bool{false, true} {
		t.Run(fmt.Sprintf("always %v", always), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &faulty{room: -1, err: syscall.ENOSPC}
				f := newFixture(t, func(o *Options) { o.SyncAlways, o.create = always, disk.create })
				f.publish("c", "1", "2")
				if err := f.Health(t.Context()); err != nil {
					t.Fatal(err)
				}
				for round := range 3 {
					disk.set(func(d *faulty) { d.room = 150 }) // for one and a half
					var refused int
					for i := range 10 {
						data := fmt.Sprintf("%d %d %s", round, i, strings.Repeat("x", 50))
						p := f.put(hub.Message{Channel: "c", Data: []byte(data), IdempotencyKey: data[:3]}, plenty)
						if p.Err == nil {
							f.truth["c"] = append(f.truth["c"], sent{p.Position, data})
							continue
						}
						refused++
						var problem *DiskError
						if !errors.As(p.Err, &problem) || !errors.Is(p.Err, syscall.ENOSPC) {
							t.Errorf("refused with %v", p.Err)
						}
					}
					if refused < 8 {
						t.Errorf("%d of 10 were refused", refused)
					}
					if err := f.Health(t.Context()); !errors.Is(err, syscall.ENOSPC) {
						t.Errorf("Health says %v", err)
					}
					if err := f.Clear(t.Context(), "c"); !errors.Is(err, syscall.ENOSPC) {
						t.Errorf("Clear says %v", err)
					}
					f.check() // reads go on
					<-time.After(10 * retryInterval)
					if err := f.Health(t.Context()); err == nil {
						t.Error("it is well without room")
					}
					disk.set(func(d *faulty) { d.room = -1 })
					<-time.After(3 * retryInterval)
					if err := f.Health(t.Context()); err != nil {
						t.Errorf("with room again, Health says %v", err)
					}
					// A key that was refused was not seen.
					if p := f.put(hub.Message{Channel: "c", Data: []byte("again"), IdempotencyKey: fmt.Sprintf("%d 9", round)}, plenty); p.Err != nil || p.Duplicate {
						t.Errorf("a key that was refused: %+v", p)
					} else {
						f.truth["c"] = append(f.truth["c"], sent{p.Position, "again"})
					}
					f.publish("c", fmt.Sprint("after it ", round))
					if gaps := f.check(); gaps != 0 {
						t.Errorf("%d gaps", gaps)
					}
					f.kill()
					f.open()
					if gaps := f.check(); gaps != 0 {
						t.Errorf("%d gaps after it was opened again", gaps)
					}
				}
				f.wantLogged("the disk takes nothing")
				f.wantLogged("the disk takes what is published again")
			})
		})
	}
}

// A disk that cannot say that something is safe, or does not make a file shorter: what it has is written anew.
func TestDiskFails(t *testing.T) {
	broken := errors.New("broken")
	for name, fail := range map[string]func(*faulty){
		"sync":     func(d *faulty) { d.sync = broken },
		"truncate": func(d *faulty) { d.room, d.err, d.cut = 40, broken, broken },
	} {
		for _, always := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, always %v", name, always), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					disk := &faulty{room: -1}
					f := newFixture(t, func(o *Options) { o.SyncAlways, o.create = always, disk.create })
					f.publish("c", "1", "2")
					disk.set(fail)
					long := strings.Repeat("3", 100)
					if p := f.put(hub.Message{Channel: "c", Data: []byte(long)}, plenty); p.Err == nil {
						f.truth["c"] = append(f.truth["c"], sent{p.Position, long})
					} else if !errors.Is(p.Err, broken) {
						t.Errorf("refused with %v", p.Err)
					}
					<-time.After(5 * retryInterval)
					if err := f.Health(t.Context()); !errors.Is(err, broken) {
						t.Errorf("Health says %v", err)
					}
					f.check()
					disk.set(func(d *faulty) { d.sync, d.cut, d.room = nil, nil, -1 })
					<-time.After(3 * retryInterval)
					if err := f.Health(t.Context()); err != nil {
						t.Fatalf("when it works again, Health says %v", err)
					}
					f.publish("c", "4", "5")
					f.kill()
					f.open()
					if gaps := f.check(); gaps != 0 {
						t.Errorf("%d gaps", gaps)
					}
				})
			})
		}
	}
}

// A disk that does not answer is said to be unwell, and nothing is lost by it.
func TestDiskStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &faulty{room: -1}
		f := newFixture(t, func(o *Options) { o.create = disk.create })
		stall := make(chan struct{})
		disk.set(func(d *faulty) { d.stall = stall })
		a := make(answer, 1)
		f.Publish(hub.Message{Channel: "c", Data: []byte("1")}, plenty, a, 0)
		<-time.After(stallTime - time.Millisecond)
		if err := f.Health(t.Context()); err != nil {
			t.Errorf("Health says %v", err)
		}
		<-time.After(2 * time.Millisecond)
		if err := f.Health(t.Context()); err == nil || len(a) != 0 {
			t.Errorf("Health says %v, with %d answers", err, len(a))
		}
		disk.set(func(d *faulty) { d.stall = nil })
		close(stall)
		if p := <-a; p.Err != nil {
			t.Error(p.Err)
		}
		if err := f.Health(t.Context()); err != nil {
			t.Errorf("Health says %v", err)
		}
	})
}

// A directory that cannot be written when it is opened is an error, and one that fails while it is closed, too.
func TestDiskFailsAtTheEdges(t *testing.T) {
	disk := &faulty{room: -1}
	f := newFixture(t, func(o *Options) { o.create = disk.create })
	f.publish("c", "1")
	broken := errors.New("broken")
	disk.set(func(d *faulty) { d.sync = broken })
	if err := f.Broker.Close(); !errors.Is(err, broken) {
		t.Errorf("Close says %v", err)
	}
	b, err := New(&f.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(nobody{}); !errors.Is(err, broken) {
		t.Errorf("Start says %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close of what was not opened says %v", err)
	}
	disk.set(func(d *faulty) { d.sync = nil })
	f.open()
	if gaps := f.check(); gaps != 0 {
		t.Errorf("%d gaps", gaps)
	}
}

// Publishers that are many, a disk that fails now and then, and a process that dies in the middle: what was acknowledged is
// there, once and in order, and what was refused is not.
func TestFailsUnderLoad(t *testing.T) {
	t.Parallel() // the disk is waited for
	disk := &faulty{room: -1, err: syscall.ENOSPC}
	f := newFixture(t, func(o *Options) { o.create, o.LogBytes = disk.create, 128<<10 })
	var mu sync.Mutex
	var refused int
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				channel := fmt.Sprintf("c%d", i)
				for k := range 150 {
					if i == 0 && k == 50 {
						disk.set(func(d *faulty) { d.room = 800 })
					}
					if i == 0 && k == 100 {
						disk.set(func(d *faulty) { d.room = -1 })
					}
					data := fmt.Sprintf("%d %d", round, k)
					p := f.put(hub.Message{Channel: channel, Data: []byte(data)}, plenty)
					mu.Lock()
					if p.Err == nil {
						f.truth[channel] = append(f.truth[channel], sent{p.Position, data})
					} else {
						refused++
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		deadline, cancel := context.WithTimeout(t.Context(), patience)
		for f.Health(deadline) != nil && deadline.Err() == nil {
			wait := time.NewTimer(10 * time.Millisecond)
			<-wait.C
		}
		cancel()
		f.check()
		f.kill()
		f.open()
		if gaps := f.check(); gaps != 0 {
			t.Fatalf("%d gaps", gaps)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	f.checkGoesOn()
}
