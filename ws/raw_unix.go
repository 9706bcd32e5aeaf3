//go:build unix

package ws

import (
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// rawConn reads and writes a socket's descriptor with the runtime's poller, but
// decides itself when to wait:
//
//   - A receive buffer is taken when bytes are there and not while waiting for
//     them, so an idle connection has none.
//   - A write that the kernel takes at once, nearly every one, needs no deadline.
//   - A goroutine that has just handled a message lets others go first, see yield.
type rawConn struct {
	conn   syscall.RawConn // nil: the transport is something else
	stream *stream
	ready  func(fd uintptr) bool // r.readReady, made once: a closure for every read would be an allocation
	buf    []byte                // where to, and then what came
	err    error
	turn   turn
}

func (r *rawConn) init(s *stream) {
	socket := socketOf(s.nc)
	if socket == nil {
		return
	}
	conn, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		return
	}
	r.conn, r.stream = conn, s
	r.ready = r.readReady
}

func (r *rawConn) works() bool { return r.conn != nil }

// tick is told the time when what was read is looked at.
func (r *rawConn) tick(now wsproto.Time) { r.turn.tick(now) }

func (r *rawConn) read(direct []byte) ([]byte, error) {
	r.turn.yield()
	r.buf, r.err = direct, nil
	err := r.conn.Read(r.ready)
	got := r.buf
	r.buf = nil
	if err == nil {
		err = r.err
	}
	if err != nil {
		return nil, err
	}
	return got, nil
}

// readReady is called by the runtime when there may be bytes. It returns false
// to be called again when there are.
func (r *rawConn) readReady(fd uintptr) bool {
	b := r.buf
	if len(b) == 0 {
		b = r.stream.receive()
	}
	n, err := recv(fd, b)
	if n > 0 {
		r.buf = b[:n]
		r.turn.came()
		return true
	}
	r.stream.release()
	switch {
	case err == syscall.EAGAIN:
		r.turn.waits()
		return false
	case err == nil:
		r.err = io.EOF
	default:
		r.err = &net.OpError{Op: "read", Net: "tcp", Err: err}
	}
	return true
}

// turn decides whether a goroutine that has just handled a message looks for the
// next one at once.
//
// Mostly it is not there yet: the peer has only been answered. Looking then is a
// system call for nothing, and after it the goroutine waits, is found by the
// poller and made ready again, all of which costs more than the message. When
// there are others to run, it is better to let them, and to look when they are
// through: by then it has mostly come. When it has not, that is a sign that
// there are no others, and the next times do without.
//
// Many connections that keep finding something would keep the scheduler from
// asking the poller for those that wait, so each waits there itself when it has
// not for turnTimeMax.
type turn struct {
	from   uint32 // when it first found something since it waited, in units of turnUnit
	skip   uint8  // so many times are done without
	missed uint8  // so many times in a row, up to turnMissedMax, the bytes had not come
	asked  bool   // the others were let run, and nothing has been seen since
	waited bool   // and found nothing yet
}

const (
	turnMissedMax = 3

	turnUnit    = 1 << 18 // ns, a quarter of a millisecond
	turnTimeMax = 12
)

func (t *turn) yield() {
	t.asked = t.skip == 0
	if !t.asked {
		t.skip--
		return
	}
	runtime.Gosched()
}

func (t *turn) came() {
	if t.asked {
		t.asked, t.missed = false, 0
	}
}

func (t *turn) waits() {
	t.waited = true
	if !t.asked {
		return
	}
	t.asked = false
	t.missed = min(t.missed+1, turnMissedMax)
	t.skip = 1<<t.missed - 1
}

// tick is called with the time when something was found.
func (t *turn) tick(now wsproto.Time) {
	at := uint32(now / turnUnit)
	switch {
	case t.waited:
		t.waited, t.from = false, at
	case at-t.from > turnTimeMax:
		t.skip = max(t.skip, 1)
	}
}

// rawWrite is a write under way.
type rawWrite struct {
	ready   func(fd uintptr) bool
	out     []byte
	written int
	err     error
}

var rawWrites = sync.Pool{New: func() any {
	w := new(rawWrite)
	w.ready = w.writeReady
	return w
}}

// tryWrite writes what the kernel takes and never waits.
func (r *rawConn) tryWrite(p []byte) (int, error) {
	w := rawWrites.Get().(*rawWrite)
	w.out, w.written, w.err = p, 0, nil
	err := r.conn.Write(w.ready)
	if err == nil {
		err = w.err
	}
	n := w.written
	w.out, w.err = nil, nil
	rawWrites.Put(w)
	return n, err
}

func (w *rawWrite) writeReady(fd uintptr) bool {
	for w.written < len(w.out) {
		n, err := send(fd, w.out[w.written:])
		if err != nil {
			if err != syscall.EAGAIN {
				w.err = &net.OpError{Op: "write", Net: "tcp", Err: err}
			}
			return true
		}
		w.written += n
	}
	return true
}
