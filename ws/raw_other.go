//go:build !unix

package ws

import "net"

// rawConn has no shorter way to the kernel here.
type rawConn struct{}

func newRawConn(net.Conn, *stream) *rawConn { return nil }

func (*rawConn) read([]byte) ([]byte, error)  { panic("unreachable") }
func (*rawConn) tryWrite([]byte) (int, error) { panic("unreachable") }
