package relay

import (
	"io"
	"sync"
)

// line is a connection whose writing never waits: frames are put into a buffer, which a
// goroutine writes.
type line struct {
	conn   io.ReadWriteCloser
	onIdle func() // is called, with no lock held, when everything is written; may be nil

	mu      sync.Mutex // guards what follows
	out     []byte     // is to be written
	writing int        // bytes that are being written
	closed  bool
	rouse   chan struct{} // capacity 1; nil once closed
	done    chan struct{} // closed when the goroutine has ended
}

func newLine(conn io.ReadWriteCloser) *line {
	return &line{conn: conn, rouse: make(chan struct{}, 1), done: make(chan struct{})}
}

// send has add append a frame to the buffer. It returns false, and does not
// call add, when the line is closed or more than limit bytes wait already.
func (l *line) send(limit int, add func(dst []byte) []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.out)+l.writing > limit {
		return false
	}
	l.out = add(l.out)
	l.wakeLocked()
	return true
}

// wake has onIdle called again when everything is written.
func (l *line) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked()
}

func (l *line) wakeLocked() {
	select {
	case l.rouse <- struct{}{}:
	default: // it is awake
	}
}

// writeLoop writes until the line is closed.
func (l *line) writeLoop() {
	defer close(l.done)
	var spare []byte
	for range l.rouse {
		for {
			l.mu.Lock()
			if l.closed {
				l.mu.Unlock()
				return
			}
			b := l.out
			l.out, l.writing = spare[:0], len(b)
			l.mu.Unlock()
			if len(b) == 0 {
				spare = b // the two have changed places
				break
			}
			if _, err := l.conn.Write(b); err != nil {
				l.close()
				return
			}
			spare = b
			if cap(spare) > 4*readBytes {
				spare = nil
			}
		}
		if l.onIdle != nil {
			l.onIdle()
		}
	}
}

// close ends the line, and what waits for its connection.
func (l *line) close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed, l.out = true, nil
	l.mu.Unlock()
	l.wake()
	_ = l.conn.Close() // it is of no more use
}

func (l *line) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
