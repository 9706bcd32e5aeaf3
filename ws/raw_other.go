//go:build !unix && !js

package ws

import "github.com/godwit-io/godwit/internal/wsproto"

// rawConn has no shorter way to the kernel here.
type rawConn struct{}

func (*rawConn) init(*stream)      {}
func (*rawConn) works() bool       { return false }
func (*rawConn) tick(wsproto.Time) {}

func (*rawConn) read([]byte) ([]byte, error)  { panic("unreachable") }
func (*rawConn) tryWrite([]byte) (int, error) { panic("unreachable") }
