//go:build unix

package redisbroker

import "syscall"

// hasEnded reports whether the peer has closed a connection of which all was read.
func hasEnded(raw syscall.RawConn) bool {
	ended := false
	_ = raw.Control(func(fd uintptr) { // an error is that of the write that follows
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		ended = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
	})
	return ended
}
