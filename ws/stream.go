//go:build !js

package ws

import (
	"crypto/tls"
	"net"
	"time"
)

// stream is the transport of a connection: any net.Conn, with a shorter way to
// the kernel where there is one (see raw_unix.go).
type stream struct {
	nc       net.Conn
	raw      rawConn
	buffer   *[receiveBytes]byte // nil while nothing is being received
	waiting  *[waitBytes]byte    // what a read waits with, if the transport is no socket
	more     bool                // the last read filled its memory
	inflated *[receiveBytes]byte // nil while nothing is being inflated
}

func (s *stream) init(nc net.Conn) {
	s.nc = nc
	s.raw.init(s)
}

// read waits for bytes and returns them: in direct if it is not empty, else in
// the receive buffer, which stays taken until release.
func (s *stream) read(direct []byte) ([]byte, error) {
	if s.raw.works() {
		return s.raw.read(direct)
	}
	b := direct
	if len(b) == 0 {
		b = s.await()
	}
	n, err := s.nc.Read(b)
	if n > 0 {
		s.more = n == len(b)
		return b[:n], nil // an error comes again
	}
	s.release()
	return nil, err
}

// await returns the memory to wait with. A transport that is no socket, such as
// TLS, needs some while it waits, so a short piece must do until it proves too
// short; then the rest is mostly there already.
func (s *stream) await() []byte {
	if s.more {
		return s.receive()
	}
	if s.waiting == nil {
		s.waiting = waitBuffers.Get().(*[waitBytes]byte)
	}
	return s.waiting[:]
}

// receive returns the receive buffer, taking one if there is none.
func (s *stream) receive() []byte {
	if s.buffer == nil {
		s.buffer = receiveBuffers.Get().(*[receiveBytes]byte)
	}
	return s.buffer[:]
}

// scratch returns the buffer for inflated data, taking one if there is none.
func (s *stream) scratch() []byte {
	if s.inflated == nil {
		s.inflated = receiveBuffers.Get().(*[receiveBytes]byte)
	}
	return s.inflated[:]
}

// release gives the buffers back.
func (s *stream) release() {
	if s.inflated != nil {
		receiveBuffers.Put(s.inflated)
		s.inflated = nil
	}
	if s.buffer != nil {
		receiveBuffers.Put(s.buffer)
		s.buffer = nil
	}
	if s.waiting != nil {
		waitBuffers.Put(s.waiting)
		s.waiting = nil
	}
}

// tryWrite writes what the transport takes without waiting, if it can do that.
func (s *stream) tryWrite(p []byte) (int, error) {
	if s.raw.works() {
		return s.raw.tryWrite(p)
	}
	return 0, nil
}

// cuttable reports whether a write can be cut short and continued later. A TLS
// record cannot.
func (s *stream) cuttable() bool { return socketOf(s.nc) != nil }

// socketOf returns the socket that nc is. Whatever is around one could do more
// than pass bytes on, unless it says that it does not: it has a method Socket.
func socketOf(nc net.Conn) net.Conn {
	if wrapper, ok := nc.(interface{ Socket() net.Conn }); ok {
		nc = wrapper.Socket()
	}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return nc
	}
	return nil
}

// close ends the transport. The goodbye of TLS would wait for a peer that does not
// read, so it is left out for one.
func (s *stream) close(deaf bool) {
	if secure, ok := s.nc.(*tls.Conn); ok && deaf {
		secure.NetConn().Close()
	}
	s.nc.Close()
}

// lingerBytesMax is how much a peer may send after it was told that the
// connection is over: a peer in the middle of a large message does not look
// before it is through with it.
const lingerBytesMax = 64 << 20

// linger ends the transport so that what was sent last arrives: it says that no
// more will come, unless it is for the peer to say that first, lets the peer
// finish for a while, and closes. Closing while bytes are unread would reset the
// connection, and the peer would lose what it has not read yet.
func (s *stream) linger(limit time.Duration, waits bool) {
	defer s.nc.Close()
	s.nc.SetReadDeadline(time.Now().Add(limit))
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok && !waits {
		half.CloseWrite()
	}
	b := receiveBuffers.Get().(*[receiveBytes]byte)
	defer receiveBuffers.Put(b)
	for total := 0; total < lingerBytesMax; {
		n, err := s.nc.Read(b[:])
		if err != nil {
			return
		}
		total += n
	}
}
