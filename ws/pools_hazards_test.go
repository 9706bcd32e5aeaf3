//go:build !js

package ws

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Stale is what a Sweeper leaves in a buffer that was given back. It is no ASCII,
// no valid UTF-8 and no frame that a peer would take.
const Stale = 0xDB

var stale = bytes.Repeat([]byte{Stale}, sendBytesMax)

func poison(b []byte) {
	for len(b) > 0 {
		b = b[copy(b, stale):]
	}
}

// Also a buffer that nobody has used begins full of Stale bytes here, in every
// test of the package: that make gives zeros is nothing to rely on.
func init() {
	receiveBuffers.New = receiveSpares.make
	waitBuffers.New = waitSpares.make
	sendBuffers.New = sendSpares.make
}

var (
	receiveSpares = spares{pool: &receiveBuffers, kept: make(chan any, 4), fresh: func() any { return new([receiveBytes]byte) }}
	waitSpares    = spares{pool: &waitBuffers, kept: make(chan any, 4), fresh: func() any { return new([waitBytes]byte) }}
	sendSpares    = spares{pool: &sendBuffers, kept: make(chan any, 4), fresh: func() any { return new(make([]byte, 0, 256)) }}
)

// spares makes the buffers of a pool, and knows when it was empty.
type spares struct {
	pool  *sync.Pool
	fresh func() any
	made  atomic.Int64
	kept  chan any // made for a sweep that only wanted to know
}

func (s *spares) make() any {
	s.made.Add(1)
	select {
	case b := <-s.kept:
		return b
	default:
	}
	b := s.fresh()
	poison(memory(b))
	return b
}

// memory is all of a buffer of any pool.
func memory(b any) []byte {
	switch b := b.(type) {
	case *[]byte:
		return (*b)[:cap(*b)]
	case *[waitBytes]byte:
		return b[:]
	}
	return b.(*[receiveBytes]byte)[:]
}

// sweep poisons what lies in the pool and returns how many buffers of it held
// something else.
func (s *spares) sweep() (dirty int64) {
	var found []any
	for {
		made := s.made.Load()
		b := s.pool.Get()
		if s.made.Load() != made { // it was empty
			select {
			case s.kept <- b:
			default:
			}
			break
		}
		if m := memory(b); bytes.Count(m, stale[:1]) < len(m) {
			dirty++
			poison(m)
		}
		found = append(found, b)
	}
	for _, b := range found {
		s.pool.Put(b)
	}
	return dirty
}

// Sweeper overwrites the buffers that lie in the pools, whenever the goroutines
// under test have nothing to do: what reads or writes a buffer that it has given
// back, or a byte of a buffer that it has not filled, sees Stale bytes.
type Sweeper struct {
	swept      atomic.Int64
	sockets    atomic.Bool
	stopping   atomic.Bool
	done       sync.WaitGroup
	processors int
}

// StartSweeper starts one. With the single processor that it allows, each pool has
// one place, and the sweeper runs when nobody else can.
func StartSweeper() *Sweeper {
	s := &Sweeper{processors: runtime.GOMAXPROCS(1)}
	s.done.Go(func() {
		for idle := 0; !s.stopping.Load(); idle++ {
			if s.Sweep() > 0 {
				idle = 0
			}
			if idle < sweepsIdle || !s.sockets.Load() {
				runtime.Gosched()
				continue
			}
			<-time.After(10 * time.Microsecond)
		}
	})
	return s
}

// sweepsIdle is how many sweeps find nothing before a sweeper makes a pause.
const sweepsIdle = 20

// OverSockets has the sweeper make a pause when it finds nothing for a while: as
// long as something can run, the scheduler looks at sockets every 10 ms only.
func (s *Sweeper) OverSockets() { s.sockets.Store(true) }

// Sweep overwrites what lies in the pools now, and returns how many buffers held
// something else.
func (s *Sweeper) Sweep() int64 {
	n := receiveSpares.sweep() + waitSpares.sweep() + sendSpares.sweep()
	s.swept.Add(n)
	return n
}

// Swept returns how many buffers held something that was overwritten.
func (s *Sweeper) Swept() int64 { return s.swept.Load() }

// Stop ends it and waits.
func (s *Sweeper) Stop() {
	s.stopping.Store(true)
	s.done.Wait()
	runtime.GOMAXPROCS(s.processors)
}
