package engine

import "github.com/godwit-io/godwit/engine/internal/httphead"

// UseStreams makes goroutines do the I/O, as on systems without a poller.
func (s *Server) UseStreams() { s.streams = true }

// HeadBytesMax and HeadFieldsMax are the limits on the head of a request.
const (
	HeadBytesMax  = httphead.BytesMax
	HeadFieldsMax = httphead.FieldsMax
)

// The bounds of a slice of a group.
const (
	SliceMembersMax = sliceMembersMax
	SliceBytesMax   = sliceBytesMax
)

// OnLoop has a loop call f.
func (s *Server) OnLoop(index int, f func()) { s.loops[index].do(f) }

// Interfere puts tests between the loops and the system. A nil function leaves
// its call as it is.
func (s *Server) Interfere(
	accept func(call func() error) error,
	read, write func(call func(p []byte) (int, error), p []byte) (int, error),
) {
	k := system
	if accept != nil {
		k.accept = func(fd int32) (conn int32, peer address, err error) {
			conn = -1
			err = accept(func() (err error) {
				conn, peer, err = system.accept(fd)
				return err
			})
			return conn, peer, err
		}
	}
	if read != nil {
		k.read = func(fd int32, p []byte) (int, error) {
			return read(func(p []byte) (int, error) { return system.read(fd, p) }, p)
		}
	}
	if write != nil {
		k.write = func(fd int32, p []byte) (int, error) {
			return write(func(p []byte) (int, error) { return system.write(fd, p) }, p)
		}
	}
	s.kernel = &k
}

// ErrAgain is what a call returns that would have to wait.
var ErrAgain error = errAgain
