package engine

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/internal/proxyproto"
)

const (
	// streamReadBytes is the size of the buffer that a stream reads into.
	streamReadBytes = 16 << 10

	// streamWriteBytes is the most that a stream accepts to write at a time.
	streamWriteBytes = 64 << 10

	// streamPieceBytes is how much the peer must take to be seen to read.
	streamPieceBytes = 16 << 10
)

// stream makes a net.Conn look like a descriptor to a loop: reading and writing
// never wait, and the loop is told when they may be tried again. One goroutine
// reads, and another exists while something is being written.
type stream struct {
	nc      net.Conn
	proxied *proxyproto.Conn // nil: there is no header of the PROXY protocol
	loop    *loop
	conn    *Conn

	mu      sync.Mutex // guards what follows; never held across I/O
	in      []byte     // has arrived, and the loop has not taken it
	inErr   error      // comes after in
	out     []byte     // is being written
	outErr  error
	writing bool
	moved   bool // the peer took something since hasMoved
	fin     bool // after out, the write side is to be shut down
	closed  bool
	waiting bool          // the reader waits for resume
	resume  chan struct{} // capacity 1
	left    chan struct{} // closed when the reader has ended; nil while nothing waits for that
}

// newStream makes a stream of nc. A header of the PROXY protocol comes first if proxied,
// which is inside nc, is not nil.
func newStream(l *loop, c *Conn, nc net.Conn, proxied *proxyproto.Conn) *stream {
	s := &stream{nc: nc, proxied: proxied, loop: l, conn: c, resume: make(chan struct{}, 1)}
	l.server.goroutines.Go(s.readLoop)
	return s
}

// readLoop is the reading goroutine. It ends when the stream is closed or broken.
func (s *stream) readLoop() {
	if s.proxied != nil {
		s.introduce()
	}
	if s.hasChosenHTTP2() {
		s.loop.do(func() { s.loop.surrenderHTTP2(s.conn, s) }) // a loop that has ended has closed it
		return
	}
	buf := make([]byte, streamReadBytes)
	for {
		n, err := s.nc.Read(buf)
		s.mu.Lock()
		s.in, s.inErr = buf[:n], err
		s.waiting = true
		closed := s.closed
		s.signalLeft()
		s.mu.Unlock()
		if closed {
			return
		}
		s.tell()
		<-s.resume
		s.mu.Lock()
		closed = s.closed
		s.signalLeft()
		s.mu.Unlock()
		if closed || err != nil {
			return
		}
	}
}

// signalLeft closes left, if there is one and the stream is closed; mu is held.
func (s *stream) signalLeft() {
	if s.closed && s.left != nil {
		close(s.left)
		s.left = nil
	}
}

// resumeReader lets the reader read more; mu is held.
func (s *stream) resumeReader() {
	if s.waiting {
		s.waiting = false
		s.resume <- struct{}{}
	}
}

// tell makes the loop look at the stream.
func (s *stream) tell() {
	s.conn.mu.Lock()
	s.conn.unlockAndPost()
}

// read copies bytes that have arrived to p, and returns socket.ErrAgain if there are
// none. The reader goes on after the loop has dealt with them: the transport may be
// given away by then.
func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := copy(p, s.in)
	s.in = s.in[n:]
	switch {
	case n > 0:
		return n, nil
	case s.inErr == io.EOF:
		return 0, nil
	case s.inErr != nil:
		return 0, s.inErr
	}
	return 0, socket.ErrAgain
}

// isReadable reports whether read would return something.
func (s *stream) isReadable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.in) > 0 || s.inErr != nil
}

// isWritable reports whether write would accept something.
func (s *stream) isWritable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.writing
}

// hasMoved reports whether the peer took something since the last call.
func (s *stream) hasMoved() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := s.moved
	s.moved = false
	return moved
}

// write accepts some of p unless something is being written.
func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.outErr != nil:
		return 0, s.outErr
	case s.writing || s.closed:
		return 0, socket.ErrAgain
	case len(p) == 0:
		return 0, nil
	}
	s.out = append(s.out[:0], p[:min(len(p), streamWriteBytes)]...)
	s.writing, s.moved = true, false
	s.loop.server.goroutines.Go(s.writeLoop)
	return len(s.out), nil
}

// writeLoop is the writing goroutine.
func (s *stream) writeLoop() {
	s.mu.Lock()
	out := s.out
	s.mu.Unlock()
	var err error
	for len(out) > 0 && err == nil {
		piece := out[:min(len(out), streamPieceBytes)]
		if _, err = s.nc.Write(piece); err == nil {
			out = out[len(piece):]
			s.mu.Lock()
			s.moved = true
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	s.out = nil
	s.writing = false
	s.outErr = err
	fin, closed := s.fin, s.closed
	s.mu.Unlock()
	if closed {
		if nc, ok := s.nc.(*tls.Conn); ok && err != nil {
			nc.NetConn().Close() // a goodbye would wait for a peer that does not read
		}
		s.nc.Close()
		return
	}
	if fin {
		s.closeWrite()
	}
	s.tell()
}

// shutdown shuts the write side down behind the write that is under way.
func (s *stream) shutdown() {
	s.mu.Lock()
	s.fin = true
	now := !s.writing
	s.mu.Unlock()
	if now {
		s.loop.server.goroutines.Go(s.closeWrite) // TLS writes an alert
	}
}

func (s *stream) closeWrite() {
	if nc, ok := s.nc.(interface{ CloseWrite() error }); ok {
		_ = nc.CloseWrite() // the peer learns of the end when we close, at the latest
	}
}

// longAgo is a deadline that cuts a blocked call short.
var longAgo = time.Unix(1, 0)

// close closes the transport. Closing TLS writes, so the loop does not wait for that.
func (s *stream) close() {
	s.mu.Lock()
	s.closed = true
	writing := s.writing
	s.resumeReader()
	s.mu.Unlock()
	_ = s.nc.SetReadDeadline(longAgo) // ends the read under way
	if writing {
		_ = s.nc.SetWriteDeadline(longAgo) // and the write, which closes
		return
	}
	s.loop.server.goroutines.Go(func() { s.nc.Close() }) // with a goodbye of TLS
}

// isSecure reports whether the stream is TLS to this process.
func (s *stream) isSecure() bool { return isTLS(s.nc) }

// streamOf returns nil for a descriptor. The loop calls it.
func (c *Conn) streamOf() *stream {
	if c.fd >= 0 {
		return nil
	}
	return c.stream()
}

// visitStream does for a stream what an event of the poller does for a descriptor.
func (l *loop) visitStream(c *Conn, s *stream) {
	if c.mode&wantsWrite != 0 && s.isWritable() {
		l.unblock(c)
		l.flush(c)
	}
	if c.state == stateClosed || c.paused() {
		return
	}
	if s.isReadable() {
		l.read(c)
	}
	if c.state == stateClosed {
		return
	}
	s.mu.Lock()
	more := len(s.in) > 0 || s.inErr != nil
	if !more {
		s.resumeReader() // not if something came since: it would be overwritten
	}
	s.mu.Unlock()
	if more {
		s.tell() // one buffer in a turn, like every connection
	}
}

// isSending reports whether the transport is still at work on bytes that it accepted.
func (l *loop) isSending(c *Conn) bool {
	if c.mode&secured != 0 {
		return c.linkOf().IsWaiting()
	}
	s := c.streamOf()
	return s != nil && !s.isWritable()
}

func addrPortOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}
