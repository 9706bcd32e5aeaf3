package engine

import "golang.org/x/sys/unix"

const (
	// A client that is silent is asked whether it is there after keepAliveIdle
	// seconds, and then each keepAliveInterval; the kernel gives up, and also when
	// what was written is not acknowledged, after userTimeout milliseconds.
	keepAliveIdle     = 30
	keepAliveInterval = 10
	userTimeout       = 60_000
)

// keepAlive has the kernel find out whether a client's network has gone. Errors
// are those of Unix sockets, which have no network.
func keepAlive(fd int32) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, userTimeout)
}
