package engine

import (
	"github.com/godwit-io/godwit/engine/internal/httphead"
	"github.com/godwit-io/godwit/engine/internal/socket"
)

// UseStreams makes goroutines do the I/O, as on systems without a poller.
func (s *Server) UseStreams() { s.streams = true }

// HeadBytesMax and HeadFieldsMax are the limits on the head of a request.
const (
	HeadBytesMax  = DefaultHeadBytesMax
	HeadFieldsMax = httphead.FieldsMax
)

// OnLoop has a loop call f.
func (s *Server) OnLoop(index int, f func()) { s.loops[index].do(f) }

// Interfere puts tests between the loops and the system. A nil function leaves
// its call as it is.
func (s *Server) Interfere(
	accept func(call func() error) error,
	read, write func(call func(p []byte) (int, error), p []byte) (int, error),
) {
	k := socket.System
	if accept != nil {
		k.Accept = func(fd int32) (conn int32, peer socket.Address, err error) {
			conn = -1
			err = accept(func() (err error) {
				conn, peer, err = socket.System.Accept(fd)
				return err
			})
			return conn, peer, err
		}
	}
	if read != nil {
		k.Read = func(fd int32, p []byte) (int, error) {
			return read(func(p []byte) (int, error) { return socket.System.Read(fd, p) }, p)
		}
	}
	if write != nil {
		k.Write = func(fd int32, p []byte) (int, error) {
			return write(func(p []byte) (int, error) { return socket.System.Write(fd, p) }, p)
		}
	}
	s.kernel = &k
}

// ErrAgain is what a call returns that would have to wait.
var ErrAgain error = socket.ErrAgain

// Turns returns how many turns the loops have made, as Stats knows it.
func (s *Server) Turns() (n uint64) {
	for _, l := range s.Stats() {
		n += l.turns
	}
	return n
}

// OnLoop reports whether a loop does c's I/O.
func (c *Conn) OnLoop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fd >= 0
}
