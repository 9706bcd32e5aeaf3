//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package engine

import "golang.org/x/sys/unix"

// isHungUp reports whether the peer of a connection has gone: it sends nothing and
// takes nothing any more. It does not wait.
func isHungUp(fd int32) bool {
	p := [1]unix.PollFd{{Fd: fd}}
	n, err := unix.Poll(p[:], 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}
