//go:build unix

package ws

import (
	"io"
	"net"
	"syscall"
)

// rawConn reads and writes a socket's descriptor with the runtime's poller, but
// decides itself when to wait:
//
//   - A receive buffer is taken when bytes are there and not while waiting for
//     them, so an idle connection has none.
//   - A write that the kernel takes at once, nearly every one, needs no deadline.
//
// The functions are made once: a closure for every call would be an allocation.
type rawConn struct {
	conn    syscall.RawConn
	stream  *stream
	readFn  func(fd uintptr) bool
	writeFn func(fd uintptr) bool

	direct, got []byte // read: where to, and what came
	readErr     error

	out      []byte // tryWrite: what to, and how much went
	written  int
	writeErr error
}

// newRawConn returns nil if nc is not a socket.
func newRawConn(nc net.Conn, s *stream) *rawConn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	conn, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	r := &rawConn{conn: conn, stream: s}
	r.readFn = r.readReady
	r.writeFn = r.writeReady
	return r
}

func (r *rawConn) read(direct []byte) ([]byte, error) {
	r.direct, r.got, r.readErr = direct, nil, nil
	err := r.conn.Read(r.readFn)
	got := r.got
	r.direct, r.got = nil, nil
	if err == nil {
		err = r.readErr
	}
	return got, err
}

// readReady is called by the runtime when there may be bytes. It returns false
// to be called again when there are.
func (r *rawConn) readReady(fd uintptr) bool {
	b := r.direct
	if len(b) == 0 {
		b = r.stream.receive()
	}
	for {
		n, err := syscall.Read(int(fd), b)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			r.stream.release()
			return false
		case err != nil:
			r.readErr = &net.OpError{Op: "read", Net: "tcp", Err: err}
		case n == 0:
			r.readErr = io.EOF
		default:
			r.got = b[:n]
			return true
		}
		r.stream.release()
		return true
	}
}

func (r *rawConn) tryWrite(p []byte) (int, error) {
	r.out, r.written, r.writeErr = p, 0, nil
	err := r.conn.Write(r.writeFn)
	r.out = nil
	if err == nil {
		err = r.writeErr
	}
	return r.written, err
}

// writeReady writes what the kernel takes and never waits.
func (r *rawConn) writeReady(fd uintptr) bool {
	for r.written < len(r.out) {
		n, err := syscall.Write(int(fd), r.out[r.written:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return true
		case err != nil:
			r.writeErr = &net.OpError{Op: "write", Net: "tcp", Err: err}
			return true
		}
		r.written += n
	}
	return true
}
