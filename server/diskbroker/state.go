package diskbroker

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// stateWriter is the goroutine that writes the state when the log has become long.
type stateWriter struct {
	ending   chan struct{} // closed when it is to end; nil when it does not run
	ended    chan struct{}
	isEnding atomic.Bool
}

var errEnding = errors.New("the broker is being closed")

func (s *stateWriter) start(b *Broker) {
	ending, ended := make(chan struct{}), make(chan struct{})
	s.ending, s.ended = ending, ended
	s.isEnding.Store(false)
	go func() {
		defer close(ended)
		b.stateLoop(ending)
	}()
}

func (s *stateWriter) stop() {
	if s.ending == nil {
		return
	}
	s.isEnding.Store(true)
	close(s.ending)
	<-s.ended
	s.ending = nil
}

// wantState has the state be written.
func (b *Broker) wantState() {
	select {
	case b.wanted <- struct{}{}:
	default: // it will be
	}
}

// logBytesMax is how long the log may be before the state is written.
func (b *Broker) logBytesMax() int64 { return max(b.options.LogBytes, b.stateBytes.Load()) }

func (b *Broker) stateLoop(ending <-chan struct{}) {
	pause := time.NewTimer(statePause)
	pause.Stop()
	defer pause.Stop()
	for {
		select {
		case <-b.wanted:
		case <-ending:
			return
		}
		began := time.Now()
		err := b.renewState()
		switch {
		case err == nil:
			b.options.Logger.Debug("wrote the state", "dir", b.options.Dir, "bytes", b.stateBytes.Load(), "took", time.Since(began))
			continue
		case errors.Is(err, errEnding):
			return
		}
		b.stateFails.Add(1)
		b.options.Logger.Error("cannot write the state; the log becomes longer", "dir", b.options.Dir, "error", err)
		pause.Reset(statePause)
		select {
		case <-pause.C:
			b.wantState()
		case <-ending:
			return
		}
	}
}

// statePause is how long after a failure the state is written again.
const statePause = 10 * time.Second

// renewState begins another file of the log, writes the state as it is then or later, and removes
// what was before.
func (b *Broker) renewState() error {
	var number uint64
	err := errEnding
	j := b.journal
	j.do(func() {
		if err = j.log.rotate(); err != nil {
			return
		}
		number = j.log.segment
		j.log.since.Store(j.log.length)
		j.log.files.Store(1)
		j.settle() // everything before it is in memory now
	})
	if err != nil {
		return err
	}
	return b.writeState(number)
}

// writeState writes everything up to the beginning of the file of the log with this number, or later.
func (b *Broker) writeState(number uint64) error {
	var written int64
	err := b.replace(b.statePath(number), func(w io.Writer) error {
		s := newSealer(w, number)
		if err := b.WriteState(stoppable{s, &b.stateOf.isEnding}); err != nil {
			return err
		}
		err := s.end()
		written = s.written
		return err
	})
	if err != nil {
		return err
	}
	b.stateBytes.Store(written)
	return b.removeBefore(number)
}

// stoppable is a writer that fails when isEnding.
type stoppable struct {
	io.Writer
	isEnding *atomic.Bool
}

func (s stoppable) Write(p []byte) (int, error) {
	if s.isEnding.Load() {
		return 0, errEnding
	}
	return s.Writer.Write(p)
}

// removeBefore removes the files that a state with this number makes needless.
func (b *Broker) removeBefore(number uint64) error {
	c, err := b.scan()
	if err != nil {
		return err
	}
	for _, n := range c.segments {
		if n < number {
			err = errors.Join(err, os.Remove(b.segmentPath(n)))
		}
	}
	for _, n := range c.states {
		if n < number {
			err = errors.Join(err, os.Remove(b.statePath(n)))
		}
	}
	return err
}

// writeAnew has the state be all there is: what the log has is not to be trusted. The writer calls
// it, when everything was told.
func (b *Broker) writeAnew(l *segmentLog) error {
	if err := l.rotate(); err != nil {
		return err
	}
	l.since.Store(l.length)
	l.files.Store(1)
	if err := b.writeState(l.segment); err != nil {
		return err
	}
	l.mu.Lock()
	l.needless = append(l.needless, l.retired...)
	l.retired = nil
	l.mu.Unlock()
	if !b.options.SyncAlways {
		l.wantSync()
	}
	l.suspect.Store(false)
	return nil
}
