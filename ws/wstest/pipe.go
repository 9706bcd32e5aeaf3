package wstest

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// PipeOptions shapes a wire. The zero value and nil are a good one. Pipe panics if
// a number is negative.
type PipeOptions struct {
	// BufferBytes is how much may be under way in each direction before a write
	// blocks. Default 64 KiB.
	BufferBytes int

	// Chunk, if not nil, says how many bytes the next read may return at most,
	// of rest that are there. It is called with a lock held and from both ends.
	Chunk func(rest int) int
}

// Pipe returns the two ends of an in-memory wire. Like a TCP connection it
// buffers, keeps deadlines and can be closed in one direction; closing an end
// while the other still has something to read does not lose it.
func Pipe(o *PipeOptions) (a, b *Wire) {
	var options PipeOptions
	if o != nil {
		options = *o
	}
	switch n := options.BufferBytes; {
	case n < 0:
		panic(fmt.Sprintf("wstest: option BufferBytes: %d is negative; 0 is the default", n))
	case n == 0:
		options.BufferBytes = 64 << 10
	}
	ab, ba := newDirection(options), newDirection(options)
	return &Wire{in: ba, out: ab, name: "a"}, &Wire{in: ab, out: ba, name: "b"}
}

// Wire is one end of a Pipe. It is a net.Conn, and safe for concurrent use. Its
// deadlines cut reads and writes short with os.ErrDeadlineExceeded.
type Wire struct {
	in, out *direction
	name    string
}

var _ net.Conn = (*Wire)(nil)

// Read returns what has arrived. It returns io.EOF after the other end has
// closed and everything was read.
func (w *Wire) Read(p []byte) (int, error) { return w.in.read(p) }

// Write returns when p is in the buffer, in whole or, with an error, in part.
func (w *Wire) Write(p []byte) (int, error) { return w.out.write(p) }

// Close closes both directions.
func (w *Wire) Close() error {
	w.out.closeWrite()
	w.in.closeRead()
	return nil
}

// CloseWrite closes this end's direction: the other end reads io.EOF.
func (w *Wire) CloseWrite() error { w.out.closeWrite(); return nil }

// Buffered returns how many bytes this end has written and the other has not read.
func (w *Wire) Buffered() int { return w.out.len() }

// LocalAddr names this end, in the network "memory".
func (w *Wire) LocalAddr() net.Addr { return addr(w.name) }

// RemoteAddr names the other end.
func (w *Wire) RemoteAddr() net.Addr { return addr("peer of " + w.name) }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (w *Wire) SetDeadline(t time.Time) error {
	w.in.readDeadline.set(w.in, t)
	w.out.writeDeadline.set(w.out, t)
	return nil
}

// SetReadDeadline bounds reads under way and later ones. The zero time: never.
func (w *Wire) SetReadDeadline(t time.Time) error { w.in.readDeadline.set(w.in, t); return nil }

// SetWriteDeadline bounds writes in the same way.
func (w *Wire) SetWriteDeadline(t time.Time) error { w.out.writeDeadline.set(w.out, t); return nil }

type addr string

func (addr) Network() string  { return "memory" }
func (a addr) String() string { return string(a) }

// direction is one direction of a wire.
type direction struct {
	options PipeOptions

	mu            sync.Mutex // guards all below
	changed       *sync.Cond
	buffer        []byte
	writeClosed   bool // nothing more will come
	readClosed    bool // nobody will read
	readDeadline  deadline
	writeDeadline deadline
}

func newDirection(o PipeOptions) *direction {
	d := &direction{options: o}
	d.changed = sync.NewCond(&d.mu)
	return d
}

func (d *direction) read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.readClosed:
			return 0, net.ErrClosed
		case d.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(d.buffer) > 0:
			n := min(len(p), len(d.buffer))
			if d.options.Chunk != nil && n > 0 {
				n = min(n, max(1, d.options.Chunk(n)))
			}
			copy(p, d.buffer[:n])
			d.buffer = d.buffer[n:]
			d.changed.Broadcast()
			return n, nil
		case d.writeClosed:
			return 0, io.EOF
		}
		d.changed.Wait()
	}
}

func (d *direction) write(p []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.writeClosed:
			return n, net.ErrClosed
		case d.readClosed:
			return n, io.ErrClosedPipe
		case d.writeDeadline.passed:
			return n, os.ErrDeadlineExceeded
		}
		take := min(len(p), d.options.BufferBytes-len(d.buffer))
		d.buffer = append(d.buffer, p[:take]...)
		n += take
		p = p[take:]
		if take > 0 {
			d.changed.Broadcast()
		}
		if len(p) == 0 {
			return n, nil
		}
		d.changed.Wait()
	}
}

func (d *direction) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.buffer)
}

func (d *direction) closeWrite() {
	d.mu.Lock()
	d.writeClosed = true
	d.writeDeadline.stop()
	d.changed.Broadcast()
	d.mu.Unlock()
}

func (d *direction) closeRead() {
	d.mu.Lock()
	d.readClosed = true
	d.readDeadline.stop()
	d.changed.Broadcast()
	d.mu.Unlock()
}

// deadline is guarded by its direction's mutex.
type deadline struct {
	passed bool
	timer  *time.Timer
	turn   int // a timer that fires after it was replaced changes nothing
}

func (dl *deadline) set(d *direction, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dl.stop()
	dl.turn++
	dl.passed = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		dl.passed = true
		d.changed.Broadcast()
		return
	}
	turn := dl.turn
	dl.timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if dl.turn == turn {
			dl.passed = true
			d.changed.Broadcast()
		}
	})
}

func (dl *deadline) stop() {
	if dl.timer != nil {
		dl.timer.Stop()
		dl.timer = nil
	}
}
