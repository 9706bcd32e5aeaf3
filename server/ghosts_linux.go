package server

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// controlSocket has the kernel give up a client whose network has gone when what it
// was sent is not acknowledged for ghostTimeout. Connections inherit it from the
// listener. Without it that takes a quarter of an hour, in which the client is a
// member in presence and counts against the limit.
func controlSocket(network, _ string, c syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ghostTimeout/time.Millisecond))
	}); e != nil {
		return e
	}
	return err
}
