//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package engine

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// ioBytesMax is the most that is read or written in one call. Some of these
// systems refuse 2 GiB and more instead of doing a part of it.
const ioBytesMax = 1 << 30

// system is the kernel itself. These systems promise the interface of their C
// library only, so the calls are those of package unix, whose accept has no flags
// that all of them know.
var system = kernel{
	accept: func(fd int32) (int32, address, error) {
		// No process may be started between accept and close-on-exec: it would
		// inherit the connection.
		syscall.ForkLock.RLock()
		n, peer, err := unix.Accept(int(fd))
		if err == nil {
			unix.CloseOnExec(n)
		}
		syscall.ForkLock.RUnlock()
		if err != nil {
			return -1, address{}, err
		}
		if err := unix.SetNonblock(n, true); err != nil {
			unix.Close(n)
			return -1, address{}, unix.ECONNABORTED // that connection, not the listener
		}
		_ = unix.SetsockoptInt(n, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // an error for a Unix socket, and of no meaning
		return int32(n), peerAddress(peer), nil
	},
	read: func(fd int32, p []byte) (int, error) {
		n, err := unix.Read(int(fd), p[:min(len(p), ioBytesMax)])
		return result(n, err)
	},
	write: func(fd int32, p []byte) (int, error) {
		// A broken connection is an error here and no SIGPIPE: the runtime keeps
		// that for standard output.
		n, err := unix.Write(int(fd), p[:min(len(p), ioBytesMax)])
		return result(n, err)
	},
	shutdown: func(fd int32) { _ = unix.Shutdown(int(fd), unix.SHUT_WR) }, // it may be broken already
	close:    func(fd int32) { unix.Close(int(fd)) },
}

// result is what a read or write returned. An interrupted call is one that may
// be tried again: the poller reports the descriptor once more.
func result(n int, err error) (int, error) {
	switch err {
	case nil:
		return n, nil
	case unix.EAGAIN, unix.EINTR:
		return 0, errAgain
	}
	return 0, err
}

func peerAddress(peer unix.Sockaddr) address {
	switch peer := peer.(type) {
	case *unix.SockaddrInet4:
		return addressOf(netip.AddrPortFrom(netip.AddrFrom4(peer.Addr), uint16(peer.Port)))
	case *unix.SockaddrInet6:
		return addressOf(netip.AddrPortFrom(netip.AddrFrom16(peer.Addr), uint16(peer.Port)))
	}
	return address{}
}
