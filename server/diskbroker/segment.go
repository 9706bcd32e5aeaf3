package diskbroker

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// segmentLog is the log as it is written: the newest file of it, and those that are not safe from a
// failure of the machine yet. The writer calls it, and syncLoop.
type segmentLog struct {
	broker  *Broker
	mark    file
	markBuf []byte
	suspect atomic.Bool // that the file has what was written is not sure

	segment uint64 // the number of the newest file
	salt    uint64
	length  int64 // of its good part

	since atomic.Int64 // bytes in all files since the last state
	files atomic.Int32 // files since the last state

	mu       sync.Mutex // guards what follows
	current  file
	retired  []file // written to no more, to be synced and closed
	needless []file // to be closed
	dirty    bool   // something was written that is not safe

	wanted chan struct{} // capacity 1; there is something to sync
	ending chan struct{} // closed when syncLoop is to end
	ended  chan struct{}
}

// openLog begins a file of the log with this number.
func (b *Broker) openLog(number uint64) (*segmentLog, error) {
	l := &segmentLog{broker: b, segment: number - 1, wanted: make(chan struct{}, 1), ending: make(chan struct{}), ended: make(chan struct{})}
	var err error
	if l.mark, err = b.options.create(b.path(markName), os.O_WRONLY|os.O_CREATE); err != nil {
		return nil, err
	}
	if err := l.rotate(); err != nil {
		_ = l.mark.Close() // nothing was written
		return nil, err
	}
	if b.options.SyncAlways {
		close(l.ended)
	} else {
		go l.syncLoop()
	}
	return l, nil
}

// rotate begins the next file.
func (l *segmentLog) rotate() error {
	number := l.segment + 1
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	salt := binary.LittleEndian.Uint64(random[:])
	path := l.broker.segmentPath(number)
	f, err := l.broker.options.create(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	head := appendSegmentHead(nil, number, salt)
	if _, err = f.WriteAt(head, 0); err == nil {
		if err = f.Sync(); err == nil {
			err = syncDir(l.broker.options.Dir)
		}
	}
	if err != nil {
		_ = f.Close() // it has failed already
		_ = os.Remove(path)
		return err
	}
	l.mu.Lock()
	if l.current != nil {
		l.retired = append(l.retired, l.current)
	}
	l.current = f
	l.mu.Unlock()
	l.segment, l.salt, l.length = number, salt, int64(len(head))
	l.since.Add(l.length)
	l.files.Add(1)
	if l.broker.options.SyncAlways {
		_ = l.sync() // what was written was synced; this closes
	} else {
		l.wantSync()
	}
	return l.writeMark()
}

func (l *segmentLog) writeMark() error {
	l.markBuf = mark{l.segment, l.length}.appendTo(l.markBuf[:0])
	_, err := l.mark.WriteAt(l.markBuf, 0)
	return err
}

// write writes frames, which it seals. Unless it returns an error they are safe: from the end of the process, or
// with SyncAlways from a failure of the machine, too.
func (l *segmentLog) write(b []byte) *DiskError {
	if l.length >= segmentBytes {
		if err := l.rotate(); err != nil {
			return &DiskError{"write", err}
		}
	}
	sealFrames(b, l.salt, l.length)
	if _, err := l.current.WriteAt(b, l.length); err != nil {
		l.undo()
		return &DiskError{"write", err}
	}
	before := l.length
	l.length += int64(len(b))
	if l.broker.options.SyncAlways {
		if err := l.timed(l.current); err != nil {
			l.length = before
			l.suspect.Store(true)
			l.undo()
			return &DiskError{"sync", err}
		}
	}
	if err := l.writeMark(); err != nil {
		l.length = before
		l.suspect.Store(true) // of the mark it is not known what it says
		l.undo()
		return &DiskError{"write", err}
	}
	if !l.broker.options.SyncAlways {
		l.wantSync()
	}
	if l.since.Add(int64(len(b))) > l.broker.logBytesMax() || l.files.Load() > segmentsMax {
		l.broker.wantState()
	}
	return nil
}

// undo takes back what was written behind the good part.
func (l *segmentLog) undo() {
	if err := l.current.Truncate(l.length); err != nil {
		l.suspect.Store(true)
	}
}

func (l *segmentLog) isSuspect() bool { return l.suspect.Load() }

// probe finds out whether there is room again.
func (l *segmentLog) probe() error {
	_, err := l.current.WriteAt(make([]byte, probeBytes), l.length)
	if err == nil && l.broker.options.SyncAlways {
		err = l.timed(l.current)
	}
	l.undo()
	if err == nil && l.isSuspect() {
		err = fmt.Errorf("it cannot be made shorter")
	}
	return err
}

// wantSync has syncLoop sync.
func (l *segmentLog) wantSync() {
	l.mu.Lock()
	was := l.dirty
	l.dirty = true
	l.mu.Unlock()
	if !was {
		l.wanted <- struct{}{} // there is room: dirty is reset after it was taken
	}
}

// syncLoop syncs what was written, SyncInterval after it was.
func (l *segmentLog) syncLoop() {
	defer close(l.ended)
	timer := time.NewTimer(l.broker.options.SyncInterval)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-l.wanted:
		case <-l.ending:
			return
		}
		timer.Reset(l.broker.options.SyncInterval)
		select {
		case <-timer.C:
		case <-l.ending:
			return
		}
		if err := l.sync(); err != nil {
			l.broker.journal.distrust(&DiskError{"sync", err})
		}
	}
}

// sync has everything that was written be safe.
func (l *segmentLog) sync() error {
	l.mu.Lock()
	retired, needless, current := l.retired, l.needless, l.current
	l.retired, l.needless, l.dirty = nil, nil, false
	l.mu.Unlock()
	var err error
	for _, f := range needless {
		_ = f.Close() // there is nothing in it that counts
	}
	for _, f := range retired {
		if !l.broker.options.SyncAlways {
			if e := l.timed(f); e != nil {
				err = e
			}
		}
		if e := f.Close(); e != nil {
			err = e
		}
	}
	if !l.broker.options.SyncAlways {
		if e := l.timed(current); e != nil {
			err = e
		}
	}
	return err
}

func (l *segmentLog) timed(f file) error {
	began := time.Now()
	err := f.Sync()
	l.broker.options.Synced(time.Since(began), err)
	return err
}

// close has everything be safe and closes the files. The writer has ended.
func (l *segmentLog) close() error {
	close(l.ending)
	<-l.ended
	err := l.sync()
	for _, f := range []file{l.mark, l.current} {
		if e := f.Sync(); e != nil {
			err = e
		}
		if e := f.Close(); e != nil {
			err = e
		}
	}
	return err
}

// retire has f be synced and closed with the others.
func (l *segmentLog) retire(f file) {
	l.mu.Lock()
	l.retired = append(l.retired, f)
	l.mu.Unlock()
	l.wantSync()
}

// abandon closes the files without syncing them. The writer has ended.
func (l *segmentLog) abandon() error {
	close(l.ending)
	<-l.ended
	var err error
	for _, f := range slices.Concat(l.retired, l.needless, []file{l.mark, l.current}) {
		if e := f.Close(); e != nil {
			err = e
		}
	}
	l.retired, l.needless = nil, nil
	return err
}
